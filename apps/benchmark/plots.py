"""The two pictures of a benchmark."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.colors import qualitative

from apps.benchmark.models import OURS
from apps.benchmark.ranks import groups

ACCENT, INK, PALE = "#c2410c", "#1f2937", "#9ca3af"
SYMBOLS = ("circle", "square", "diamond")
ROW = 26  # pixels


def critical_difference_plot(mean_ranks: pd.Series, difference: float) -> go.Figure:
    """Models on an axis of mean ranks, 1 = best; a bar joins those that do not differ (Demšar 2006, figure 1)."""
    ordered = mean_ranks.sort_values()
    half = (len(ordered) + 1) // 2
    low, high = 1, len(ordered)
    bars = groups(ordered.to_numpy(), difference)
    top = 1.2 + 0.35 * len(bars)  # names hang below the bars
    figure = go.Figure()
    _line(figure, [low, high], [0, 0], INK)
    _texts(figure, list(range(low, high + 1)), [-0.35] * high, [str(rank) for rank in range(low, high + 1)])
    for rank in range(low, high + 1):
        _line(figure, [rank, rank], [-0.1, 0], INK)
    _line(figure, [low, low + difference], [-1.2, -1.2], INK, 3)
    _texts(figure, [low + difference / 2], [-1.55], [f"critical difference {difference:.2f}"])
    for level, (start, end) in enumerate(bars):
        _line(figure, [start - 0.03, end + 0.03], [0.45 + 0.35 * level] * 2, INK, 4)
    margin, gap = 0.04 * (high - low), 0.01 * (high - low)
    for place, (name, rank) in enumerate(ordered.items()):
        left = place < half
        depth = top + (place if left else len(ordered) - 1 - place) * 0.6
        edge = low - margin if left else high + margin
        colour = ACCENT if name == OURS else INK
        _line(figure, [rank, rank, edge], [0, depth, depth], ACCENT if name == OURS else PALE)
        beside = edge + (-gap if left else gap)
        _texts(figure, [beside], [depth], [f"{name} {rank:.2f}"], "middle left" if left else "middle right", colour)
    depth = top + half * 0.6
    figure.update_xaxes(visible=False, range=[low - 0.35 * (high - low), high + 0.35 * (high - low)])
    figure.update_yaxes(visible=False, range=[depth, -2])
    return _finish(figure, "Mean rank of AUC-ROC over the data sets", 900, 110 + round(36 * (depth + 2)), legend=False)


def per_set_plot(table: pd.DataFrame) -> go.Figure:
    """A row of points for each data set, AUC-ROC (sets, models) in percent; ablations wait in the legend."""
    names = sorted(map(str, table), key=OURS.__eq__)  # ours is drawn last, on top
    figure = go.Figure()
    rows = np.arange(len(table))
    for place, name in enumerate(names):
        ours = name == OURS
        colours = qualitative.D3
        marker = {"color": ACCENT if ours else colours[place % len(colours)], "size": 13 if ours else 8,
                  "symbol": "diamond" if ours else SYMBOLS[place // len(colours) % len(SYMBOLS)]}
        figure.add_trace(go.Scatter(
            x=table[name], y=rows, mode="markers", name=name, marker=marker, customdata=table.index,
            hovertemplate="%{customdata}: %{x:.2f}", visible="legendonly" if is_ablation(name) else True,
        ))
    figure.update_xaxes(title_text="AUC-ROC, %", gridcolor="#e5e7eb", zeroline=False)
    figure.update_yaxes(tickvals=rows, ticktext=list(table.index), range=[len(table) - 0.4, -0.6],
                        gridcolor="#f3f4f6", zeroline=False)
    return _finish(figure, "Each data set, mean over seeds", 900, 140 + ROW * len(table), legend=True)


def is_ablation(name: str) -> bool:
    """Whether a model is our detector with a part exchanged or left out."""
    return name.startswith(f"{OURS}-")


def _line(figure: go.Figure, x: list[float], y: list[float], colour: str, width: float = 1.2) -> None:
    figure.add_trace(go.Scatter(x=x, y=y, mode="lines", line={"color": colour, "width": width}, hoverinfo="skip"))


def _texts(
    figure: go.Figure, x: list[float], y: list[float], texts: list[str], position: str = "middle center",
    colour: str = INK,
) -> None:
    figure.add_trace(go.Scatter(x=x, y=y, mode="text", text=texts, textposition=position,
                                textfont={"color": colour, "size": 12}, hoverinfo="skip"))


def _finish(figure: go.Figure, title: str, width: int, height: int, *, legend: bool) -> go.Figure:
    return figure.update_layout(
        title_text=title, width=width, height=height, showlegend=legend, plot_bgcolor="white", paper_bgcolor="white",
        font={"family": "sans-serif", "color": INK}, margin={"t": 60, "b": 50, "l": 120 if legend else 20, "r": 20},
    )
