"""How values, differences and forecasts are shown."""

from __future__ import annotations

from datetime import datetime, timedelta

import address
import comparison
import formats
import policy
import pytest
from filters import ASSIGNEES, ORDERS, STATES, VIEWS, Filters
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize(("value", "text"), [
    (4310.25, "4,310.25"), (1234567.4, "1,234,567"), (83.0, "83"), (0.00012, "0.00012"), (1.2e-7, "1.2e-07"),
    (0.0, "0"), (-4310.5, "-4,310.5"), (20014, "20,014"), (0.1 + 0.2, "0.3"), (None, "–"), (float("nan"), "–"),
    (True, "True"), ("2018-08-12T14:19:00", "2018-08-12 14:19"), ("2018-08-12 14:19:07", "2018-08-12 14:19:07"),
    ("2018-99-12T14:19", "2018-99-12T14:19"), ("x" * 300, "x" * 199 + "…"),
])
def test_cell(value: object, text: str) -> None:
    assert formats.cell(value) == text


def test_names_keep_their_digits() -> None:
    assert formats.names({"customer": 4961, "terminal": "T-1"}) == "customer 4961 · terminal T-1"


@pytest.mark.parametrize(("rate", "text"), [(0.5, "1 in 2"), (0.001, "1 in 1,000"), (0.000017, "1 in 59,000")])
def test_one_in(rate: float, text: str) -> None:
    assert formats.one_in(rate) == text


@pytest.mark.parametrize(("share", "text"), [(0.61, "61 %"), (1.0, "100 %"), (0.024, "2.4 %"), (0.0, "0 %")])
def test_percent(share: float, text: str) -> None:
    assert formats.percent(share).replace(formats.THIN, " ") == text


@pytest.mark.parametrize(("one", "other", "different"), [
    (100, 105, False), (100, 140, True), (0, 0.0, False), (-5, 5, True), ("chip", "chip", False),
    ("chip", "online", True), (None, None, False), (None, 3, True), (float("nan"), None, False), ("3", 3, False),
    ("2018-08-08T23:30:00", "2018-07-01T01:00:00", False), ("2018-08-08T03:00:00", "2018-07-01T13:00:00", True),
])
def test_differs(one: object, other: object, different: bool) -> None:
    assert comparison.differs(one, other) is different
    assert comparison.differs(other, one) is different


POINTS = st.lists(
    st.tuples(st.floats(1e-6, 0.5), st.integers(0, 1_000)), min_size=1, max_size=12, unique_by=lambda point: point[0]
).map(lambda points: list(zip(
    sorted(p for p, _ in points), sorted(rows for _, rows in points), strict=True)))


@given(points=POINTS, alphas=st.lists(st.floats(1e-7, 0.9), min_size=2, max_size=2))
def test_forecast_lies_within_its_bounds_and_never_falls_as_alpha_grows(
    points: list[tuple[float, int]], alphas: list[float]
) -> None:
    low, high = (policy.alerts_at(points, alpha) for alpha in sorted(alphas))
    for found in (low, high):
        assert found.fewest - 1e-6 <= found.estimate <= found.most + 1e-6
    assert low.estimate <= high.estimate + 1e-6


@given(points=POINTS)
def test_forecast_is_exact_where_the_count_is_known(points: list[tuple[float, int]]) -> None:
    for p, rows in points:
        assert policy.alerts_at(points, p) == policy.AlertsAt(p, rows, float(rows), rows)


def test_slider_offers_the_run_s_own_rate_within_the_known_ones() -> None:
    rates = policy.choices([(0.0001, 1), (0.05, 90)], 0.0123)
    assert rates == sorted(rates)
    assert 0.0123 in rates
    assert (rates[0], rates[-1]) == (0.0001, 0.05)


@pytest.mark.parametrize(("text", "cut", "rate"), [
    ("alpha=0.01", {}, 0.01), ("alpha=0.01", {"p_value_at_most": 0.01}, 0.01), ("budget=100", {}, None),
    ("budget=5/day", {"groups": 7}, None), ("alpha=x", {}, None), ("", {}, None),
    ("fdr=0.05", {"p_value_at_most": 0.003}, 0.003), ("fdr=0.05", {"p_value_at_most": 0.0}, None),
    ("fdr=0.05,tail", {"p_tail_at_most": 1e-6}, None), ("cost=1:50", {"p_value_at_most": 0.2, "prior": 0.1}, 0.2),
    ("fdr=0.05", {"p_value_at_most": None}, None),
])
def test_rate_of_a_policy(text: str, cut: dict[str, float], rate: float | None) -> None:
    assert policy.rate_of(text, cut) == rate


def test_every_policy_is_said_in_words_and_an_unknown_one_as_it_is() -> None:
    said = {text: policy.in_words(text) for text in ("alpha=0.01", "fdr=0.05,tail", "budget=9/week", "cost=1:50")}
    assert all(words not in ("", text) for text, words in said.items())
    assert len(set(said.values())) == len(said)
    assert policy.in_words("<b>odd</b>=7") == "<b>odd</b>=7"


@settings(deadline=None)
@given(filters=st.sampled_from(VIEWS).flatmap(lambda view: st.builds(
    Filters, view=st.just(view), run=st.sampled_from([None, "r1"]), state=st.sampled_from([None, *STATES[view]]),
    assignee=st.sampled_from([None, *ASSIGNEES]), min_risk=st.sampled_from([0.0, 12.5, 100.0]),
    text=st.text(max_size=5), since=st.none() | st.dates(), until=st.none() | st.dates(), order=st.sampled_from(ORDERS),
)))
def test_filters_survive_the_address(filters: Filters) -> None:
    assert address.filters(address.parameters(filters)) == filters


def test_an_address_that_names_nothing_lists_open_cases() -> None:
    assert address.filters({}) == Filters(view="cases", state="open")
    assert address.parameters(Filters(view="cases", state="open")) == {}


@pytest.mark.parametrize(("minutes", "text"), [(0, "0 min"), (59, "59 min"), (61, "1 h"), (1440, "1 d"),
                                               (5 * 1440 - 1, "4 d"), (-5, "0 min")])
def test_age(minutes: int, text: str) -> None:
    now = datetime(2018, 8, 15)
    assert formats.age(now - timedelta(minutes=minutes), now).replace(formats.THIN, " ") == text
