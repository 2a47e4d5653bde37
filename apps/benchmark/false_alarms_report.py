"""The tables of false alarms: each threshold's rates over all data sets, and on each."""

from __future__ import annotations

from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pandas as pd

from apps.benchmark.peers.thresholders import KNOWS_BENCHMARKS, WAYS
from apps.benchmark.report import markdown

BEST = 3
PACKAGES = ("anomaly_cl", "pyod", "pythresh", "scikit-learn", "numpy")
RATES = ["false_rate", "false_share", "recall", "precision", "F1"]


def by_set(frame: pd.DataFrame) -> pd.DataFrame:
    """Means over the seeds: a line for each kind, threshold and data set, in the order of the frame."""
    return frame.groupby(["kind", "threshold", "data"], sort=False)[RATES].mean().reset_index()


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """A line for each kind and threshold that never failed: means over the data sets of their means over the seeds,
    and the lowest and highest false_rate of a data set as `lowest` and `highest`.
    """
    failed = frame.groupby(["kind", "threshold"])["error"].transform(lambda errors: (errors != "").any())
    groups = by_set(frame[~failed]).groupby(["kind", "threshold"], sort=False)
    return groups[RATES].mean().assign(lowest=groups["false_rate"].min(), highest=groups["false_rate"].max())


def best(lines: pd.DataFrame, kind: str) -> list[str]:
    """The thresholders of the highest F1 on the test rows, best first; none that learned from such data sets' labels.

    lines: as of `summary`.
    """
    if kind not in lines.index.get_level_values("kind"):
        return []
    return list(lines.loc[kind].drop(list(KNOWS_BENCHMARKS), errors="ignore")["F1"].nlargest(BEST).index)


def chosen(lines: pd.DataFrame) -> list[tuple[str, str]]:
    """Kind and threshold of ours, of contamination, and of pythresh's best in each way."""
    own = [key for key in lines.index if key[0] not in WAYS]
    return own + [(way, name) for way in WAYS for name in best(lines, way)]


def promise(kind: str, threshold: str) -> str:
    """What a threshold promises, in a few words."""
    name, _, value = threshold.partition("=")
    if kind in WAYS:
        return "nothing"
    return {"alpha": "false alarms <= {:g} %", "fdr": "false among alerts <= {:g} %",
            "contamination": "{:g} % of training rows"}[name].format(100 * float(value))


def write_report(frame: pd.DataFrame, out: Path) -> Path:
    """Write false-alarms.md into the folder; returns its path."""
    lines = summary(frame)
    shown = chosen(lines)
    parts = ["# False alarms of thresholds on real data", _about(frame), "## Over all sets", _overall(lines, shown),
             "## Realised false-alarm rate on each set", _each_set(frame, shown)]
    if any(way in lines.index for way in WAYS):
        parts += ["## All thresholders of pythresh", _thresholders(lines)]
    failures = frame[frame["error"] != ""].drop_duplicates(["kind", "threshold"])
    parts += [f"- {line.threshold}, {line.kind}, failed on {line.data} seed {line.seed}: {line.error}"
              for line in failures.itertuples()]
    path = out / "false-alarms.md"
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return path


def _about(frame: pd.DataFrame) -> str:
    versions = []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            versions.append(f"{package} is not installed")
    seeds = ", ".join(str(seed) for seed in sorted(frame["seed"].unique()))
    return f"{date.today().isoformat()}; {frame['data'].nunique()} sets, seeds {seeds}; {', '.join(versions)}."


def _title(kind: str, threshold: str) -> str:
    return f"{threshold}, {kind}" if kind in WAYS else threshold


def _percent(*values: float) -> list[str]:
    return [f"{100 * value:.1f}" for value in values]


def _overall(lines: pd.DataFrame, shown: list[tuple[str, str]]) -> str:
    columns = ["false_rate", "lowest", "highest", *RATES[1:]]
    return markdown(
        ["threshold", "promised", "false-alarm rate", "lowest set", "highest set", "false among alerts", "recall",
         "precision", "F1"],
        ([_title(*key), promise(*key), *_percent(*lines.loc[key, columns])] for key in shown),
    )


def _each_set(frame: pd.DataFrame, shown: list[tuple[str, str]]) -> str:
    rates = by_set(frame).set_index(["kind", "threshold", "data"])["false_rate"]
    names = list(dict.fromkeys(frame["data"]))
    return markdown(["threshold", *names],
                    ([_title(*key), *_percent(*(rates.loc[(*key, name)] for name in names))] for key in shown))


def _thresholders(lines: pd.DataFrame) -> str:
    names = sorted({name for kind, name in lines.index if kind in WAYS})
    header = ["thresholder", *(f"{what}, {way}" for way in WAYS for what in ("false-alarm rate", "F1"))]
    return markdown(header, (
        [name, *(cell for way in WAYS for cell in (
            _percent(*lines.loc[(way, name), ["false_rate", "F1"]]) if (way, name) in lines.index else ["-", "-"]))]
        for name in names
    ))
