"""The report of the benchmark of explanations: explanations.md."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from apps.benchmark.explanations.methods import BACKGROUND, FALLS, OURS, SHAP
from apps.benchmark.explanations.planting import (
    ALERT,
    APART,
    BEYOND,
    COLUMNS,
    FEWEST_NORMAL,
    FEWEST_VALUES,
    ROWS,
    SETS,
    SHIFT,
    TRIES,
    UNSUSPICIOUS,
)
from apps.benchmark.explanations.runs import FEW, KEY
from apps.benchmark.intervals import RESAMPLES, paired_bootstrap
from apps.benchmark.provenance import machine, measured, mixed_programs, programs, seeds
from apps.benchmark.report import markdown, number

MEASURES = {"hit1": "hit@1", "hit3": "hit@3", "area": "deletion"}
ROW = ["data", "seed", "kind", "columns", "place"]
HALVES = ("first half", "second half")
VERSIONS = ("anomaly_cl", "shap", "pyod", "scikit-learn", "numpy", "torch")
ABOUT = ("hit@1: share of the rows whose first column was planted. hit@3: share of a row's planted columns among its "
         "first three. deletion: area under the normalised score as the columns, in their order, take the values of "
         "the nearest normal row; lower is better. All are means over data sets of the mean over rows and seeds. "
         "first half: the 1st, 3rd, 5th ... of the data sets, second half: the others. s: CPU seconds for 100 rows.")
PLANTING = (f"Planted are one to three columns of normal rows that the detector did not learn from and finds "
            f"unsuspicious (p-value above {UNSUSPICIOUS:g}), each column by itself. extreme: {BEYOND[0]:g} to "
            f"{BEYOND[1]:g} standard deviations beyond all values learned from; shifted: {SHIFT[0]:g} to {SHIFT[1]:g} "
            f"up or down from the own value; swapped: another normal row's value, {APART:g} or more from the own. Kept "
            f"are the first {ROWS} rows of each kind and number of columns, of {TRIES} tried at most, whose p-value "
            f"falls to {ALERT:g}. Data sets: the first {SETS} by number with {COLUMNS[0]} to {COLUMNS[1]} columns of "
            f"{FEWEST_VALUES} or more different values each, and {FEWEST_NORMAL:,} normal rows.")


def write_report(frame: pd.DataFrame, sets: Sequence[str], out: Path) -> Path:
    """Report on lines as `measure` keeps them; the data sets in their order. The file of the report."""
    frame = frame.assign(half=frame["data"].map({name: HALVES[i % 2] for i, name in enumerate(sets)}))
    parts = ["# Benchmark of explanations", _provenance(frame), PLANTING, ABOUT]
    cheap = frame[frame["model"] != SHAP]
    if len(cheap):
        parts += ["## All planted rows", _means(cheap), *_versus_ours(cheap), *_details(cheap, sets)]
    if (frame["model"] == SHAP).any():
        same = of_same_rows(frame)
        n_rows = len(same[ROW].drop_duplicates())
        parts += [f"## The {n_rows} rows that {SHAP} explained", _explained_by_shap(same), _means(same),
                  *_versus_ours(same), "### hit@1 by kind and number of planted columns", _cells(same, "hit1")]
    parts += ["## Rows that were noticed", _noticed(frame)]
    file = out / "explanations.md"
    file.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return file


def of_same_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """The lines of those rows that SHAP explained."""
    rows = frame[frame["model"] == SHAP][ROW]
    return frame.merge(rows, on=ROW)


def by_set(frame: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Mean over rows and seeds (data sets, methods), methods in the order that they were measured in."""
    table = frame.pivot_table(index="data", columns="model", values=measure, aggfunc="mean")
    return table[list(dict.fromkeys(frame["model"]))]


def means(frame: pd.DataFrame) -> pd.DataFrame:
    """One line a method: each measure over all data sets and over each half, and seconds for 100 rows."""
    found = {}
    for measure, name in MEASURES.items():
        table = by_set(frame, measure)
        found[name] = table.mean()
        for half, part in frame.groupby("half"):
            found[f"{name} {half}"] = table.loc[sorted(part["data"].unique())].mean()
    found["s"] = 100 * by_set(frame, "seconds").mean()
    return pd.DataFrame(found)


