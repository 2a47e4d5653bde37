"""Labels of days on the charts of the overview."""

import charts
import overview_charts
import pytest

COUNTS = {"fraud": 1, "legitimate": 0, "unsure": 0}


@pytest.mark.parametrize(("last", "every"), [("2018-08-14", 86_400_000), ("2026-11-30", None)])
def test_days_have_a_label_each_only_while_these_are_few(last: str, every: int | None) -> None:
    alerts = charts.alerts_a_day([("2018-08-08", 100, 1), (last, 100, 2)])
    verdicts = overview_charts.verdicts_a_day([("2018-08-08", COUNTS), (last, COUNTS)])
    assert [figure.layout.xaxis.dtick for figure in (alerts, verdicts)] == [every, every]


def test_no_days_are_drawn_too() -> None:
    assert charts.alerts_a_day([]).layout.yaxis.title.text == "alerts"
