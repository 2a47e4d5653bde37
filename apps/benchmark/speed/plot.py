"""The pictures of the benchmark of speed: growth of rows/s and memory, and memory while files of ours are scored."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from apps.benchmark.plots import ACCENT
from apps.benchmark.speed.contenders import PEERS
from apps.benchmark.speed.plan import COLUMNS

WARM = (ACCENT, "#0f766e", "#7c3aed", "#be185d")  # ours
COOL = ("#1f2937", "#6b7280", "#2563eb", "#9ca3af", "#60a5fa")  # peers
GRID, LIMIT_INK = "#e5e7eb", "#9ca3af"
LIMIT = 2_000  # megabytes


def write_plots(out: Path, good: pd.DataFrame) -> list[str]:
    """Write the pictures as SVG; the lines of the report that show them."""
    scores = good[good["part"] == "score"]
    with mpl.rc_context({"svg.hashsalt": "fixed", "svg.fonttype": "none", "font.family": "sans-serif"}):
        _growth(scores).savefig(out / "benchmark-speed.svg", format="svg", metadata={"Date": None})
        _memory(scores).savefig(out / "benchmark-speed-memory.svg", format="svg", metadata={"Date": None})
    return ["![Rows a second and peak memory against rows and columns](benchmark-speed.svg)",
            "![Memory while files are scored](benchmark-speed-memory.svg)"]


def _growth(scores: pd.DataFrame) -> Figure:
    """Rows a second, and peak memory, by rows and by columns."""
    by_rows = scores[scores["columns"] == COLUMNS]
    others = scores[scores["columns"] != COLUMNS]
    panels = [("rows", by_rows)]
    if len(others):
        panels.append(("columns", scores[scores["rows"] == others["rows"].iloc[0]]))
    figure = Figure((5.5 * len(panels) + 2.5, 7), layout="constrained")
    axes = figure.subplots(2, len(panels), squeeze=False)
    for place, (grows, frame) in enumerate(panels):
        for row, (number, label) in enumerate((("rate", "rows/s"), ("peak", "peak memory, MB"))):
            panel = axes[row][place]
            for name, colour in _colours(scores).items():
                line = frame[frame["contender"] == name].groupby(grows)[number].median()
                panel.plot(line.index, line, "o-" if name not in PEERS else "s--", color=colour, label=name,
                           markersize=4, linewidth=1.8 if name not in PEERS else 1)
            panel.set(xscale="log", xlabel=grows, ylabel=label)
            if number == "rate":
                panel.set_yscale("log")
            else:
                panel.set_ylim(0, None)
            if grows == "columns":
                panel.set_xticks(sorted(frame[grows].unique()), [str(size) for size in sorted(frame[grows].unique())])
                panel.minorticks_off()
            panel.grid(color=GRID)
    axes[0][-1].legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return figure


def _memory(scores: pd.DataFrame) -> Figure:
    """Memory of our processes over time for each number of rows, and their peaks against the limit."""
    mine = scores[~scores["contender"].isin(PEERS) & (scores["columns"] == COLUMNS) & (scores["repeat"] == 0)]
    figure = Figure((11, 4), layout="constrained")
    over_time, peaks = figure.subplots(1, 2)
    colours = _colours(scores)
    widths = {rows: 0.8 + place for place, rows in enumerate(sorted(mine["rows"].unique()))}
    for line in mine.to_dict("records"):
        seconds, resident = zip(*line["curve"], strict=True) if line["curve"] else ((), ())
        over_time.plot([each / line["process_seconds"] for each in seconds], resident, color=colours[line["contender"]],
                       linewidth=widths[line["rows"]], label=f"{line['contender']}, {line['rows']:,} rows")
    over_time.set(xlabel="share of the run", ylabel="memory, MB", ylim=(0, None))
    over_time.grid(color=GRID)
    over_time.legend(frameon=False, fontsize="small")
    for name in mine["contender"].unique():
        line = mine[mine["contender"] == name].sort_values("rows")
        peaks.plot(line["rows"], line["peak"], "o-", color=colours[name], label=f"{name}: peak")
        peaks.plot(line["rows"], line["peak_private"], "o:", color=colours[name], label=f"{name}: without files")
    peaks.axhline(LIMIT, color=LIMIT_INK, linestyle="--")
    peaks.set(xscale="log", xlabel="rows", ylabel="peak memory, MB", ylim=(0, None))
    peaks.grid(color=GRID)
    peaks.legend(frameon=False, fontsize="small")
    return figure


def _colours(scores: pd.DataFrame) -> dict[str, str]:
    names = list(dict.fromkeys(scores["contender"]))
    mine, theirs = ([name for name in names if (name in PEERS) == is_peer] for is_peer in (False, True))
    return {name: palette[place % len(palette)] for group, palette in ((mine, WARM), (theirs, COOL))
            for place, name in enumerate(group)}
