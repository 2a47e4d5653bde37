"""What was measured of speed and memory, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from apps.benchmark.provenance import machine, measured, programs
from apps.benchmark.report import markdown
from apps.benchmark.speed.contenders import PEERS
from apps.benchmark.speed.plan import COLUMNS, REFERENCE
from apps.benchmark.speed.plot import write_plots

VERSIONS = ("anomaly_cl", "pyod", "scikit-learn", "numpy", "pyarrow", "duckdb", "torch")
CELL = ["part", "contender", "rows", "columns"]
ABOUT = f"""\
`python -m apps.benchmark speed --out DIR --rows 10000 100000 1000000 --columns 10 50 200` measures the growth, and
`python -m apps.benchmark speed --out DIR --large 1000000 5000000 20000000 --repeat 1` files larger than memory should
hold. What DIR holds is not measured again, and the report is of all of it.

Each measurement is a process of its own; nothing else of the benchmark runs meanwhile, and contenders take turns, so
that a busy machine hits all alike; seconds of computing hardly grow with what else runs. Figures are medians over the
repeats. Rows are simulated: correlated columns of seven shapes, a fifth of them categorical texts, one scored row in
1,000 strange; a longer file begins with the rows of a shorter one. All contenders know the same {REFERENCE:,} normal
rows.

- **Ours** reads a Parquet file and writes the scored file, the rejects and the manifest (`score_file`), with p-values
  and the reasons of its alerts; the model is loaded before. "command" is `anomaly-cl score` from its start to its end.
- **Peers** (PyOD, its defaults but for what is named) get arrays of floats that are in memory already: the same
  columns, categories as ranks, standardised; only `decision_function` counts. IForest has 200 trees. IForest and ECOD
  score the first {PEERS["IForest"].most_rows:,} rows at most, KNN the first {PEERS["KNN"].most_rows:,}; their rows/s
  stand for the whole file. Ours has all cores; IForest takes one, or with n_jobs=2 two; the search of KNN (by brute
  force beyond 15 columns) takes all of them anyway.
- **Peak memory** is what the process and its children held at most in RAM, the interpreter and its libraries included
  (the kernel's mark of the process, and ten looks a second at all of them). Pages of mapped files count; "without
  files" leaves them out. That of a peer depends on how many rows it was given at once."""


def write_report(out: Path, lines: Sequence[dict[str, Any]]) -> Path:
    """The report and its plots in the folder; the path of the report."""
    frame = pd.DataFrame(lines)
    frame["error"] = frame["error"].fillna("")
    good = frame[frame["error"] == ""]
    parts = ["# Speed and memory", "\n".join(f"- {line}" for line in _provenance(frame)), ABOUT]
    scores = _medians(good[good["part"] == "score"])
    if len(scores):
        parts += [*write_plots(out, good), *_scoring(scores)]
    for part, title, text in (
            ("command", "Whole commands", "`anomaly-cl score`, from the start of the program to its end."),
            ("model", f"Models of {REFERENCE:,} rows", "Fits before the scoring, Parquet to a model folder."),
            ("fit", "Fits", "Ours: Parquet to a fitted detector, which draws 200,000 rows of a longer file to learn\n"
                            "from. Peers: `fit` on arrays in memory.")):
        measured_part = _medians(good[good["part"] == part])
        if len(measured_part):
            parts += [f"## {title}", text, _table(measured_part)]
    failed = frame[frame["error"] != ""]
    if len(failed):
        parts += ["## Failed runs", markdown(["contender", "part", "rows", "columns", "error"], (
            [line["contender"], line["part"], f"{line['rows']:,}", str(line["columns"]), line["error"]]
            for line in failed.to_dict("records")))]
    path = out / "benchmark-speed.md"
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return path


def _provenance(frame: pd.DataFrame) -> list[str]:
    lines = [f"{measured(frame)}; load average before the runs {frame['load'].min():.1f} to {frame['load'].max():.1f}",
             programs(VERSIONS), f"{machine()}, of which {', '.join(map(str, sorted(frame['cores'].unique())))} used",
             f"alerts at {', '.join(sorted(frame['policy'].unique()))}"]
    states = frame.loc[frame["part"] != "fit", "code"].nunique()
    return lines + ([f"measured with {states} states of the program: take a new --out to measure one"]
                    if states > 1 else [])


def _medians(frame: pd.DataFrame) -> pd.DataFrame:
    numbers = ["rate", "seconds", "cpu", "peak", "peak_private", "load", "done"]
    found = frame.groupby(CELL, sort=False)[numbers].median().reset_index()
    return found.assign(repeats=frame.groupby(CELL, sort=False).size().to_numpy())


def _scoring(scores: pd.DataFrame) -> Iterable[str]:
    by_rows = scores[scores["columns"] == COLUMNS].sort_values("rows", kind="stable")
    yield f"## Scoring: growing rows, {COLUMNS} columns"
    yield _table(by_rows)
    yield from _ratios(by_rows, "rows")
    others = scores[scores["columns"] != COLUMNS]
    if len(others):
        same_rows = scores[scores["rows"] == others["rows"].iloc[0]].sort_values("columns", kind="stable")
        yield f"## Scoring: growing columns, {others['rows'].iloc[0]:,} rows"
        yield _table(same_rows)
        yield from _ratios(same_rows, "columns")


def _table(frame: pd.DataFrame) -> str:
    header = ["contender", "rows", "columns", "rows/s", "s", "s of computing", "peak MB", "without files, MB", "load",
              "repeats"]
    return markdown(header, (
        [line["contender"], _rows(line), str(line["columns"]), f"{line['rate']:,.0f}", f"{line['seconds']:.2f}",
         f"{line['cpu']:.2f}", f"{line['peak']:,.0f}", f"{line['peak_private']:,.0f}", f"{line['load']:.1f}",
         str(line["repeats"])] for line in frame.to_dict("records")))


def _rows(line: Mapping[Any, Any]) -> str:
    """Rows of the file; and how many of them were scored, if not all."""
    some = int(line["done"]) != line["rows"]
    return f"{line['rows']:,}" + (f" (first {int(line['done']):,})" if some else "")


def _ratios(scores: pd.DataFrame, grows: str) -> Iterable[str]:
    """How many times as many rows a second ours takes as each peer, and peak memory against that at the first size."""
    names = list(dict.fromkeys(scores["contender"]))
    rates, computed = (table.pivot(index="contender", columns=grows, values=value).reindex(names) for table, value in (
        (scores, "rate"), (scores.assign(computed=scores["done"] / scores["cpu"]), "computed")))
    sizes = [f"{size:,}" for size in rates]
    mine = [name for name in names if name not in PEERS]
    theirs = [name for name in names if name in PEERS]
    if mine and theirs:
        for told, table in (("Rows/s", rates), ("Rows per second of computing, on all cores together,", computed)):
            yield f"{told} of ours as a multiple of each peer's, by {grows}:"
            yield markdown(["ours / peer", *sizes], (
                [f"{one} / {peer}", *(f"{ratio:.2f}" for ratio in table.loc[one] / table.loc[peer])]
                for one in mine for peer in theirs))
    if len(sizes) > 1 and mine:
        peaks = scores.pivot(index="contender", columns=grows, values="peak").reindex(names)
        yield f"Ours at each number of {grows}, as a multiple of the first:"
        yield markdown(["", *sizes], [
            [f"{one}: {what}", *(f"{ratio:.2f}" for ratio in table.loc[one] / table.loc[one].iloc[0])]
            for one in mine for what, table in (("rows/s", rates), ("peak memory", peaks))])
