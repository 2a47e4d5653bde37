"""Figures of the model page: what a score means, and how the loss fell in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import charts
import plotly.graph_objects as go
from overview_charts import LEGEND
from palette import BLUE, GREY, VERMILLION


def calibration_curve(calibration: Mapping[str, Any]) -> go.Figure:
    """p-value over the score, with the tail that is extrapolated beyond the calibration rows; p is logarithmic."""
    curve = calibration["curve"]
    figure = go.Figure([
        go.Scatter(x=curve["score"], y=curve["p_tail"], name="extrapolated tail", mode="lines",
                   line={"color": VERMILLION, "width": 2, "dash": "dash"},
                   hovertemplate="score %{x:.3~g}: p %{y:.2g} with the tail<extra></extra>"),
        go.Scatter(x=curve["score"], y=curve["p_value"], name="p-value", mode="lines",
                   line={"color": BLUE, "width": 2.5},
                   hovertemplate="score %{x:.3~g}: p-value %{y:.2g}<extra></extra>"),
    ])
    if smallest := calibration.get("smallest_p_value"):
        figure.add_hline(y=smallest, line={"color": GREY, "width": 1, "dash": "dot"}, label={
            "text": f"smallest p-value {smallest:.1e}", "textposition": "start", "font": {"color": GREY, "size": 12}})
    figure.update_xaxes(title="score (higher = stranger)")
    figure.update_yaxes(type="log", title="share of normal rows at least this strange", tickformat="~g", dtick=1)
    charts.lay_out(figure, height=300)
    figure.update_layout(showlegend=True, margin_t=28, legend=LEGEND)
    return figure


def training_history(epochs: Sequence[Mapping[str, float]]) -> go.Figure:
    """Loss of the rows trained on and of those set aside, by epoch."""
    at = [epoch["epoch"] + 1 for epoch in epochs]
    figure = go.Figure([
        go.Scatter(x=at, y=[epoch.get(key) for epoch in epochs], name=name, mode="lines",
                   line={"color": colour, "width": 2, "dash": dash},
                   hovertemplate=f"epoch %{{x}}: %{{y:.4~g}} on {name}<extra></extra>")
        for key, name, colour, dash in (("train_loss", "rows trained on", GREY, "dot"),
                                        ("val_loss", "rows set aside", BLUE, "solid"))])
    figure.update_xaxes(title="epoch", tickformat="d")
    figure.update_yaxes(title="loss")
    charts.lay_out(figure, height=300)
    figure.update_layout(showlegend=True, margin_t=28, legend=LEGEND)
    return figure
