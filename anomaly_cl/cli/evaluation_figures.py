"""The plotly figures of an evaluation; text of the file is escaped, since plotly reads tags in labels."""

from __future__ import annotations

import html

import numpy as np
import plotly.graph_objects as go

from anomaly_cl.cli.judged import MOST_KINDS, Judged

# Okabe and Ito's colours, told apart with any colour vision (https://jfly.uni-koeln.de/color/)
BLUE, VERMILLION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#5B6670"
GRID = "#E3E7EB"
LABEL = 40  # characters of a kind's name beside its bar


def figures(judged: Judged) -> dict[str, go.Figure]:
    """A figure under a heading each, of whatever was asked for."""
    drawn = {"Precision and recall": precision_recall(judged)}
    if judged.curves.budgets is not None:
        drawn["Precision and recall at each budget"] = budgets(judged)
        if judged.curves.budgets.saved is not None:
            drawn["Money saved at each budget"] = money(judged)
    if judged.kinds:
        drawn["Recall by kind"] = kinds(judged)
    return drawn


def precision_recall(judged: Judged) -> go.Figure:
    """Precision over recall, with a mark where the file's alerts lie, and where the budget does."""
    figure = go.Figure(go.Scatter(
        x=judged.curves.recall, y=judged.curves.precision, mode="lines", line_color=BLUE,
        name=f"all thresholds, average precision {judged.whole.auc_pr:.3f}",
        hovertemplate="recall %{x:.1%}<br>precision %{y:.1%}<extra></extra>",
    ))
    marks = [("the file's alerts", judged.whole.recall, judged.whole.precision, VERMILLION, "diamond")]
    if judged.budget is not None:
        marks.append((f"{judged.questions.budget:,} alerts a day", judged.budget.recall, judged.budget.precision, GREEN,
                      "circle"))
    for name, recall, precision, colour, symbol in marks:
        if precision is not None:
            figure.add_scatter(x=[recall], y=[precision], mode="markers", name=name, cliponaxis=False,
                               marker={"color": colour, "symbol": symbol, "size": 12},
                               hovertemplate="recall %{x:.1%}<br>precision %{y:.1%}<extra></extra>")
    figure.update_xaxes(title="recall: share of the anomalies that is alerted", tickformat=".0%", range=[0, 1])
    figure.update_yaxes(title="precision: anomalies among the alerts", tickformat=".0%", range=[0, 1.02])
    return _laid_out(figure)


def budgets(judged: Judged) -> go.Figure:
    """Precision, recall and Card Precision over the alerts a day; the axis of budgets is logarithmic."""
    curve = judged.curves.budgets
    assert curve is not None
    figure = go.Figure()
    lines = [("precision", curve.precision, BLUE, "solid"), ("recall", curve.recall, VERMILLION, "solid")]
    if judged.curves.card_precision is not None:
        name = f"Card Precision of {_label(str(judged.questions.entity))}"
        lines.append((name, judged.curves.card_precision, GREEN, "dash"))
    for name, values, colour, dash in lines:
        figure.add_scatter(x=curve.budgets, y=values, mode="lines", name=name, line={"color": colour, "dash": dash},
                           hovertemplate="%{x:,} a day: %{y:.1%}")
    _budget_axis(figure, judged)
    figure.update_yaxes(title="share", tickformat=".0%", range=[0, 1.02])
    return _laid_out(figure)


