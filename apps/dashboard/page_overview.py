"""Overview: what a run found, and what another policy would have found."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import address
import charts
import formats
import page_names
import policy
import queries
import store
import streamlit as st
from plotly.graph_objects import Figure
from queries import Filters, RunDetails, StateCounts


def show() -> None:
    engine = store.opened().engine
    runs = {run.id: run for run in queries.runs(engine)}
    title, choice = st.columns([2, 3], vertical_alignment="center")
    title.html("<div class='head'><h1>Overview</h1></div>")
    asked = st.query_params.get("run")
    run_id = choice.selectbox(
        "Run", list(runs), format_func=lambda one: run_name(runs[one]), label_visibility="collapsed",
        **address.tied("run", asked if asked in runs else next(iter(runs))),
    )
    run = queries.run(engine, run_id)
    if run is None:
        st.rerun()
    _counts(run, queries.state_counts(engine, Filters(run=run_id)))
    st.caption(f"Policy {formats.in_markdown(run.policy)}: {formats.in_markdown(policy.in_words(run.policy))}.")
    alpha = _policy(run)
    _costs(run)
    _distributions(run, alpha)


def run_name(run: queries.RunLine) -> str:
    return f"{formats.when(run.created_at)} · {run.input_name} · {formats.count(run.alerts_raised)} alerts"


def _counts(run: RunDetails, states: StateCounts) -> None:
    cells = st.columns(6)
    cells[0].metric("Rows in", formats.count(run.rows_in), border=True)
    cells[1].metric("Scored", formats.count(run.rows_scored), border=True)
    cells[2].metric("Rejected", formats.count(run.rows_rejected), border=True,
                    help="Rows that could not be read; each is in the file that ends in .rejects.parquet.")
    cells[3].metric("Alerts", formats.count(run.alerts_raised), border=True,
                    help=f"At the policy {formats.in_markdown(run.policy)}.")
    cells[4].metric("Verdicts", f"{formats.count(states.total - states.open)} of {formats.count(states.total)}",
                    border=True, help="Alerts of this run with a verdict: fraud, legitimate or unsure.")
    precision = formats.MISSING if states.precision is None else formats.percent(states.precision)
    cells[5].metric("Precision so far", precision, border=True,
                    help=f"Frauds among the {formats.count(states.decided)} alerts decided as fraud or "
                         "legitimate. The riskiest alerts are usually decided first, so it tends to fall.")


def _policy(run: RunDetails) -> float | None:
    """Ask for a false-alarm rate and say what it would give; None where the run kept no counts to tell it from."""
    own = policy.rate_of(run.policy, run.summary.get("cut", {}))
    points = policy.known_points(run.summary.get("alerts_at", []), own, run.alerts_raised)
    rates = policy.choices(points, own)
    if len(rates) < 2:  # one rate, the run's own, is no choice: a run of series keeps no counts of spans at others
        return own
    left, right = st.columns(2, gap="medium")
    with left.container(border=True, height="stretch"):
        st.markdown("##### What if the policy were …")
        asked = _rate(st.query_params.get("alpha")) or own or rates[len(rates) // 2]
        nearest = min(rates, key=lambda rate: abs(math.log(rate / asked)))
        alpha = st.select_slider(
            "False-alarm rate (alpha)", rates, format_func=lambda rate: f"{rate:.3g}",
            help="The share of normal rows that is alerted in the long run.",
            **address.tied("alpha", nearest, "{:.6g}".format),
        )
        found = policy.alerts_at(points, alpha)
        _forecast(found, run)
        st.page_link(page_names.QUEUE, label="Open this run's alerts in the queue", icon=":material/arrow_forward:",
                     query_params={"run": run.id})
    with right.container(border=True, height="stretch"):
        st.markdown("##### Alerts by policy")
        st.plotly_chart(charts.policy_curve(points, run.rows_scored, found), config=charts.CONFIG, key="policy")
    return alpha


def _forecast(found: policy.AlertsAt, run: RunDetails) -> None:
    days = max(len(run.summary.get("days", [])), 1)
    false_alarms = found.alpha * run.rows_scored
    cells = st.columns(3)
    about = "" if found.is_exact else "≈ "
    cells[0].metric("Alerts", f"{about}{formats.count(found.estimate)}")
    cells[1].metric("Alerts a day", f"{about}{formats.number(float(f'{found.estimate / days:.2g}'))}")
    cells[2].metric("Expected false alarms", f"≤ {formats.count(math.ceil(false_alarms))}",
                    help="The rate times the rows scored: what would be alerted if every row were normal.")
    bounds = "" if found.is_exact else (
        f" The run kept counts at some rates only; here the count lies between {formats.count(found.fewest)} and "
        f"{formats.count(found.most)}.")
    beyond = max(found.estimate - false_alarms, 0)
    risk = formats.risk(-10 * math.log10(found.alpha))
    st.caption(f"{formats.one_in(found.alpha)} normal rows is alerted (risk {risk} and above). "
               f"About {formats.count(beyond)} alerts are more than chance explains.{bounds}")


def _costs(run: RunDetails) -> None:
    """The expected cost of each threshold, where the run's policy was one of costs."""
    cut = run.summary.get("cut", {})
    if not cut.get("cost_curve"):
        return
    with st.container(border=True):
        st.markdown("##### Expected cost by threshold")
        st.plotly_chart(charts.cost_curve(cut), config=charts.CONFIG, key="costs")
        st.caption(f"Least at {formats.number(cut['expected_cost'])} with about "
                   f"{formats.count(cut['expected_false_alarms'])} false alarms; without alerts "
                   f"{formats.number(cut['cost_without_alerts'])}. Taken as anomalies: "
                   f"{formats.percent(cut['prior'])} of the rows.")


def _distributions(run: RunDetails, alpha: float | None) -> None:
    threshold = None if alpha is None else -10 * math.log10(alpha)
    cards: list[tuple[str, str, Callable[[Any], Figure], str]] = [
        ("Alerts a day", "days", charts.alerts_a_day, "days"),
        ("Risk of all rows", "risk_histogram", lambda drawn: charts.risk_histogram(drawn, threshold), "risks"),
        ("Score of all rows", "score_histogram", charts.score_histogram, "scores"),
    ]
    for cell, (title, name, draw, key) in zip(st.columns(3, gap="medium"), cards, strict=True):
        if run.summary.get(name):
            with cell.container(border=True):
                st.markdown(f"##### {title}")
                st.plotly_chart(draw(run.summary[name]), config=charts.CONFIG, key=key)


def _rate(text: str | None) -> float | None:
    try:
        rate = float(text or 0)
    except ValueError:
        return None
    return rate if 0 < rate < 1 else None


show()
