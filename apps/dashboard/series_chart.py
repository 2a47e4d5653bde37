"""Signals of a series under each other on one axis of time, with the alerted spans shaded."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import charts
import formats
import mouse_choice
import plotly.graph_objects as go
from palette import AZURE, GREEN, GREY, ORANGE, VERMILLION
from plotly.subplots import make_subplots
from series_queries import Span
from verdict_marks import LOOKS, state

ROW_HEIGHT = 104  # pixels of a channel
SURPRISE = "surprise"
LINES = ((AZURE, "solid"), (ORANGE, "dash"), (GREEN, "dot"), (GREY, "dashdot"))  # of channels beside each other


def whole(points: Mapping[str, Any], channels: Sequence[str], spans: Sequence[Span], chosen: str | None,
          stretch: tuple[datetime, datetime] | None, mouse: str) -> go.Figure:
    """The channels as bands from low to high, the surprise with a mark for each span; `stretch` is the time shown."""
    figure = _rows([*channels, SURPRISE])
    time = points["time"]
    for row, name in enumerate(channels, 1):
        x, y = _band(time, points["channels"][name])
        figure.add_scatter(x=x, y=y, mode="lines", line={"color": AZURE, "width": 1}, fill="toself", fillcolor=AZURE,
                           row=row, col=1, hoveron="points",
                           hovertemplate=f"{_text(name)} %{{y:.5~g}}<br>%{{x|%Y-%m-%d %H:%M}}<extra></extra>")
    last = len(channels) + 1
    figure.add_scatter(x=time, y=points["surprise"], mode="lines", line={"color": GREY, "width": 1}, row=last, col=1,
                       hovertemplate="surprise %{y:.3~g}<br>%{x|%Y-%m-%d %H:%M}<extra></extra>")
    _mark_spans(figure, points, spans, chosen, last)
    _finish(figure, last)
    figure.update_layout(**mouse_choice.layout(mouse), selectdirection="h")
    shown = stretch or _bounds(time)
    if shown:
        figure.update_xaxes(range=list(shown))
    return figure


def detail(signal: Mapping[str, Any], span: Span) -> go.Figure:
    """The steps around a span as they were read, the strongest channels, and below what each adds to the surprise."""
    channels = strongest(signal, span)
    figure = _rows([*channels, "surprise of each channel"])
    for row, name in enumerate(channels, 1):
        colour, dash = LINES[row - 1]
        figure.add_scatter(x=signal["time"], y=signal["channels"][name], mode="lines", row=row, col=1,
                           line={"color": colour, "width": 1.5},
                           hovertemplate=f"{_text(name)} %{{y:.5~g}}<br>%{{x|%Y-%m-%d %H:%M:%S}}<extra></extra>")
        figure.add_scatter(x=signal["time"], y=signal["surprise"].get(name, []), mode="lines", row=len(channels) + 1,
                           col=1, line={"color": colour, "width": 1.5, "dash": dash},
                           hovertemplate=f"{_text(name)}: surprise %{{y:.3~g}}<extra></extra>")
    _shade(figure, span, strong=True)
    _finish(figure, len(channels) + 1)
    figure.update_layout(dragmode="zoom", showlegend=False)
    figure.update_xaxes(fixedrange=False)
    figure.update_yaxes(rangemode="tozero", row=len(channels) + 1, col=1)
    return figure


def strongest(signal: Mapping[str, Any], span: Span) -> list[str]:
    """The channels that contribute most to a span, as many as have a colour."""
    weight = {str(reason["column"]): float(reason["contribution"]) for reason in span.reasons}
    return sorted(signal["channels"], key=lambda name: -weight.get(name, 0.0))[:len(LINES)]


def _rows(names: Sequence[str]) -> go.Figure:
    return make_subplots(rows=len(names), cols=1, shared_xaxes=True, vertical_spacing=0.2 / max(len(names), 2),
                         subplot_titles=[_text(name) for name in names])


def _band(time: Sequence[Any], band: Mapping[str, Sequence[float | None]]) -> tuple[list[Any], list[float | None]]:
    """Outlines, one a stretch without a gap: along the greatest values, and back along the least."""
    x: list[Any] = []
    y: list[float | None] = []
    rows = list(zip(time, band["low"], band["high"], strict=True))
    for known, stretch in itertools.groupby(rows, key=lambda row: None not in row):
        if known:
            at, low, high = zip(*stretch, strict=True)
            x += [*at, *at[::-1], None]
            y += [*high, *low[::-1], None]
    return x, y


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
    figure.add_shape(type="rect", xref="x", yref="paper", x0=span.start, x1=span.end, y0=0, y1=1, layer="below",
                     fillcolor=VERMILLION, opacity=0.24 if strong else 0.13, line={"width": 1, "color": VERMILLION})


def _finish(figure: go.Figure, rows: int) -> None:
    charts.lay_out(figure, height=70 + ROW_HEIGHT * rows, right=8)
    for trace in figure.data:
        if trace.customdata is None:
            trace.showlegend = False
    figure.update_layout(showlegend=True, margin_t=44, hovermode="closest",
                         legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 1, "xanchor": "right",
                                 "font_size": 13})
    figure.update_annotations(x=0, xanchor="left", font_size=13)
    figure.update_yaxes(nticks=4, title=None, tickfont_size=11)


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
