"""The pages, run without a browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import policy
import pytest
import queries
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from anomaly_cl.alerts.models import Run
from anomaly_cl.alerts.store import AlertStore
from tests.acceptance.dashboard.believable import HOSTILE_BOLD

Open = Callable[..., AppTest]


def metrics(app: AppTest) -> dict[str, str]:
    """The first metric of each label."""
    return {metric.label: metric.value for metric in reversed(app.metric)}


def markup(app: AppTest) -> list[str]:
    return [element.value for element in [*app.markdown, *app.caption]]


def test_overview_shows_the_newest_run_and_its_counts(open_page: Open, believable: AlertStore) -> None:
    app = open_page(believable)
    run = queries.run(believable.engine, "run-newest")
    assert run is not None
    assert not app.exception
    shown = metrics(app)
    assert shown["Rows scored"] == "20,000"
    assert shown["Verdicts"] == "60"
    assert shown["Precision so far"].endswith("%")


def test_policy_slider_starts_at_the_run_s_own_policy_and_its_exact_count(
    open_page: Open, believable: AlertStore
) -> None:
    app = open_page(believable)
    run = queries.run(believable.engine, "run-newest")
    assert run is not None
    assert app.select_slider[0].value == policy.rate_of(run.policy, {})
    assert app.metric[6].value == f"{run.alerts_raised}"


def test_policy_slider_forecasts_alerts_and_false_alarms(open_page: Open, believable: AlertStore) -> None:
    app = open_page(believable, alpha="0.001")
    kept = dict(queries.run(believable.engine, "run-newest").summary["alerts_at"])  # type: ignore[union-attr]
    assert [metric.value for metric in app.metric[6:]] == [f"{kept[0.001]}", f"{kept[0.001] / 7:.2g}", "≤ 20"]
    app.select_slider[0].set_value(0.1).run()
    assert app.query_params["alpha"] == "0.1"
    assert app.metric[8].value == "≤ 2,000"


COST_CUT = {
    "p_value_at_most": 0.004, "prior": 0.006, "expected_cost": 1234.5, "expected_false_alarms": 80.0,
    "cost_without_alerts": 6000.0, "cost_curve": [[0.0, 6000.0], [0.001, 2000.0], [0.004, 1234.5], [0.4, 9000.0]],
}


@pytest.mark.parametrize(("text", "cut", "words", "rate"), [
    ("fdr=0.05", {"p_value_at_most": 0.002}, "5 % of alerts false", 0.002),
    ("fdr=0.05", {"p_value_at_most": 0.0}, "5 % of alerts false", None),
    ("fdr=0.05,arbitrary,tail,share=0.001", {"p_tail_at_most": 1e-5}, "Yekutieli, tail", None),
    ("budget=40/day", {"groups": 7}, "the 40 highest scores of each day", None),
    ("cost=1:50,prior=0.006", COST_CUT, "least expected cost", 0.004),
    ("cost=1:50", {**COST_CUT, "p_value_at_most": 0.0, "cost_curve": [[0.0, 6000.0]]}, "estimated", None),
    ("cost=1:50", {**COST_CUT, "p_value_at_most": 0.45}, "estimated", 0.1),
    (HOSTILE_BOLD, {}, "", None),
])
def test_a_run_of_any_policy_is_shown_with_its_words_and_starts_the_slider_at_its_rate(
    open_page: Open, small: AlertStore, text: str, cut: dict[str, Any], words: str, rate: float | None
) -> None:
    with Session(small.engine) as session, session.begin():
        run = session.get(Run, "run-newest")
        assert run is not None
        run.policy, run.summary = text, {**run.summary, "cut": cut}
    app = open_page(small)
    assert not app.exception
    told = "".join(shown.value for shown in app.caption).replace("\\", "")
    assert words in told
    assert rate is None or app.select_slider[0].value == pytest.approx(rate)
    assert ("Least at" in told) == ("cost_curve" in cut)
    assert "**bold**" not in "".join(markup(app))


def test_another_run_is_chosen_and_kept_in_the_address(open_page: Open, believable: AlertStore) -> None:
    app = open_page(believable)
    app.selectbox[0].set_value("run-older").run()
    assert not app.exception
    assert app.query_params["run"] == "run-older"
    assert metrics(app)["Rows scored"] == "10,000"
    assert open_page(believable, run="run-older").selectbox[0].value == "run-older"