def _means(frame: pd.DataFrame) -> str:
    lines = means(frame)
    rows = ([str(name), *(number(line[column], 1 if column == "s" else 3) for column in lines)]
            for name, line in lines.iterrows())
    return markdown(["method", *lines], rows)


def _versus_ours(frame: pd.DataFrame) -> list[str]:
    """Differences over data sets, if there are at least two."""
    others = [name for name in dict.fromkeys(frame["model"]) if name != OURS]
    if OURS not in set(frame["model"]) or not others or frame["data"].nunique() < 2:
        return []
    rows = []
    for name in others:
        cells = []
        for measure in MEASURES:
            table = by_set(frame, measure)[[OURS, name]].dropna()
            found = paired_bootstrap(table[OURS], table[name])
            cells += [f"{found.mean:+.3f}", f"{found.low:+.3f} to {found.high:+.3f}"]
        rows.append([name, *cells])
    header = ["method", *(part for name in MEASURES.values() for part in (name, "95 % interval"))]
    return [f"{OURS} less each; interval: paired bootstrap over data sets, {RESAMPLES:,} times.\n\n"
            + markdown(header, rows)]


def _details(frame: pd.DataFrame, sets: Sequence[str]) -> list[str]:
    parts = []
    for measure, name in MEASURES.items():
        parts += [f"### {name} by kind and number of planted columns", _cells(frame, measure),
                  f"### {name} by data set", _by_set(frame, measure, sets)]
    return parts


def _explained_by_shap(frame: pd.DataFrame) -> str:
    """What the rows are, and how much faster the others were."""
    seconds = by_set(frame, "seconds").mean()
    told = ", ".join(f"{name} {seconds[SHAP] / value:,.0f}" for name, value in seconds.items()
                     if name in (OURS, FALLS, "ECOD") and value > 0)
    return (f"Of each data set the first {FEW} of each kind and number of columns, with {BACKGROUND} normal rows as "
            f"background and the default number of samples. Times as fast as {SHAP}, by mean CPU seconds: {told}.")


def _cells(frame: pd.DataFrame, measure: str) -> str:
    methods = list(dict.fromkeys(frame["model"]))
    rows = []
    for part in ("kind", "columns"):
        for value, cell in frame.groupby(part, sort=False):
            rows.append([f"{value} column{'s' if value != 1 else ''}" if part == "columns" else str(value),
                         *(number(x, 3) for x in by_set(cell, measure).mean()[methods])])
    return markdown(["planted", *methods], rows)


def _by_set(frame: pd.DataFrame, measure: str, sets: Sequence[str]) -> str:
    table = by_set(frame, measure)
    rows = ([name, *(number(x, 3) for x in table.loc[name])] for name in sets if name in table.index)
    return markdown(["data", *map(str, table)], rows)


def _noticed(frame: pd.DataFrame) -> str:
    cells = frame[[*KEY[:2], "kind", "columns", "noticed", "tried"]].drop_duplicates()
    rows = ([f"{kind}, {count} column{'s' if count > 1 else ''}", f"{part['tried'].sum():,}",
             f"{part['noticed'].sum() / part['tried'].sum():.0%}"]
            for (kind, count), part in cells.groupby(["kind", "columns"], sort=False))
    return markdown(["planted", "rows tried", "noticed"], rows)


def _provenance(frame: pd.DataFrame) -> str:
    n_rows = len(frame[ROW].drop_duplicates())
    lines = [f"{measured(frame)}; {frame['data'].nunique()} data sets, {n_rows:,} planted rows, {seeds(frame)}, one "
             "thread a run", programs(name for name in VERSIONS if name != "shap" or find_spec("shap")), machine(),
             *mixed_programs(frame)]
    return "\n".join(f"- {line}" for line in lines)
