import json
import math
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from anomaly_cl.features.deviation_kinds import IQR_OF_NORMAL, KINDS, amount_windows
from anomaly_cl.features.deviations import EntityDeviations
from tests.unit.features.made_up_events import DAY, histories, learned, table

PRIOR = 3  # records of anybody


class Slow:
    """The definitions, for one record at a time, in plain Python over lists."""

    def __init__(self, rows, rows_back):
        self.rows, self.rows_back = rows.to_pylist(), rows_back
        self.seconds = rows["at"].cast(pa.int64()).to_pylist()

    def earlier(self, row, entity):
        """Numbers of the earlier records of the same entity, oldest first."""
        own = self.rows[row][entity]
        if own is None:
            return []
        before = [(self.seconds[j], self.rows[j]["id"], j) for j in range(len(self.rows))
                  if self.rows[j][entity] == own and (self.seconds[j], self.rows[j]["id"]) < (
                      self.seconds[row], self.rows[row]["id"])]
        return [j for _, _, j in sorted(before)]

    def pair(self, row, deviation, settings):
        """Deviation and expectation."""
        return getattr(self, "_" + deviation.kind)(row, deviation, settings, self.earlier(row, deviation.entity))

    def _amount(self, row, deviation, settings, past):
        def transformed(x):
            if settings["transform"] == "plain":
                return x
            return math.copysign(math.log1p(abs(x) / settings["unit"]), x)

        if settings["window"] != "past":
            past = past[-self.rows_back:]
        amounts = [self.rows[j][deviation.about] for j in past if self.rows[j][deviation.about] is not None]
        n, location, spread = len(amounts), settings["location"], None
        if n:
            q1, q2, q3 = (transformed(float(q)) for q in np.quantile(amounts, [0.25, 0.5, 0.75]))
            location = (n * (q1 + 2 * q2 + q3) / 4 + PRIOR * location) / (n + PRIOR)
            spread = (q3 - q1) / IQR_OF_NORMAL
        prior = settings["relative"] * location if settings["relative"] else settings["spread"]
        believed = settings["spread_records"]
        spread = prior if spread is None else (n * spread + believed * prior) / (n + believed)
        value = self.rows[row][deviation.about]
        expected = location
        if settings["transform"] == "log":
            expected = math.copysign(math.expm1(abs(location)) * settings["unit"], location)
        deviates = math.nan if value is None else (transformed(value) - location) / max(spread, settings["floor"])
        return deviates, expected

    def _gap(self, row, deviation, settings, past):
        now = self.seconds[row]
        between = [self.seconds[b] - self.seconds[a] for a, b in pairwise(past)]
        expected = (sum(between) + PRIOR * settings["seconds"]) / (len(between) + PRIOR)
        if not past:
            return math.nan, expected
        return math.log(max(now - self.seconds[past[-1]], 1) / max(expected, 1)), expected

    def _hour(self, row, deviation, settings, past):
        def angle(j):
            return self.seconds[j] % DAY / DAY * 2 * math.pi

        n = len(past)
        sine = (sum(math.sin(angle(j)) for j in past) + PRIOR * settings["sin"]) / (n + PRIOR)
        cosine = (sum(math.cos(angle(j)) for j in past) + PRIOR * settings["cos"]) / (n + PRIOR)
        usual = math.atan2(sine, cosine)
        return math.hypot(sine, cosine) * (1 - math.cos(angle(row) - usual)), usual / (2 * math.pi) * 24 % 24

    def _activity(self, row, deviation, settings, past):
        now, days = self.seconds[row], deviation.days
        within = sum(now - days * DAY <= self.seconds[j] < now for j in past)
        age = (now - self.seconds[past[0]]) / DAY if past else 0
        rate = (len(past) - within + PRIOR) / (max(age - days, 0) + PRIOR / settings["a_day"])
        expected = rate * min(age, days)
        return (within - expected) / math.sqrt(expected + 1), expected

    def _seen(self, row, deviation, settings, past):
        own, value = self.rows[row][deviation.entity], self.rows[row][deviation.about]
        if own is None or value is None:
            return math.nan, math.nan
        seen = sum(self.rows[j][deviation.about] == value for j in past)
        share = dict(zip(settings["values"], settings["shares"], strict=True)).get(value, settings["other"])
        return math.log((len(past) + PRIOR * share) / (seen + PRIOR * share)), seen


