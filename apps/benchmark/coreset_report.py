"""What banks of several sizes find, as tables: means over data sets, differences, and each set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from apps.benchmark.coreset import EXACT, FAST, TEST_ROWS, BankJob
from apps.benchmark.intervals import paired_bootstrap
from apps.benchmark.provenance import machine, measured, mixed_programs, programs, seeds
from apps.benchmark.ranks import compare
from apps.benchmark.report import FEWEST_RANKED, failures, markdown, number
from apps.benchmark.results import read_result
from apps.benchmark.summary import AREAS, by_set, results_frame

VERSIONS = ("anomaly_cl", "pyod", "scikit-learn", "numpy", "torch")


def write_coreset_report(planned: Sequence[BankJob], out: Path) -> Path:
    """Read the results of these jobs, write coreset.csv and coreset.md; raises InputError if there is none."""
    files = [file for job in planned if (file := job.file(out)).exists()]
    frame = results_frame(map(read_result, files))
    frame.assign(warnings=frame["warnings"].map("; ".join)).drop(columns="number").to_csv(
        out / "coreset.csv", index=False, float_format="%.6g")
    names = [name for name in dict.fromkeys(job.name for job in planned) if name in set(frame["model"])]
    areas = {name: by_set(frame, area)[names] for area, name in AREAS.items()}
    whole = {name: table.dropna() for name, table in areas.items()}
    parts = ["# Banks of several sizes", _about(frame, planned[0].train_rows),
             f"## Means over the {len(whole['AUC-ROC'])} of {frame['data'].nunique()} sets that all models have done",
             _means(frame, whole)]
    if len(whole["AUC-ROC"]) >= FEWEST_RANKED:
        largest = {name: _largest(name, names) for name in names}
        parts += _differences("the largest bank of the same model", whole, largest)
        if EXACT in names:
            ours = [name for name in names if name.startswith(FAST)]
            parts += _differences("the exact search", whole, dict.fromkeys(ours, EXACT))
    rows = frame.groupby("data")["rows"].max().to_dict()
    for name, table in areas.items():
        parts += [f"## {name} of each set, %", markdown(["data", "training rows", *names], (
            [str(data), str(rows[data]), *map(number, line)] for data, line in table.iterrows()))]
    path = out / "coreset.md"
    path.write_text("\n\n".join([*parts, *failures(frame)]) + "\n", encoding="utf-8")
    return path


def _about(frame: pd.DataFrame, train_rows: int) -> str:
    lines = [f"{measured(frame)}; {seeds(frame)}; up to {train_rows} training and {TEST_ROWS} test rows; one thread "
             "a run; a bank holds no more rows than trained", programs(VERSIONS), machine(), *mixed_programs(frame)]
    return "\n".join(f"- {line}" for line in lines)


def _means(frame: pd.DataFrame, areas: dict[str, pd.DataFrame]) -> str:
    seconds = frame.groupby("model")[["fit_seconds", "score_seconds"]].median()
    names = map(str, areas["AUC-ROC"])
    return markdown(["model and bank rows", *areas, "fit, median s", "score, median s"], (
        [name, *(number(table[name].mean()) for table in areas.values()), *map(number, seconds.loc[name])]
        for name in names))


def _largest(name: str, names: Sequence[str]) -> str:
    """The name of the same model's largest bank; sizes ascend in names."""
    kind = name.rpartition("-")[0]
    return [other for other in names if other.rpartition("-")[0] == kind][-1]


def _differences(what: str, areas: dict[str, pd.DataFrame], references: dict[str, str]) -> list[str]:
    """Mean differences in points over sets with their 95 % interval, and on how many sets higher, alike and lower."""
    rows = []
    for name, reference in references.items():
        if name == reference:
            continue
        cells = []
        for table in areas.values():
            ours, other = table[name].to_numpy(), table[reference].to_numpy()
            gain, found = paired_bootstrap(ours, other), compare(ours, other)
            cells += [f"{gain.mean:+.2f} ({gain.low:+.2f} to {gain.high:+.2f})",
                      f"{found.wins}/{found.ties}/{found.losses}"]
        rows.append([name, *cells])
    header = ["model and bank rows", *(cell for name in areas for cell in (name, "higher/alike/lower"))]
    return [f"## Against {what}, points", "In brackets: 95 % of means over sets drawn anew.", markdown(header, rows)
            ] if rows else []
