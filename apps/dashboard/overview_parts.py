"""The overview's numbers, the drift verdict, and the back-test of another policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import address
import backtest
import formats
import insight_queries
import policy
import states as page_states
import streamlit as st
from backtest import BackTest
from insight_queries import Workload
from plain_table import plain_table
from queries import Engine, RunDetails, StateCounts

from anomaly_cl.errors import UsageError

DRIFT_WORDS = {"fine": "No drift", "watch": "Watch", "recalibrate": "Recalibrate", "unknown": "Not known"}


def counts(run: RunDetails, states: StateCounts, waiting: Workload) -> None:
    """Six numbers: of the run, and of what waits in the whole store."""
    cells = st.columns(6)
    cells[0].metric("Rows scored", formats.count(run.rows_scored), border=True, **_below(
        f"{formats.count(run.rows_rejected)} rejected"),
        help=f"Of {formats.count(run.rows_in)} rows in. Rejected ones could not be read; each is in the file that ends "
             "in .rejects.parquet.")
    cells[1].metric("Alerts", formats.count(run.alerts_raised), border=True, **_below(
        f"{formats.percent(run.alerts_raised / max(run.rows_scored, 1))} of the rows"),
        help=f"At the policy {formats.in_markdown(run.policy)}.")
    done = states.total - states.open
    cells[2].metric("Verdicts", formats.count(done), border=True, **_below(f"of {formats.count(states.total)} shown"),
                    help="Alerts of this run with a verdict: fraud, legitimate or unsure. Alerts that are suppressed, "
                         "or that an earlier run raised too, are not counted with this run.")
    cells[3].metric("Precision so far", *_precision(states), border=True, delta_color="off", delta_arrow="off",
                    help=f"Frauds among the {formats.count(states.decided)} alerts decided as fraud or legitimate, "
                         "with the interval that covers it in 95 of 100 such samples. The riskiest alerts are usually "
                         "decided first, so it tends to fall.")
    cells[4].metric("Open cases", formats.count(waiting.open_cases), border=True, **_below(
        f"{formats.count(waiting.mine)} mine"),
        help=f"Of all runs; {formats.count(waiting.unassigned)} are assigned to nobody.")
    cells[5].metric("Suppressed alerts", formats.count(waiting.suppressed), border=True, **_below(
        f"by {formats.plural(waiting.suppressions, 'active rule')}"),
        help="Of all runs: kept, but neither in the queue nor in a case's numbers.")


def _below(text: str) -> dict[str, Any]:
    return {"delta": text, "delta_color": "off", "delta_arrow": "off"}


def _precision(states: StateCounts) -> tuple[str, str]:
    interval = insight_queries.wilson(states.fraud, states.decided)
    if states.precision is None or interval is None:
        return formats.MISSING, "nothing decided yet"
    low, high = interval
    return formats.percent(states.precision), f"{100 * low:.0f} to {formats.percent(high)}, of {states.decided:,}"


def drift(verdict: Mapping[str, Any] | None) -> None:
    """Whether the calibration still holds for the run's rows, and what moved."""
    if not verdict:
        return
    kind = str(verdict.get("verdict", "unknown"))
    sentence = str(verdict.get("sentence", "")).removeprefix(f"{kind}: ")
    with st.container(border=True):
        st.html(f"<div class='drift'><span class='grade {kind if kind in DRIFT_WORDS else 'unknown'}'>"
                f"{formats.in_html(DRIFT_WORDS.get(kind, kind))}</span>"
                f"<span>{formats.in_html(sentence[:1].upper() + sentence[1:])}.</span></div>")
        columns = verdict.get("columns") or []
        if kind in ("watch", "recalibrate") and columns:
            with st.expander("Columns, the surest change first"):
                drift_columns(columns, verdict.get("moved") or [])


def drift_columns(columns: list[Mapping[str, Any]], moved: list[str]) -> None:
    """How far each column moved."""
    st.html(plain_table(
        ["Column", "Stability index", "By chance", "Moved"],
        [[formats.cell(one["column"]), f"{one['stability_index']:.3f}",
          formats.p_value(one["chance"]) if one["chance"] < 0.01 else f"{one['chance']:.2f}",
          "yes" if one["column"] in moved else ""] for one in columns], numbers=[1, 2]))


def back_test(engine: Engine, run: RunDetails, alpha: float | None) -> None:
    """What a policy that is typed, or the slider's rate, would have kept of the alerts that were decided."""
    with st.container(border=True):
        title, field = st.columns([2, 3], vertical_alignment="center")
        title.markdown("##### Back-test: what another policy would have flagged")
        typed = field.text_input("Policy", label_visibility="collapsed", max_chars=60,
                                 placeholder="alpha=0.005, fdr=0.1 or budget=20/day; empty: the slider's rate",
                                 **address.tied("policy", st.query_params.get("policy", "")))
        text = typed.strip() or ("" if alpha is None else f"alpha={alpha:.6g}")
        if not text:
            st.caption("Type a policy to test it on this run.")
            return
        try:
            tested = backtest.asked(text)
            with st.spinner("Counting …"):
                result = backtest.backtest(engine, run, tested)
        except UsageError as refused:
            st.warning(formats.in_markdown(page_states.told(refused)), icon=":material/edit:")
            return
        st.html(_result_table(run, str(tested), result))
        st.caption(formats.in_markdown(f"{tested}: {policy.in_words(str(tested))}. {_honest(result)}"))


def _result_table(run: RunDetails, tested: str, result: BackTest) -> str:
    stored = StateCounts(*(getattr(result.kept, state) + getattr(result.left_out, state)
                           for state in ("open", "fraud", "legitimate", "unsure")))
    heads = ["Policy", "Rows flagged", "In the store", "Frauds", "Legitimate", "Unsure", "Undecided",
             "Precision so far"]
    return plain_table(heads, [
        [f"{run.policy} (this run)", formats.count(run.alerts_raised), *_states(stored, stored)],
        [tested, _bounds(result), *_states(result.kept, stored)],
    ], numbers=range(1, 8))


def _states(kept: StateCounts, stored: StateCounts) -> list[str]:
    """Counts of the kept alerts, and their share of the stored ones of that verdict."""
    cells = [formats.count(kept.total)]
    for state in ("fraud", "legitimate", "unsure", "open"):
        number, of = getattr(kept, state), getattr(stored, state)
        share = f" ({formats.percent(number / of)})" if kept is not stored and of else ""
        cells.append(f"{formats.count(number)}{share}")
    return [*cells, *([formats.percent(kept.precision)] if kept.precision is not None else [formats.MISSING])]


def _bounds(result: BackTest) -> str:
    if result.fewest is None or result.most is None:
        return "not known"
    if result.fewest == result.most:
        return formats.count(result.fewest)
    return f"{formats.count(result.fewest)} to {formats.count(result.most)}"


def _honest(result: BackTest) -> str:
    """What the store can and cannot tell of it."""
    lost = result.left_out.fraud
    missed = f"It would have missed {formats.plural(lost, 'fraud')} found so far. " if lost else ""
    if result.unseen is None:
        return f"{missed}The run kept no counts that tell how many of its other rows would have been flagged."
    fewest, most = result.unseen
    if not most:
        return f"{missed}All that it flags is in the store."
    number = formats.count(fewest) if fewest == most else f"{formats.count(fewest)} to {formats.count(most)}"
    return (f"{missed}{number} of the rows that it flags were not alerted by this run: nobody has looked at them, so "
            "whether they are frauds is not known.")
