import json
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from anomaly_cl.detectors.event_clauses import change_of, clause_of
from anomaly_cl.detectors.event_reasons import duration, in_words
from anomaly_cl.detectors.events import EventDetector
from anomaly_cl.features.deviation_kinds import Deviation, amount_deviating
from anomaly_cl.schema import Column, Schema

START = datetime(2026, 3, 2)
SCHEMA = Schema((
    Column("id", "numeric", "int64", "key"), Column("at", "datetime", "timestamp[s]", "time"),
    Column("card", "categorical", "string", "entity"), Column("goods", "categorical", "string"),
    Column("amount", "numeric", "double"),
))
DAYS = 60


def made(records):
    """(time, card, goods, amount) by time."""
    times, cards, goods, amounts = zip(*sorted(records), strict=True)
    return pa.table({"id": pa.array(range(len(times))), "at": pa.array(times, pa.timestamp("s")),
                     "card": list(cards), "goods": list(goods), "amount": list(amounts)})


def usual(rng, first, last):
    """Twenty cards: each pays an amount of its own, for its own goods, at its own hour, every day or every fourth."""
    for number in range(20):
        for day in range(first, last, 1 if number % 2 else 4):
            minute = (6 + number % 3 * 6) * 60 + int(rng.integers(-30, 30))
            yield (START + timedelta(days=day, minutes=minute), f"card {number}", "food" if number < 10 else "fuel",
                   round(float(5 * 1.3**number * rng.lognormal(0, 0.1)), 2))


@pytest.fixture(scope="module")
def before():
    return made(usual(np.random.default_rng(0), 0, DAYS))


@pytest.fixture(scope="module")
def detector(before):
    start = pa.scalar(START + timedelta(days=20), pa.timestamp("s"))
    late = pc.greater_equal(before["at"], start)
    return EventDetector(schema=SCHEMA).fit(before.filter(late), before.filter(pc.invert(late)))


def reasons_of(detector, before, *records):
    """The reasons of the last of these records, {column: (value, typical)}."""
    new = made(records)
    found = detector.reasons(detector.event_rows(new, before))[-1]
    assert [reason["contribution"] for reason in found] == sorted(
        (reason["contribution"] for reason in found), reverse=True)
    assert all(reason["contribution"] > 0 for reason in found)
    return {reason["column"]: (reason["value"], reason["typical"]) for reason in found}


def at(hours, day=DAYS):
    return START + timedelta(days=day, hours=hours)


def test_an_amount_is_told_beside_the_cards_usual_one(detector, before):
    found = reasons_of(detector, before, (at(12), "card 1", "food", 500.0))
    value, typical = found["amount for card"]
    assert value == "500"
    assert 5 < float(typical) < 13  # 6.5, drawn towards what all cards pay


def test_a_time_of_day_is_told_beside_the_cards_usual_one(detector, before):
    found = reasons_of(detector, before, (at(24.5), "card 1", "food", 6.5))
    assert found["hour of day of card"] in {("00:30", f"around {hour}:{minute:02d}")
                                            for hour, minutes in ((11, range(30, 60)), (12, range(30)))
                                            for minute in minutes}


def test_goods_never_paid_by_the_card_are_told(detector, before):
    found = reasons_of(detector, before, (at(12), "card 1", "fuel", 6.5))
    assert found["goods for card"] == ("fuel", "never before")


def test_a_short_time_since_the_last_record_is_told(detector, before):
    burst = [(at(12) + timedelta(seconds=20 * i), "card 1", "food", 6.5) for i in range(25)]
    found = reasons_of(detector, before, *burst)
    gap, usual_gap = found["time since last of card"]
    assert gap == "20 s"
    assert usual_gap.endswith((" d", " h"))


def test_earlier_strange_records_of_the_card_are_told(detector, before):
    strange = [(at(3 + i), "card 1", "fuel", 9_000.0 * (i + 1)) for i in range(2)]
    found = reasons_of(detector, before, *strange, (at(12), "card 1", "food", 6.5))
    assert found["earlier strange records of card"] == ("2 in 7 d", "0")
    other = reasons_of(detector, before, *strange, (at(12), "card 4", "food", 14.0))
    assert "earlier strange records of card" not in other


ROW = {"amount": 1_234_567.0, "goods": None}


