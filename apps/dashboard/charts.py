"""The plotly figures; text of records is escaped, since plotly reads tags in labels."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import formats
import plotly.graph_objects as go
from palette import BLUE, GREY, GRID, SKY, VERMILLION
from policy import AlertsAt

CONFIG = {"displayModeBar": False, "scrollZoom": False}
FORTNIGHT = 14  # days
FEW = 5  # counts up to which each has a tick
LABEL = 26  # characters of a name or value beside a bar


def reason_bars(reasons: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Contribution of each column to the score, the strongest at the top."""
    strongest_last = list(reversed(reasons))
    values = [float(reason["contribution"]) for reason in strongest_last]
    labels = [f"{_short(formats.cell(reason['column']))}<br><span style='font-size:12px'>"
              f"{_short(formats.told(reason['value']))}, typically {_short(formats.told(reason['typical']))}</span>"
              for reason in strongest_last]
    figure = go.Figure(go.Bar(
        x=values, y=list(range(len(values))), orientation="h", marker_color=VERMILLION, width=0.5, hoverinfo="skip",
        text=[f"{value:.1f}" for value in values], textposition="outside", cliponaxis=False,
    ))
    lay_out(figure, height=max(64 + 48 * len(values), 220), right=44)
    figure.update_xaxes(title="contribution to the score (nats)", rangemode="tozero")
    figure.update_yaxes(tickmode="array", tickvals=list(range(len(values))), ticktext=labels, showgrid=False,
                        automargin=True, tickfont_size=14, range=[-0.5, max(len(values), 2) - 0.5])
    return figure


def score_place(histogram: Mapping[str, Any], score: float) -> go.Figure:
    """All scores of the run as a histogram with logarithmic counts, and a line at this record."""
    figure = _histogram(histogram, "scored rows", split_at=score)
    mark(figure, score, f"this record · {score:.2f}", histogram)
    figure.update_xaxes(title="score (higher = stranger)")
    lay_out(figure, height=250)
    return figure


def score_histogram(histogram: Mapping[str, Any]) -> go.Figure:
    figure = _histogram(histogram, "rows")
    figure.update_xaxes(title="score (higher = stranger)")
    lay_out(figure, height=240)
    return figure


def risk_histogram(histogram: Mapping[str, Any], threshold: float | None) -> go.Figure:
    """Risks of all scored rows; those past the threshold in the colour of alerts."""
    figure = _histogram(histogram, "rows", split_at=threshold)
    if threshold is not None:
        mark(figure, threshold, f"policy · risk {threshold:.1f}", histogram)
    figure.update_xaxes(title="risk")
    lay_out(figure, height=240)
    return figure


def label_days(figure: go.Figure, days: Sequence[str]) -> None:
    """A label a day (ISO dates, in order) where they lie within two weeks; plotly thins the labels of longer times.

    Some days far apart are a long time too: thousands of labels would keep the browser busy for minutes.
    """
    apart = (date.fromisoformat(days[-1]) - date.fromisoformat(days[0])).days if days else 0
    by_day = apart < FORTNIGHT
    figure.update_xaxes(showgrid=False, tickformat="%d %b" if by_day else None, dtick=86_400_000 if by_day else None)


def alerts_a_day(days: Sequence[Sequence[Any]]) -> go.Figure:
    dates, scored, alerts = zip(*days, strict=True) if days else ((), (), ())
    figure = go.Figure(go.Bar(
        x=[date.fromisoformat(str(day)[:10]) for day in dates], y=alerts, marker_color=BLUE, customdata=scored,
        hovertemplate="%{x|%a %d %b %Y}<br>%{y:,} alerts of %{customdata:,} rows<extra></extra>",
        width=0.7 * 86_400_000,
    ))
    label_days(figure, [str(day)[:10] for day in dates])
    figure.update_yaxes(tickformat=",d", title="alerts", range=[0, 1.08 * max([*alerts, 1])],
                        dtick=1 if max([*alerts, 1]) <= FEW else None)
    lay_out(figure, height=240)
    return figure


