"""Figures of the overview that set a run against its calibration, and the verdicts of each day."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import charts
import plotly.graph_objects as go
from palette import BLUE, SKY, VERMILLION
from verdict_marks import LOOKS

DAY = 86_400_000  # milliseconds
WEEK = 7  # days
LEGEND = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font_size": 13}


def verdicts_a_day(days: Sequence[tuple[str, Mapping[str, int]]]) -> go.Figure:
    """Stacked bars: how many verdicts were given each day, by what they said."""
    figure = go.Figure([
        go.Bar(x=[date.fromisoformat(day) for day, _ in days], y=[counts[verdict] for _, counts in days],
               name=verdict, marker_color=LOOKS[verdict].colour, width=0.7 * DAY,
               hovertemplate=f"%{{x|%a %d %b %Y}}<br>%{{y:,}} {verdict}<extra></extra>")
        for verdict in ("fraud", "legitimate", "unsure")
    ])
    charts.label_days(figure, [day for day, _ in days])
    most = max((sum(counts.values()) for _, counts in days), default=0)
    figure.update_yaxes(tickformat=",d", title="verdicts", dtick=1 if most <= charts.FEW else None)
    charts.lay_out(figure, height=240)
    figure.update_layout(barmode="stack", showlegend=True, legend=LEGEND, margin_t=28)
    if 0 < len(days) < WEEK:  # a single bar would be as wide as the card
        first, last = (datetime.combine(date.fromisoformat(days[place][0]), time.min) for place in (0, -1))
        figure.update_xaxes(range=[first - timedelta(days=3.5), last + timedelta(days=3.5)])
    return figure


def scores_against_calibration(histogram: Mapping[str, Any]) -> go.Figure:
    """Shares of the scored and of the calibration rows at each score; shares are logarithmic."""
    edges = histogram["edges"]
    middles = [(low + high) / 2 for low, high in itertools.pairwise(edges)]
    figure = go.Figure(go.Bar(
        x=middles, y=_shares(histogram["counts"]), width=[high - low for low, high in itertools.pairwise(edges)],
        name="scored rows", marker={"color": SKY, "line_width": 0}, customdata=histogram["counts"],
        hovertemplate="score %{x:.3~g}: %{y:.2%}, %{customdata:,} scored rows<extra></extra>"))
    if histogram.get("calibration"):
        figure.add_scatter(
            x=middles, y=_shares(histogram["calibration"]), mode="lines", name="calibration rows",
            line={"color": BLUE, "width": 2, "shape": "hvh"}, customdata=histogram["calibration"],
            hovertemplate="score %{x:.3~g}: %{y:.2%}, %{customdata:,} calibration rows<extra></extra>")
    figure.update_xaxes(title="score (higher = stranger)")
    figure.update_yaxes(type="log", tickformat="~%", dtick=1, title="share of rows")
    _finish(figure)
    return figure


def risks_against_calibration(histogram: Mapping[str, Any], threshold: float | None) -> go.Figure:
    """Rows at each risk, against the number of normal rows that the p-values promise there; counts are logarithmic."""
    edges, counts = histogram["edges"], histogram["counts"]
    middles = [(low + high) / 2 for low, high in itertools.pairwise(edges)]
    past = [threshold is not None and low >= threshold for low in edges[:-1]]
    rows = sum(counts)
    # risk is -10 log10 p, and p of normal rows is uniform; the last bin holds all that are stranger
    tails = [10 ** (-edge / 10) for edge in edges[:-1]] + [0.0]
    expected = [rows * (high - low) for high, low in itertools.pairwise(tails)]
    figure = go.Figure(go.Bar(
        x=middles, y=counts, width=[high - low for low, high in itertools.pairwise(edges)], name="rows",
        marker={"color": [VERMILLION if one else SKY for one in past], "line_width": 0}, showlegend=False,
        customdata=[[*pair, number] for pair, number in zip(itertools.pairwise(edges), expected, strict=True)],
        hovertemplate="risk %{customdata[0]:.3~g} to %{customdata[1]:.3~g}: %{y:,} rows, %{customdata[2]:,.3~g} "
                      "if every row were normal<extra></extra>"))
    shown = [(x, number) for x, number in zip(middles, expected, strict=True) if number >= 0.5]
    figure.add_scatter(x=[x for x, _ in shown], y=[number for _, number in shown], mode="lines",
                       name="if every row were normal", line={"color": BLUE, "width": 2.5, "dash": "dot"},
                       hoverinfo="skip")
    if threshold is not None:
        charts.mark(figure, threshold, f"policy · risk {threshold:.1f}", histogram)
    figure.update_xaxes(title="risk (−10 log₁₀ p)")
    figure.update_yaxes(type="log", tickformat=",~r", dtick=1, title="rows")
    _finish(figure)
    return figure


def _shares(counts: Sequence[int]) -> list[float | None]:
    rows = sum(counts)
    return [number / rows if number else None for number in counts]


def _finish(figure: go.Figure) -> None:
    charts.lay_out(figure, height=260)
    figure.update_layout(showlegend=True, legend=LEGEND, margin_t=28)
