"""The tables of what is promised of series, as Markdown."""

from __future__ import annotations

import os
import platform
from datetime import date
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from apps.benchmark.guarantees.normal_series import kinds
from apps.benchmark.guarantees.span_kinds import ALL
from apps.benchmark.report import markdown

VERSIONS = ("anomaly_cl", "torch", "scikit-learn", "numpy")
MEAN = "all of these"
MOVED = {kind.name for kind in kinds() if kind.move}


def write(path: Path, title: str, *tables: str) -> Path:
    """A file of a title, how it was measured, and tables; its path."""
    about = (f"{date.today().isoformat()}; Python {platform.python_version()}, "
             + ", ".join(f"{name} {version(name)}" for name in VERSIONS)
             + f"; {platform.system()} {platform.machine()}, {os.cpu_count()} cores.")
    path.write_text("\n\n".join([f"# {title}", about, *tables]) + "\n", encoding="utf-8")
    return path


def false_alarm_tables(frame: pd.DataFrame) -> list[str]:
    """For each number of normal steps, a line a kind of series, one of all those that stay as they were, and then those
    that move: means over series, and the largest.
    """
    tables = []
    levels = [name for name in map(str, frame) if name.startswith("p <= ")]
    for (normal, new), part in frame.groupby(["normal_steps", "new_steps"]):
        names = list(dict.fromkeys(part["kind"]))
        stable = [name for name in names if name not in MOVED]
        lines = [(name, part[part["kind"] == name]) for name in stable] + [(MEAN, part[part["kind"].isin(stable)])]
        lines += [(name, part[part["kind"] == name]) for name in names if name in MOVED]
        rows = ([kind, str(len(group)), f"{group['window'].median():.0f}", f"{group['calibration'].median():.0f}",
                 *(f"{group[level].mean():.4f}" for level in levels), f"{group['p <= 0.01'].max():.4f}",
                 f"{(group['p <= 0.01'] == 0).mean():.0%}", f"{group['alerts'].mean():.0f}",
                 f"{group['spans'].mean():.1f}"] for kind, group in lines)
        tables.append(f"{normal:,} normal steps, {new:,} new ones; shares of the new steps\n\n" + markdown(
            ["series", "n", "window", "calibration", *levels, "largest p <= 0.01", "series without any",
             "alerts in 10,000", "spans in 10,000"], rows))
    return tables


def span_tables(frame: pd.DataFrame) -> list[str]:
    """A line a kind of anomaly and one of all, over all seeds; and what was found in all."""
    whole = frame[frame["kind"] == ALL]
    found, false, weeks = (whole[name].sum() for name in ("found", "false", "machine_weeks"))
    rows = []
    for kind in [*sorted(set(frame["kind"]) - {ALL}), ALL]:
        group = frame[frame["kind"] == kind]
        met = group["true"] * group["recall"]
        rows.append([kind, f"{group['true'].sum():.0f}", f"{met.sum() / group['true'].sum():.2f}",
                     _of_met(group, met, "covered", 2), _of_met(group, met, "delay", 0)])
    told = (f"{weeks:.0f} machine-weeks: {found:.0f} spans found, {false:.0f} of them false; precision "
            f"{1 - false / found:.2f}, {false / weeks:.2f} false spans a machine-week. Of the steps, "
            f"{whole['alerted'].mean():.1%} are alerted; a found span that meets a true one has "
            f"{whole['steps'].median():.0f} steps (median), a window {whole['window'].median():.0f}.")
    return [told, markdown(["kind", "true spans", "recall", "share of its steps alerted", "delay, steps"], rows)]


def memory_table(frame: pd.DataFrame) -> str:
    """A line for each way."""
    rows = ([line["way"], f"{line['normal_steps'] if line['way'] == 'fit' else line['new_steps']:,}",
             str(line["channels"]), f"{line['peak_megabytes']:,.0f}", f"{line['seconds']:,.0f}",
             f"{line['steps a second']:,.0f}"] for line in frame.to_dict("records"))
    return markdown(["way", "steps", "channels", "peak, MB", "seconds", "steps a second"], rows)


def _of_met(group: pd.DataFrame, met: pd.Series, name: str, digits: int) -> str:
    """The mean of a figure of spans that were met, over seeds by their numbers."""
    known = met > 0
    return f"{(group[name] * met)[known].sum() / met.sum():.{digits}f}" if known.any() else "–"
