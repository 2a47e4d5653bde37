"""What was measured of the dashboard, as Markdown."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from apps.benchmark.provenance import machine, measured, programs
from apps.benchmark.report import markdown

TARGET = 2.0  # seconds of server time of a page
VERSIONS = ("anomaly_cl", "streamlit", "SQLAlchemy", "pandas")
ABOUT = """\
`python -m apps.benchmark dashboard --alerts {alerts} --out DIR` builds a store in SQLite as time would, run by run
(import, verdicts, suppressions), and measures on it.

The time of a page is what its server computes for a visitor: the script of the page with all its queries, run by
Streamlit's own test harness in one process, the file in memory. The first run is that of a new visitor, the second one
that of a widget touched. What the browser draws then is not in it. The target is {target:g} s. Queries are the
functions behind the pages, medians of {repeats}; writes are done once, on a copy.

Times are seconds that the process computed on one core, which other work of the machine does not lengthen; writes also
have their seconds on the clock, in which the disk is, and whatever else ran then."""


def write(path: Path, frame: pd.DataFrame) -> Path:
    """The report; its path."""
    from apps.benchmark.dashboard.timing import REPEATS

    alerts = int(frame["alerts"].iloc[0])
    lines = [f"{measured(frame)}; {alerts:,} alerts, a file of {frame['megabytes'].iloc[0] / 1_000:.1f} GB",
             programs(VERSIONS), machine()]
    parts = [f"# The dashboard at {alerts:,} alerts", "\n".join(f"- {line}" for line in lines),
             ABOUT.format(alerts=alerts, target=TARGET, repeats=REPEATS),
             "## Pages", _pages(frame[frame["part"] == "page"])]
    queries = frame[frame["part"] == "query"]
    parts += ["## Queries of the queue, seconds", _queue(queries[queries["of"] != ""]),
              "## Other queries", _queries(queries[queries["of"] == ""]),
              "## Writes", _writes(frame[frame["part"] == "write"])]
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return path


def _pages(frame: pd.DataFrame) -> str:
    rows = ([line["what"], f"{line['cpu']:.2f}", f"{line['again_cpu']:.2f}",
             "yes" if max(line["cpu"], line["again_cpu"]) < TARGET else "**no**"] for line in frame.to_dict("records"))
    return markdown(["page", "first run, s", "second run, s", f"under {TARGET:g} s"], rows)


def _queue(frame: pd.DataFrame) -> str:
    table = frame.pivot(index="what", columns="of", values="cpu").reindex(frame["what"].unique())
    rows = ([str(name), *("" if pd.isna(value) else f"{value:.3f}" for value in line)]
            for name, line in zip(table.index, table.to_numpy(), strict=True))
    return markdown(["filters", *map(str, table)], rows)


def _queries(frame: pd.DataFrame) -> str:
    return markdown(["query", "seconds"], ([line["what"], f"{line['cpu']:.3f}"] for line in frame.to_dict("records")))


def _writes(frame: pd.DataFrame) -> str:
    return markdown(["write", "computing, s", "on the clock, s"], (
        [line["what"], f"{line['cpu']:.2f}", f"{line['seconds']:.2f}"] for line in frame.to_dict("records")))
