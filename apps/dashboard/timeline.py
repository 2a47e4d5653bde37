"""The chart of an entity's time: what the runs read of it, and its alerts among that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from statistics import median
from typing import Any

import charts
import formats
import plotly.graph_objects as go
from palette import GREY, VERMILLION
from queries import AlertLine
from verdict_marks import LOOKS, state

FAR = 20  # times the middle amount: from then on others are told apart on a logarithmic scale only


def timeline(records: Sequence[Mapping[str, Any]], alerts: Sequence[AlertLine], chosen: str) -> go.Figure | None:
    """Amounts over time, or risks where there are no amounts; None if there are not two times to show.

    The alerts carry their ids as custom data; the chosen one is ringed.
    """
    alerts = [alert for alert in alerts if alert.occurred_at is not None]
    known = [record for record in records if _time(record) is not None]
    of_amounts = any(alert.amount is not None for alert in alerts) or any(
        record.get("amount") is not None for record in known)
    measure = "amount" if of_amounts else "risk"
    alerted = {(alert.occurred_at, alert.key) for alert in alerts}
    others = [record for record in known
              if record.get(measure) is not None and (_time(record), record.get("key")) not in alerted]
    shown = [alert for alert in alerts if getattr(alert, measure) is not None]
    if len(others) + len(shown) < 2:
        return None
    figure = go.Figure([_records(others, measure), *_alerts(shown, measure), *_ring(shown, measure, chosen)])
    charts.lay_out(figure, height=250)
    figure.update_xaxes(showgrid=False)
    values = [record[measure] for record in others] + [getattr(alert, measure) for alert in shown]
    if of_amounts and min(values) > 0 and max(values) > FAR * median(values):
        figure.update_yaxes(title="amount, logarithmic", type="log", tickformat=",~r", dtick=1)
    else:
        figure.update_yaxes(title=measure, tickformat=",~r" if of_amounts else None, rangemode="tozero")
    figure.update_layout(showlegend=True, margin_t=30, clickmode="event+select", legend={
        "orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font_size": 13, "itemclick": False,
        "itemdoubleclick": False})
    return figure


def _records(records: Sequence[Mapping[str, Any]], measure: str) -> go.Scatter:
    return go.Scatter(
        x=[_time(record) for record in records], y=[record[measure] for record in records], mode="markers",
        name="records", marker={"color": GREY, "size": 6, "opacity": 0.7},
        text=[_hover(record.get("key"), record.get("amount"), record.get("risk")) for record in records],
        hovertemplate="%{text}<br>%{x|%Y-%m-%d %H:%M}<extra></extra>",
    )


def _alerts(alerts: Sequence[AlertLine], measure: str) -> list[go.Scatter]:
    """A trace for each verdict: told apart by colour and by shape."""
    traces = []
    for name, look in LOOKS.items():
        mine = [alert for alert in alerts if state(alert.verdict) == name]
        if mine:
            traces.append(go.Scatter(
                x=[alert.occurred_at for alert in mine], y=[getattr(alert, measure) for alert in mine], mode="markers",
                name=f"{name} alert", customdata=[alert.id for alert in mine],
                marker={"color": look.colour, "symbol": look.symbol, "size": 11},
                text=[_hover(alert.title, alert.amount, alert.risk) for alert in mine],
                hovertemplate="%{text}<br>%{x|%Y-%m-%d %H:%M}<br>click to open it<extra></extra>",
            ))
    return traces


def _ring(alerts: Sequence[AlertLine], measure: str, chosen: str) -> list[go.Scatter]:
    mine = [alert for alert in alerts if alert.id == chosen]
    return [go.Scatter(
        x=[alert.occurred_at for alert in mine], y=[getattr(alert, measure) for alert in mine], mode="markers",
        name="this alert", hoverinfo="skip",
        marker={"symbol": "circle-open", "size": 20, "color": VERMILLION, "line": {"width": 2.5}},
    )] if mine else []


def _hover(title: Any, amount: Any, risk: Any) -> str:
    parts = [formats.cell(title, name=True) if title is not None else "",
             f"amount {formats.number(amount)}" if amount is not None else "",
             f"risk {formats.risk(risk)}" if risk is not None else ""]
    return "<br>".join(formats.in_html(part) for part in parts if part)


def _time(record: Mapping[str, Any]) -> datetime | None:
    time = record.get("time")
    return time if isinstance(time, datetime) else formats.moment(time)