def policy_curve(points: Sequence[Sequence[float]], scored: int, chosen: AlertsAt) -> go.Figure:
    """Alerts at each false-alarm rate, against what normal rows alone would give; both axes logarithmic."""
    rates = [p for p, n in points if n > 0]
    found = [n for _, n in points if n > 0]
    expected = [p * scored for p in rates]
    figure = go.Figure([
        go.Scatter(x=rates, y=expected, name="if every row were normal", line={"color": GREY, "dash": "dot"},
                   hovertemplate="%{y:,.0f} expected<extra></extra>"),
        go.Scatter(x=rates, y=found, name="alerts", line={"color": BLUE, "width": 2.5},
                   hovertemplate="%{y:,} alerts at %{x:.2g}<extra></extra>"),
        go.Scatter(x=[chosen.alpha], y=[max(chosen.estimate, 1)], name="this policy", mode="markers",
                   marker={"color": VERMILLION, "size": 11, "line": {"width": 2, "color": "white"}},
                   hovertemplate="%{y:,.0f} alerts at %{x:.2g}<extra></extra>", showlegend=False),
    ])
    figure.update_xaxes(type="log", title="false-alarm rate", tickformat="~g", dtick=1)
    figure.update_yaxes(type="log", tickformat=",~r", dtick=1)
    lay_out(figure, height=228)
    figure.update_layout(showlegend=True, margin_t=28,
                         legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font_size": 13})
    return figure


def cost_curve(cut: Mapping[str, Any]) -> go.Figure:
    """Expected cost over the threshold on the p-value, which is logarithmic, and the cost without any alert."""
    points = [(p, cost) for p, cost in cut["cost_curve"] if p > 0]
    rates, costs = zip(*points, strict=True) if points else ((), ())
    figure = go.Figure([
        go.Scatter(x=rates, y=[cut["cost_without_alerts"]] * len(rates), name="without alerts", mode="lines",
                   line={"color": GREY, "dash": "dot"}, hovertemplate="%{y:,.4~g} without alerts<extra></extra>"),
        go.Scatter(x=rates, y=costs, name="expected cost", line={"color": BLUE, "width": 2.5},
                   hovertemplate="%{y:,.4~g} at p up to %{x:.2g}<extra></extra>"),
    ])
    if cut["p_value_at_most"] > 0:
        figure.add_scatter(
            x=[cut["p_value_at_most"]], y=[cut["expected_cost"]], mode="markers", showlegend=False, name="the run",
            marker={"color": VERMILLION, "size": 11, "line": {"width": 2, "color": "white"}},
            hovertemplate="%{y:,.4~g} at the run's choice, p up to %{x:.2g}<extra></extra>")
    figure.update_xaxes(type="log", title="p-value up to which rows are alerted", tickformat="~g", dtick=1)
    figure.update_yaxes(rangemode="tozero", tickformat=",~r")
    lay_out(figure, height=240)
    figure.update_layout(showlegend=True, margin_t=28,
                         legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font_size": 13})
    return figure


def _short(text: str) -> str:
    return formats.in_html(text if len(text) <= LABEL else f"{text[: LABEL - 1]}…")


def _histogram(histogram: Mapping[str, Any], what: str, split_at: float | None = None) -> go.Figure:
    edges, counts = histogram["edges"], histogram["counts"]
    middles = [(low + high) / 2 for low, high in itertools.pairwise(edges)]
    widths = [high - low for low, high in itertools.pairwise(edges)]
    past = [split_at is not None and low >= split_at for low in edges[:-1]]
    figure = go.Figure(go.Bar(
        x=middles, y=counts, width=widths, marker={"color": [VERMILLION if p else SKY for p in past], "line_width": 0},
        customdata=list(itertools.pairwise(edges)),
        hovertemplate="%{customdata[0]:.3~g} to %{customdata[1]:.3~g}: %{y:,} " + what + "<extra></extra>",
    ))
    figure.update_yaxes(type="log", tickformat=",~r", dtick=1, title=what)
    return figure


def mark(figure: go.Figure, x: float, text: str, histogram: Mapping[str, Any]) -> None:
    edges = histogram["edges"]
    low, high = min(edges[0], x), max(edges[-1], x)
    left = x > (low + high) / 2
    figure.add_vline(x=x, line={"color": VERMILLION, "width": 2})
    figure.add_annotation(x=x, y=1, yref="paper", text=text, showarrow=False, xanchor="right" if left else "left",
                          xshift=-6 if left else 6, yanchor="top", font={"color": VERMILLION, "size": 13})
    figure.update_xaxes(range=[low - 0.01 * (high - low), high + 0.03 * (high - low)])


def lay_out(figure: go.Figure, height: int, right: int = 8) -> None:
    figure.update_layout(height=height, margin={"l": 8, "r": right, "t": 8, "b": 8}, showlegend=False, bargap=0.05,
                         dragmode=False, hoverlabel_font_size=13)
    figure.update_xaxes(gridcolor=GRID, zeroline=False, fixedrange=True, title_font_size=13, tickfont_size=12)
    figure.update_yaxes(gridcolor=GRID, zeroline=False, fixedrange=True, title_font_size=13)
