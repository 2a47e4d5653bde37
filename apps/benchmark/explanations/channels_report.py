"""The report on channels: channels.md."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from apps.benchmark.provenance import machine, measured, mixed_programs, programs, seeds
from apps.benchmark.report import markdown, number

ALL = "all"
VERSIONS = ("anomaly_cl", "scikit-learn", "numpy", "torch")
ABOUT = ("Simulated machines; each anomaly is in one channel. Of an anomaly that has alerted steps, the channels are "
         "ranked by what a method says of them in all, summed over these steps. hit@1, hit@3: share of the anomalies "
         "whose channel comes first, or among the first three. |z|: distance of a reading from the mean of its "
         "machine's normal ones, in their standard deviations.")


def write_channels(frame: pd.DataFrame, n_channels: int, out: Path) -> Path:
    """Report on lines as `channels.measure` keeps them; the file of the report."""
    methods = list(dict.fromkeys(frame["model"]))
    rows = []
    for kind in [*sorted(set(frame["kind"])), ALL]:
        part = frame if kind == ALL else frame[frame["kind"] == kind]
        means = part.groupby("model")[["hit1", "hit3"]].mean().loc[methods]
        rows.append([kind, str(len(part) // len(methods)), *(number(x, 3) for x in means["hit1"]),
                     *(number(x, 3) for x in means["hit3"])])
    header = ["kind", "anomalies", *(f"hit@1 {name}" for name in methods), *(f"hit@3 {name}" for name in methods)]
    about = [f"{measured(frame)}; {seeds(frame)}, {n_channels} channels", programs(VERSIONS), machine(),
             *mixed_programs(frame)]
    parts = ["# Benchmark of explanations: channels of series", "\n".join(f"- {line}" for line in about), ABOUT,
             markdown(header, rows)]
    file = out / "channels.md"
    file.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return file
