"""Signals of a series under each other on one axis of time, with the alerted spans shaded."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import charts
import formats
import plotly.graph_objects as go
from palette import GREY, SKY, VERMILLION
from plotly.subplots import make_subplots
from series_queries import Span
from verdict_marks import LOOKS, state

ROW_HEIGHT = 96  # pixels of a channel
SURPRISE = "surprise"


def whole(points: Mapping[str, Any], channels: Sequence[str], spans: Sequence[Span], chosen: str | None,
          stretch: tuple[datetime, datetime] | None) -> go.Figure:
    """The channels as bands from low to high, the surprise with a mark for each span; `stretch` is the time shown."""
    figure = _rows([*channels, SURPRISE])
    time = points["time"]
    for row, name in enumerate(channels, 1):
        band = points["channels"][name]
        figure.add_scatter(x=list(itertools.chain.from_iterable((at, at) for at in time)),
                           y=list(itertools.chain.from_iterable(zip(band["low"], band["high"], strict=True))),
                           mode="lines", line={"color": SKY, "width": 1}, row=row, col=1,
                           hovertemplate=f"{_text(name)} %{{y:.5~g}}<br>%{{x|%Y-%m-%d %H:%M}}<extra></extra>")
    last = len(channels) + 1
    figure.add_scatter(x=time, y=points["surprise"], mode="lines", line={"color": GREY, "width": 1}, row=last, col=1,
                       hovertemplate="surprise %{y:.3~g}<br>%{x|%Y-%m-%d %H:%M}<extra></extra>")
    _mark_spans(figure, points, spans, chosen, last)
    _finish(figure, last)
    figure.update_layout(dragmode="select", selectdirection="h")
    shown = stretch or _bounds(time)
    if shown:
        figure.update_xaxes(range=list(shown))
    return figure


def detail(signal: Mapping[str, Any], span: Span) -> go.Figure:
    """The steps around a span as they were read, each channel above its own surprise on the second axis."""
    channels = list(signal["channels"])
    figure = _rows(channels, secondary=True)
    for row, name in enumerate(channels, 1):
        figure.add_scatter(x=signal["time"], y=signal["surprise"].get(name, []), mode="lines", row=row, col=1,
                           line={"color": GREY, "width": 1}, fill="tozeroy", fillcolor="rgba(139,150,161,0.22)",
                           secondary_y=True, hovertemplate="surprise %{y:.3~g}<extra></extra>")
        figure.add_scatter(x=signal["time"], y=signal["channels"][name], mode="lines", row=row, col=1,
                           line={"color": SKY, "width": 1.6}, secondary_y=False,
                           hovertemplate=f"{_text(name)} %{{y:.5~g}}<br>%{{x|%Y-%m-%d %H:%M:%S}}<extra></extra>")
    _shade(figure, span, strong=True)
    _finish(figure, len(channels), secondary=True)
    figure.update_layout(dragmode="zoom")
    figure.update_xaxes(fixedrange=False)
    return figure


def _rows(names: Sequence[str], *, secondary: bool = False) -> go.Figure:
    return make_subplots(rows=len(names), cols=1, shared_xaxes=True, vertical_spacing=0.18 / max(len(names), 2),
                         subplot_titles=[_text(name) for name in names],
                         specs=[[{"secondary_y": secondary}] for _ in names])


def _mark_spans(figure: go.Figure, points: Mapping[str, Any], spans: Sequence[Span], chosen: str | None, row: int
                ) -> None:
    for span in spans:
        _shade(figure, span, strong=span.id == chosen)
    top = max((value for value in points["surprise"] if value is not None), default=1.0)
    for name, look in LOOKS.items():
        of_state = [span for span in spans if state(span.verdict) == name and span.start]
        figure.add_scatter(
            x=[_middle(span) for span in of_state], y=[top * 1.12] * len(of_state), mode="markers", row=row, col=1,
            customdata=[[span.id] for span in of_state], name=name, cliponaxis=False,
            marker={"color": look.colour, "symbol": look.symbol, "line": {"width": 1, "color": "white"},
                    "size": [15 if span.id == chosen else 10 for span in of_state]},
            text=[_told(span) for span in of_state], hovertemplate="%{text}<extra></extra>",
            selected_marker_opacity=1.0, unselected_marker_opacity=1.0, showlegend=bool(of_state))
    figure.update_yaxes(range=[0, top * 1.3], row=row, col=1)


def _shade(figure: go.Figure, span: Span, *, strong: bool) -> None:
    if span.start is None or span.end is None:
        return
    colour = LOOKS[state(span.verdict)].colour
    figure.add_shape(type="rect", xref="x", yref="paper", x0=span.start, x1=span.end, y0=0, y1=1, layer="below",
                     fillcolor=colour, opacity=0.3 if strong else 0.16,
                     line={"width": 1.5 if strong else 0.8, "color": VERMILLION if strong else colour})


def _finish(figure: go.Figure, rows: int, *, secondary: bool = False) -> None:
    charts._lay_out(figure, height=70 + ROW_HEIGHT * rows, right=8)
    figure.update_layout(showlegend=any(trace.showlegend for trace in figure.data if trace.customdata is not None),
                         margin_t=44, hovermode="closest",
                         legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 1, "xanchor": "right",
                                 "font_size": 13, "yref": "container"})
    for trace in figure.data:
        if trace.customdata is None:
            trace.showlegend = False
    figure.update_annotations(x=0, xanchor="left", font_size=13)
    figure.update_yaxes(nticks=4, title=None, tickfont_size=11)
    if secondary:
        for row in range(1, rows + 1):
            figure.update_yaxes(showgrid=False, rangemode="tozero", nticks=3, tickfont_color=GREY, row=row, col=1,
                                secondary_y=True)


def _middle(span: Span) -> datetime | None:
    if span.start is None or span.end is None:
        return span.start
    return span.start + (span.end - span.start) / 2


def _told(span: Span) -> str:
    strongest = ", ".join(_text(str(reason["column"])) for reason in span.reasons[:3])
    return f"risk {formats.risk(span.risk)} · {state(span.verdict)}<br>{strongest}"


def _bounds(time: Sequence[Any]) -> tuple[Any, Any] | None:
    known = [at for at in time if at is not None]
    return (known[0], known[-1]) if known else None


def _text(name: str) -> str:
    return formats.in_html(name if len(name) <= 60 else f"{name[:59]}…")
