"""The picture of a benchmark of events: each model's average precision, week by week and in the mean."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from apps.benchmark.models import OURS
from apps.benchmark.plots import ACCENT, INK, PALE, ROW


def week_plot(table: pd.DataFrame) -> go.Figure:
    """A row of points for each model, from average precision (models, weeks); the highest mean on top."""
    mean = table.mean(axis=1).sort_values(ascending=False)
    ordered = table.loc[mean.index]
    names = [str(name) for name in ordered.index]
    figure = go.Figure()
    for week in ordered:
        figure.add_trace(go.Scatter(
            x=ordered[week], y=names, mode="markers", name=str(week), marker={"color": PALE, "size": 7},
            hovertemplate="%{y}, %{fullData.name}: %{x:.3f}<extra></extra>", showlegend=False,
        ))
    colours = [ACCENT if name.startswith(OURS) else INK for name in names]
    figure.add_trace(go.Scatter(
        x=mean, y=names, mode="markers", name="mean", marker={"color": colours, "size": 11, "symbol": "diamond"},
        hovertemplate="%{y}, mean: %{x:.3f}<extra></extra>", showlegend=False,
    ))
    figure.update_xaxes(title_text="average precision", gridcolor="#e5e7eb", zeroline=False, rangemode="tozero")
    figure.update_yaxes(autorange="reversed", gridcolor="#f3f4f6")
    return figure.update_layout(
        title_text="Card fraud by week (points) and in the mean (diamonds; ours in colour)", width=900,
        height=140 + ROW * len(names), plot_bgcolor="white", paper_bgcolor="white",
        font={"family": "sans-serif", "color": INK}, margin={"t": 60, "b": 50, "l": 220, "r": 20},
    )