def some(records):
    seconds, first, second, category, amount, refund = zip(*records, strict=True)
    return table(seconds, e_card=first, e_shop=second, c_kind=category, amount=amount, refund=refund)


AMOUNTS = st.one_of(st.none(), st.integers(1, 400).map(float), st.just(20.0))
SIGNED = st.one_of(st.none(), st.integers(-50, 50).map(float))
RECORD = st.tuples(st.integers(0, 50).map(lambda sixth: sixth * DAY // 6), st.sampled_from([None, "a", "b", "c"]),
                   st.sampled_from([None, "s", "t"]), st.sampled_from([None, "x", "y"]), AMOUNTS, SIGNED)


@given(st.lists(RECORD, min_size=1, max_size=25), st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_deviations_and_expectations_equal_the_double_loop(records, rows_back):
    rows = some(records)
    plan, prepared, past = histories(rows, rows_back, days=(1, 3))
    half = max(1, len(records) // 2)
    deviations = EntityDeviations(plan).fit(prepared.slice(0, half), past.slice(0, half))
    found, expected = deviations.transform(prepared, past), deviations.expected(prepared, past)
    slow = Slow(rows, rows_back)
    assert {deviation.kind for deviation in deviations.deviations} == set(KINDS)
    for deviation in deviations.deviations:
        pairs = [slow.pair(row, deviation, deviations.settings_[deviation.name]) for row in range(len(records))]
        values, expectations = np.array(pairs).T
        for column, truth in ((found, values), (expected, expectations)):
            got = column[deviation.name].to_numpy()
            assert_array_equal(np.isnan(got), np.isnan(truth), err_msg=deviation.name)
            if deviation.kind == "hour" and column is expected:
                got, truth = np.cos((got - truth) * np.pi / 12), np.ones(len(truth))
                got = np.where(slow_concentration(slow, deviation, deviations.settings_) > 1e-9, got, 1)
            assert_allclose(got, truth, rtol=1e-7, atol=1e-7, err_msg=deviation.name)


def slow_concentration(slow, deviation, settings):
    """How far from zero the mean direction is: without one, every hour is as usual."""
    learned_of = settings[deviation.name]
    found = []
    for row in range(len(slow.rows)):
        past = slow.earlier(row, deviation.entity)
        angles = [slow.seconds[j] % DAY / DAY * 2 * math.pi for j in past]
        found.append(math.hypot(sum(map(math.sin, angles)) + PRIOR * learned_of["sin"],
                                sum(map(math.cos, angles)) + PRIOR * learned_of["cos"]))
    return np.array(found)


@given(st.lists(RECORD, min_size=1, max_size=25))
@settings(max_examples=25, deadline=None)
def test_weights_are_shares_and_nothing_is_infinite(records):
    deviations, prepared, past = learned(some(records))
    for name, weight in deviations.weights_.items():
        assert 0 <= weight <= 1, name
        assert weight == deviations.relevance_[name] * deviations.novelty_[name]
    for column in deviations.transform(prepared, past).columns:
        assert np.isfinite(column.drop_null().to_numpy()).all()


def customers(rng, n=4_000, n_entities=40):
    """Seconds at random over 60 days, and the entity of each record."""
    return np.sort(rng.integers(0, 60 * DAY, n)), rng.integers(0, n_entities, n)


def test_the_transform_under_which_amounts_are_normal_is_chosen():
    rng = np.random.default_rng(0)
    seconds, entity = customers(rng)
    level = rng.normal(0, 1, 40)[entity]
    rows = table(seconds, e_card=entity, skewed=np.exp(3 + level + rng.normal(0, 0.6, 4_000)),
                 even=500 + 100 * level + rng.normal(0, 50, 4_000))
    deviations, _, _ = learned(rows)
    assert deviations.settings_["skewed for e_card"]["transform"] == "log"
    assert deviations.settings_["even for e_card"]["transform"] == "plain"


def test_a_level_that_moves_is_compared_with_the_last_rows():
    rng = np.random.default_rng(1)
    seconds, entity = customers(rng, 6_000, 20)
    drifting = np.exp(seconds / (10 * DAY) + rng.normal(0, 0.2, 6_000))
    deviations, _, _ = learned(table(seconds, e_card=entity, drifting=drifting), rows_back=10)
    assert deviations.settings_["drifting for e_card"]["window"] == "10 rows"


def test_relevance_is_high_where_entities_differ_and_near_zero_where_they_do_not():
    rng = np.random.default_rng(2)
    n = 4_000
    rate = np.exp(rng.normal(0, 1.5, 40))
    entity = rng.choice(40, n, p=rate / rate.sum())
    seconds = np.sort(rng.integers(0, 60 * DAY, n)) // DAY * DAY + (
        (entity % 2 * 12 + 6) * 3_600 + rng.integers(0, 7_200, n))
    own = rng.permutation(8)[entity % 8]
    rows = table(seconds, e_card=entity, e_shop=rng.integers(0, 40, n),
                 amount=np.exp(rng.normal(3, 1, 40)[entity] + rng.normal(0, 0.2, n)),
                 c_kind=np.where(rng.random(n) < 0.9, own, rng.integers(0, 8, n)))
    deviations, _, _ = learned(rows)
    for name in ("amount for", "c_kind for", "time since last of", "records in 7 d of"):
        differ, alike = (deviations.relevance_[f"{name} {entity}"] for entity in ("e_card", "e_shop"))
        assert differ > 0.15, name
        assert alike < 0.05, name
    hours = [next(value for name, value in deviations.relevance_.items() if "hour" in name and entity in name)
             for entity in ("e_card", "e_shop")]
    assert hours[0] > 0.7
    assert hours[1] < 0.05


def test_the_time_since_the_last_record_is_irrelevant_where_entities_come_alike_however_short_their_past():
    rng = np.random.default_rng(3)
    for n_entities in (1_500, 400, 40):
        seconds, entity = customers(rng, 6_000, n_entities)
        deviations, _, _ = learned(table(seconds, e_card=entity, amount=np.ones(6_000)))
        assert deviations.relevance_["time since last of e_card"] < 0.05, n_entities


def test_what_was_as_strange_at_the_entitys_previous_record_is_no_news():
    rng = np.random.default_rng(4)
    seconds, entity = customers(rng, 4_000, 10)
    deviations, _, _ = learned(table(seconds, e_card=entity, amount=rng.lognormal(3, 0.5, 4_000)))
    assert deviations.novelty_["records in 30 d of e_card"] < 0.1
    assert deviations.novelty_["amount for e_card"] > 0.9


@pytest.mark.parametrize("fee", [9.99, -3e9, 1e-3])
def test_an_amount_that_never_varies_is_strange_once_it_does(fee):
    seconds = np.arange(60) * DAY
    deviations, prepared, past = learned(table(seconds, e_card=["a"] * 60, fee=[fee] * 59 + [1.1 * fee]))
    values = deviations.transform(prepared, past)["fee for e_card"].to_numpy()
    assert_allclose(values[:-1], 0, atol=1e-6)
    assert 5 < abs(values[-1]) < np.inf


def test_a_column_may_be_called_hour():
    rng = np.random.default_rng(5)
    seconds, entity = customers(rng, 300, 5)
    rows = table(seconds, e_card=entity, hour=rng.random(300))
    deviations, prepared, past = learned(rows)
    assert len({deviation.name for deviation in deviations.deviations}) == len(deviations.deviations)
    assert deviations.transform(prepared, past).num_columns == len(deviations.deviations)


def test_a_state_gives_the_same_deviations():
    rng = np.random.default_rng(6)
    seconds, entity = customers(rng, 400, 8)
    rows = table(seconds, e_card=entity, e_shop=rng.integers(0, 5, 400), amount=rng.lognormal(3, 1, 400),
                 c_kind=rng.integers(0, 4, 400))
    deviations, prepared, past = learned(rows)
    state = json.loads(json.dumps(deviations.to_state(), default=lambda array: array.tolist()))
    twin = EntityDeviations.from_state(state)
    assert twin.weights_ == deviations.weights_
    assert twin.columns_read == deviations.columns_read
    assert twin.transform(prepared, past) == deviations.transform(prepared, past)
    assert twin.expected(prepared, past) == deviations.expected(prepared, past)


@pytest.mark.parametrize("size", [1, 7])
def test_a_record_does_not_see_the_others(size):
    rng = np.random.default_rng(7)
    seconds, entity = customers(rng, 140, 8)
    rows = table(seconds, e_card=entity, amount=rng.lognormal(3, 1, 140), c_kind=rng.integers(0, 4, 140))
    deviations, prepared, past = learned(rows)
    parts = [deviations.transform(prepared.slice(i, size), past.slice(i, size)) for i in range(0, 140, size)]
    assert pa.concat_tables(parts).combine_chunks() == deviations.transform(prepared, past).combine_chunks()


def test_records_in_several_chunks_are_learned_from_alike():
    rng = np.random.default_rng(8)
    seconds, entity = customers(rng, 140, 8)
    plan, prepared, past = histories(table(seconds, e_card=entity, amount=rng.lognormal(3, 1, 140)))
    whole = EntityDeviations(plan).fit(prepared, past)
    chunks = pa.concat_tables([prepared.slice(0, 50), prepared.slice(50)])
    assert EntityDeviations(plan).fit(chunks, past).weights_ == whole.weights_


def test_windows_to_choose_from_are_the_past_and_the_last_rows():
    plan, _, _ = histories(table([0], e_card=["a"], amount=[1.0]), rows_back=9)
    assert amount_windows(plan) == ("past", "9 rows")


def test_a_habit_that_is_never_broken_is_news_when_it_is():
    rng = np.random.default_rng(9)
    seconds, entity = customers(rng, 3_000, 30)
    plan, prepared, past = histories(table(seconds, e_card=entity, c_home=entity % 3))
    deviations = EntityDeviations(plan).fit(prepared.slice(1_000), past.slice(1_000))  # of cards known for long
    assert deviations.weights_["c_home for e_card"] > 0.7


def test_an_entity_is_not_strange_for_being_new():
    rng = np.random.default_rng(10)
    seconds, entity = customers(rng, 3_000, 900)
    deviations, prepared, past = learned(table(seconds, e_shop=entity, c_trade=entity % 7))
    assert_allclose(deviations.transform(prepared, past)["c_trade for e_shop"].to_numpy(), 0, atol=1e-12)


def test_the_own_spread_counts_as_far_as_entities_differ_beyond_chance():
    rng = np.random.default_rng(0)

    def learned_records(spreads):
        entities = np.repeat(np.arange(60), 60)
        amounts = rng.normal(100, spreads[entities])
        seconds = rng.permutation(len(entities)) * 600
        rows = some([(int(second), f"c{entity}", None, None, float(amount), None)
                     for second, entity, amount in zip(seconds, entities, amounts, strict=True)])
        return learned(rows)[0].settings_["amount for e_card"]["spread_records"]

    alike, unlike = learned_records(np.full(60, 10.0)), learned_records(rng.lognormal(2, 1, 60))
    assert unlike < 10 < 30 < alike
