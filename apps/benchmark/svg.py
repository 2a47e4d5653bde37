"""A plotly figure as static SVG by matplotlib: plotly's own export needs a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import plotly.graph_objects as go
from matplotlib.figure import Figure

PIXELS_AN_INCH, POINTS_A_PIXEL = 96, 0.75
SYMBOLS = {"circle": "o", "square": "s", "diamond": "D"}
SIDES = {"left": "right", "right": "left", "center": "center"}  # plotly names where the text is, matplotlib its anchor


def write_svg(figure: go.Figure, file: Path) -> None:
    """Draw the lines, markers and texts of scatter traces; the same figure gives the same bytes."""
    layout = figure.layout
    with mpl.rc_context({"svg.hashsalt": "fixed", "svg.fonttype": "none", "font.family": "sans-serif"}):
        canvas = Figure((layout.width / PIXELS_AN_INCH, layout.height / PIXELS_AN_INCH), layout="constrained")
        axes = canvas.add_subplot(title=layout.title.text)
        for trace in figure.data:
            if trace.visible in (None, True):
                _draw(axes, trace)
        for axis, ours in ((layout.xaxis, axes.xaxis), (layout.yaxis, axes.yaxis)):
            if axis.tickvals is not None:
                ours.set_ticks(list(axis.tickvals), labels=list(axis.ticktext))
            if axis.gridcolor is not None:
                ours.grid(color=axis.gridcolor)
        axes.set(xlabel=layout.xaxis.title.text or "", xlim=layout.xaxis.range, ylim=layout.yaxis.range)
        axes.set_axisbelow(True)
        if layout.xaxis.visible is False:
            axes.set_axis_off()
        if layout.showlegend:
            axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
        canvas.savefig(file, format="svg", metadata={"Date": None})


def _draw(axes: Any, trace: go.Scatter) -> None:
    if trace.mode == "lines":
        axes.plot(trace.x, trace.y, color=trace.line.color, linewidth=POINTS_A_PIXEL * trace.line.width)
    elif trace.mode == "markers":
        axes.plot(trace.x, trace.y, SYMBOLS[trace.marker.symbol], color=trace.marker.color,
                  markersize=POINTS_A_PIXEL * trace.marker.size, label=trace.name)
    else:
        vertical, side = trace.textposition.split()
        for x, y, text in zip(trace.x, trace.y, trace.text, strict=True):
            axes.text(x, y, text, color=trace.textfont.color, size=POINTS_A_PIXEL * trace.textfont.size,
                      ha=SIDES[side], va={"middle": "center"}.get(vertical, vertical))