def money(judged: Judged) -> go.Figure:
    """Money saved over the alerts a day, below zero where alerts cost more than they save."""
    curve = judged.curves.budgets
    assert curve is not None
    assert curve.saved is not None
    figure = go.Figure(go.Scatter(
        x=curve.budgets, y=curve.saved, mode="lines", line_color=BLUE, name="saved in the whole file",
        hovertemplate="%{x:,} a day: %{y:,.2f} saved<extra></extra>",
    ))
    best = int(np.argmax(curve.saved))
    figure.add_scatter(
        x=curve.budgets[best:best + 1], y=curve.saved[best:best + 1], mode="markers", cliponaxis=False,
        name=f"most of the budgets drawn: {curve.saved[best]:,.0f} at {curve.budgets[best]:,} a day",
        marker={"color": VERMILLION, "size": 12}, hovertemplate="%{x:,} a day: %{y:,.2f} saved<extra></extra>",
    )
    _budget_axis(figure, judged)
    figure.update_yaxes(title="money saved, in the unit of the costs", tickformat=",~r", rangemode="tozero")
    figure.add_hline(y=0, line_color=GREY, line_width=1)
    return _laid_out(figure)


def kinds(judged: Judged) -> go.Figure:
    """Recall of the kinds shown as bars: by the file's alerts, and within the budget."""
    lines = (judged.kinds or [])[:MOST_KINDS][::-1]
    at = list(range(len(lines)))
    figure = go.Figure()
    bars = [("the file's alerts", [line.recall for line in lines], VERMILLION)]
    if judged.budget is not None:
        within = [line.recall_within_budget or 0.0 for line in lines]
        bars.append((f"{judged.questions.budget:,} alerts a day", within, GREEN))
    for name, values, colour in bars[::-1]:  # plotly draws the first group lowest
        figure.add_bar(x=values, y=at, orientation="h", name=name, marker_color=colour, hoverinfo="skip",
                       text=[f"{value:.0%}" for value in values], textposition="outside", cliponaxis=False)
    names = [row[0] for row in judged.kind_rows()][::-1]
    labels = [f"{_label(name)}  ({line.rows:,} rows)" for name, line in zip(names, lines, strict=True)]
    figure.update_yaxes(tickmode="array", tickvals=at, ticktext=labels, showgrid=False, automargin=True)
    figure.update_xaxes(title="recall: share of the kind's rows that is alerted", tickformat=".0%", range=[0, 1.08],
                        tickvals=[0, .2, .4, .6, .8, 1])
    figure.update_layout(legend_traceorder="reversed", bargap=.3)
    return _laid_out(figure, height=170 + 26 * max(len(lines), 2) * len(bars))


def _budget_axis(figure: go.Figure, judged: Judged) -> None:
    curve, budget = judged.curves.budgets, judged.questions.budget
    assert curve is not None
    figure.update_xaxes(title="budget: alerts a day (logarithmic)", type="log", tickvals=_round_numbers(
        int(curve.budgets[-1])), tickformat=",d", range=[0, np.log10(max(curve.budgets[-1], 2))])
    if budget is not None and budget <= curve.budgets[-1]:
        figure.add_vline(x=budget, line_dash="dot", line_color=GREY)
        figure.add_annotation(x=np.log10(budget), y=1, yref="paper", yanchor="bottom", showarrow=False,
                              text=f"{budget:,} a day", font_color=GREY)


def _round_numbers(most: int) -> list[int]:
    return [digit * 10**power for power in range(len(str(most))) for digit in (1, 2, 5) if digit * 10**power <= most]


def _label(name: str) -> str:
    return html.escape(name if len(name) <= LABEL else name[:LABEL - 1] + "…", quote=False)


def _laid_out(figure: go.Figure, height: int = 430) -> go.Figure:
    """A light background and the legend above the curves, where it covers none."""
    figure.update_layout(
        template="none", height=height, paper_bgcolor="white", plot_bgcolor="white", showlegend=True,
        font={"family": "system-ui, sans-serif", "size": 14, "color": "#222B33"},
        margin={"l": 80, "r": 40, "t": 64, "b": 64},
        legend={"orientation": "h", "x": 0, "y": 1.06, "xanchor": "left", "yanchor": "bottom"},
    )
    figure.update_xaxes(gridcolor=GRID, linecolor=GREY, zeroline=False)
    figure.update_yaxes(gridcolor=GRID, linecolor=GREY, title_standoff=12, automargin=True)
    return figure