@pytest.mark.parametrize(("kind", "value", "expected", "words"), [
    ("amount", 3.0, 20.5, ("1.23457e+06", "20.5")),
    ("gap", np.log(2), 5_400.0, ("3 h", "1.5 h")),
    ("gap", None, 86_400.0, (None, "1 d")),
    ("gap", 1e9, 60.0, (duration(60 * np.exp(700)), "1 min")),
    ("hour", 0.5, 23.75, ("07:05", "around 23:45")),
    ("hour", 0.5, None, ("07:05", "around 00:00")),
    ("activity", 3.0, 8.0, ("17", "8")),
    ("activity", None, None, ("0", "0")),
    ("seen", 3.0, 0.0, (None, "never before")),
    ("seen", 3.0, 1.0, (None, "once before")),
    ("seen", 3.0, 12.0, (None, "12 times before")),
])
def test_deviations_in_words(kind, value, expected, words):
    deviation = Deviation("any", kind, "card", "goods" if kind == "seen" else "amount", 7)
    assert in_words(deviation, value, expected, ROW, datetime(2026, 1, 1, 7, 5)) == words


@pytest.mark.parametrize(("seconds", "words"), [(0, "0 s"), (59, "59 s"), (60, "1 min"), (5_400, "1.5 h"),
                                                (86_400 * 45.25, "45.2 d")])
def test_durations_in_the_largest_unit_that_fits(seconds, words):
    assert duration(seconds) == words


def applied(rows, position, way):
    """An event row with the changes of a counterfactual."""
    row = rows.slice(position, 1)
    for change in way.changes:
        name = change.column.replace("earlier strange records of ", "evidence: ")
        column = row.schema.get_field_index(name)
        row = row.set_column(column, row.schema.field(name), pa.array([change.to], row.schema.field(name).type,
                                                                      safe=False))
    return row


def test_counterfactuals_of_events_score_as_they_say_and_are_told_in_words(detector, before):
    strange = [(at(3 + i), "card 1", "fuel", 9_000.0 * (i + 1)) for i in range(3)]
    new = made([*strange, (at(12), "card 4", "food", 14.0)])
    rows = detector.event_rows(new, before)
    explained = detector.explain(new, before)
    assert [each.score for each in explained] == detector.decision_function(new, before).tolist()
    told = [i for i, each in enumerate(explained) if each.counterfactual]
    assert {0, 1, 2} <= set(told)
    for i in told:
        way = explained[i].counterfactual
        scores = detector.score_table(applied(rows, i, way))
        assert scores.score[0] == pytest.approx(way.score, abs=1e-9)
        assert scores.p_value[0] == way.p_value
        assert way.score < explained[i].threshold
    words = explained[0].counterfactual.sentence
    assert "rather than 9,000" in words
    assert "this card's usual" in explained[0].sentence
    assert "expected: " not in json.dumps([each.to_dict() for each in explained])


def test_the_amount_of_a_counterfactual_is_the_one_that_deviates_so():
    settings = {"transform": "log", "unit": 0.4}
    assert amount_deviating(0.0, 500.0, 12.0, 6.5, settings) == pytest.approx(6.5)
    assert amount_deviating(12.0, 500.0, 12.0, 6.5, settings) == pytest.approx(500.0)
    assert amount_deviating(1.5, 20.0, 3.0, 10.0, {"transform": "plain"}) == pytest.approx(15.0)


RECORD = {"amount": 4_310.0, "goods": "fuel"}


@pytest.mark.parametrize(("kind", "expected", "told", "words"), [
    ("amount", 52.0, ("4310", "52"), "amount 4,310 is 83 times this customer's usual (52)"),
    ("amount", 4_000.0, ("4310", "4000"), "amount 4,310, where this customer's usual is 4,000"),
    ("gap", 5_400.0, ("20 s", "1.5 h"), "20 s after the last record of this customer, usually 1.5 h"),
    ("hour", 14.0, ("03:12", "around 14:00"), "at 03:12, where records of this customer are around 14:00"),
    ("activity", 1.3, ("17", "1.3"), "17 records of this customer in 7 d, where 1.3 are usual"),
    ("seen", 0.0, ("fuel", "never before"), "a first record of this customer with goods fuel"),
    ("seen", 1.0, ("fuel", "once before"), "only 1 earlier record of this customer with goods fuel"),
])
def test_deviations_as_clauses(kind, expected, told, words):
    deviation = Deviation("any", kind, "customer_id", "goods" if kind == "seen" else "amount", 7)
    assert clause_of(deviation, RECORD, expected, *told) == words


@pytest.mark.parametrize(("kind", "words"), [
    ("amount", "amount 52 rather than 4,310"), ("gap", "3 h since the last record of this customer rather than 20 s"),
    ("hour", "a time around 14:00 rather than 20 s"),
    ("seen", "a goods that this customer often had before rather than fuel"),
])
def test_changed_deviations_in_words(kind, words):
    deviation = Deviation("any", kind, "customer_id", "goods" if kind == "seen" else "amount", 7)
    assert change_of(deviation, RECORD, "20 s", "3 h", "around 14:00", 52.0) == words
