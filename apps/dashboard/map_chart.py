"""The map: normal and flagged records in a plane, by verdict; alerts are chosen by a click or a box."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import charts
import formats
import mouse_choice
import plotly.graph_objects as go
from insight_queries import MapPoint
from palette import GREY, VERMILLION
from verdict_marks import LOOKS, state

Box = tuple[float, float, float, float]
HEIGHT = 560


def map_figure(drawn: Mapping[str, Any], points: Sequence[MapPoint], box: Box | None, chosen: str | None, mouse: str
               ) -> go.Figure:
    """`drawn` is the run's map; selected are `box` (x low, y low, x high, y high) or `chosen`, an alert's id."""
    figure = go.Figure(go.Scatter(
        x=[x for x, _ in drawn["normal"]], y=[y for _, y in drawn["normal"]], mode="markers", name="normal",
        marker={"color": GREY, "size": 4, "opacity": 0.45}, hoverinfo="skip"))
    for name, look in LOOKS.items():
        of_state = [point for point in points if state(point.verdict) == name]
        figure.add_scatter(
            x=[point.x for point in of_state], y=[point.y for point in of_state], mode="markers", name=name,
            customdata=[[point.id, formats.risk(point.risk)] for point in of_state],
            marker={"color": look.colour, "symbol": look.symbol, "opacity": 0.9,
                    "size": [5 + point.risk / 16 for point in of_state],
                    "line": {"width": 0.8, "color": "white"}},
            selected_marker_opacity=1.0, unselected_marker_opacity=0.85,
            hovertemplate=f"risk %{{customdata[1]}} · {name}<extra></extra>")
    if box is not None:
        figure.add_shape(type="rect", x0=box[0], y0=box[1], x1=box[2], y1=box[3],
                         line={"color": VERMILLION, "width": 1.5, "dash": "dot"})
    marked = next((point for point in points if point.id == chosen), None)
    if marked is not None:
        figure.add_scatter(x=[marked.x], y=[marked.y], mode="markers", hoverinfo="skip", showlegend=False,
                           marker={"symbol": "circle-open", "size": 20, "line": {"width": 2.5, "color": VERMILLION},
                                   "color": VERMILLION})
    charts.lay_out(figure, height=HEIGHT)
    first, second = _titles(drawn)
    figure.update_xaxes(title=first)
    figure.update_yaxes(title=second)
    figure.update_layout(
        **mouse_choice.layout(mouse), showlegend=True, margin_t=34,
        legend={"orientation": "h", "y": 1.01, "yanchor": "bottom", "x": 0, "font_size": 14, "itemsizing": "constant"})
    return figure


def _titles(drawn: Mapping[str, Any]) -> tuple[str, str]:
    """Axes by their share of the normal rows' variance, where the method has such."""
    shares = drawn.get("explained")
    method = formats.in_html(str(drawn.get("method", "")))
    if not shares:
        return f"{method} 1", f"{method} 2"
    first, second = (f"{method} {number}: {formats.percent(share)} of the variance"
                     for number, share in enumerate(shares[:2], 1))
    return first, second
