"""Overview: what a run found, what was decided of it, and what another policy would have found."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import address
import charts
import formats
import insight_queries
import login
import overview_charts
import overview_parts
import page_names
import policy
import queries
import run_choice
import store
import streamlit as st
from filters import Filters
from plotly.graph_objects import Figure
from queries import Engine, RunDetails


def show() -> None:
    engine, actor = store.opened().engine, login.actor()
    run_id = run_choice.ask("Overview", queries.runs(engine))
    run = queries.run(engine, run_id)
    if run is None:
        st.rerun()
    with st.spinner("Counting …"):
        states = queries.state_counts(engine, Filters(run=run_id))
        waiting = insight_queries.workload(engine, actor)
    overview_parts.counts(run, states, waiting)
    st.caption(f"Policy {formats.in_markdown(run.policy)}: {formats.in_markdown(policy.in_words(run.policy))}.")
    overview_parts.drift(run.summary.get("drift"))
    alpha = _policy(run)
    overview_parts.back_test(engine, run, alpha)
    _costs(run)
    _days(engine, run)
    _distributions(run, alpha)


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


def _days(engine: Engine, run: RunDetails) -> None:
    given = insight_queries.verdicts_a_day(engine, run.id)
    cards: list[tuple[str, str, Callable[[], Figure]]] = []
    if run.summary.get("days"):
        cards.append(("Alerts by day of the record", "days", lambda: charts.alerts_a_day(run.summary["days"])))
    if given:
        cards.append(("Verdicts by day given (UTC)", "verdicts", lambda: overview_charts.verdicts_a_day(given)))
    _cards(cards)


def _distributions(run: RunDetails, alpha: float | None) -> None:
    threshold = None if alpha is None else -10 * math.log10(alpha)
    risks, scores = run.summary.get("risk_histogram"), run.summary.get("score_histogram")
    cards: list[tuple[str, str, Callable[[], Figure]]] = []
    if risks:
        cards.append(("Risk against calibration", "risks",
                      lambda: overview_charts.risks_against_calibration(risks, threshold)))
    if scores:
        cards.append(("Score against calibration", "scores",
                      lambda: overview_charts.scores_against_calibration(scores)))
    _cards(cards)


def _cards(cards: Sequence[tuple[str, str, Callable[[], Figure]]]) -> None:
    for cell, (title, key, draw) in zip(st.columns(max(len(cards), 1), gap="medium"), cards, strict=False):
        with cell.container(border=True):
            st.markdown(f"##### {title}")
            st.plotly_chart(draw(), config=charts.CONFIG, key=key)


def _rate(text: str | None) -> float | None:
    try:
        rate = float(text or 0)
    except ValueError:
        return None
    return rate if 0 < rate < 1 else None


show()
