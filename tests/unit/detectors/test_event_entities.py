"""Entities that behave alike, records against their peers, and the towers over tables of records."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from anomaly_cl.datasets.simulate import transactions_table
from anomaly_cl.detectors.event_entities import in_a_sentence
from anomaly_cl.detectors.events import EventDetector
from anomaly_cl.detectors.loading import load
from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.pretraining.settings import TrainingSettings

SHORT = TrainingSettings(max_epochs=1, steps_per_epoch=2)


@pytest.fixture(scope="module")
def payments():
    """Customers of two sorts: even ones pay about 10 in the morning, odd ones about 100 in the evening."""
    rng = np.random.default_rng(0)
    n = 1_200
    customer = rng.integers(0, 20, n)
    evening = customer % 2 == 1
    hours = np.where(evening, 20, 8) + rng.random(n)
    at = pd.Timestamp("2026-01-01") + pd.to_timedelta(np.sort(rng.integers(0, 60, n)) * 24 + hours, unit="h")
    frame = pd.DataFrame({"id": np.arange(n), "at": at, "customer": [f"c{i:02d}" for i in customer],
                          "amount": rng.normal(np.where(evening, 100, 10), 2)})
    return frame.sort_values("at", ignore_index=True)


def detector(**more):
    return EventDetector(key="id", entity="customer", time="at", **more)


@pytest.fixture(scope="module", params=[(), ("customer",)], ids=["raw", "towers"])
def fitted(request, payments):
    return detector(towers=request.param, training=SHORT).fit(payments[300:900], payments[:300])


def test_those_who_behave_alike_are_near(fitted, payments):
    for name in ("c00", "c01", "c07"):
        near = fitted.similar_entities(payments, name, k=5)
        assert {int(other[1:]) % 2 for other in near["entity"]} == {int(name[1:]) % 2}
        assert name not in set(near["entity"])
        assert near["distance"].is_monotonic_increasing


def test_embeddings_are_of_the_last_records(fitted, payments):
    found = fitted.embed_entities(payments)
    assert list(found.columns[:1]) == ["records"]
    assert found["records"].max() == 20
    last = payments.groupby("customer").tail(20)
    again = fitted.embed_entities(last).loc[found.index]
    assert_array_equal(found.to_numpy(), again.to_numpy())


def test_a_record_is_compared_with_its_entity_and_with_its_peers(fitted, payments):
    new = payments[900:].copy()
    new.loc[new.index[new["customer"] == "c00"][0], "amount"] = 100.0
    found = fitted.compare_with_peers(new, payments[:900], k=4)
    assert len(found) == len(new)
    strange = found[found["sentence"].str.count("unusual") == 2]
    assert list(strange["value"]) == [100.0]
    assert set(strange["entity"]) == {"c00"}
    assert found["peers_expected"].between(5, 110).all()


def test_a_record_is_compared_with_what_peers_did_before_it(fitted, payments):
    new = payments[900:]
    later = new.copy()
    later.loc[later.index[200:], "amount"] *= 50
    whole, changed = (fitted.compare_with_peers(rows, payments[:900], k=4)[:200] for rows in (new, later))
    assert_array_equal(whole["expected"], changed["expected"])


def test_unknown_names_are_refused(fitted, payments):
    with pytest.raises(InputError, match="nobody"):
        fitted.similar_entities(payments, "nobody")
    with pytest.raises(UsageError, match="shop"):
        fitted.embed_entities(payments, entity="shop")
    with pytest.raises(UsageError, match="towers are of entity columns"):
        detector(towers="amount").fit(payments)


def test_towers_are_saved_and_score_files_one_by_one_as_all_at_once(payments, tmp_path):
    fitted = detector(towers="customer", training=SHORT).fit(payments[300:900], payments[:300])
    assert "pattern of customer" in fitted.schema_
    whole = fitted.decision_function(payments[900:], payments[:900])
    parts = [fitted.decision_function(payments[900:1000], payments[:900]),
             fitted.decision_function(payments[1000:], payments[:1000])]
    assert_array_equal(np.concatenate(parts), whole)
    fitted.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert_array_equal(again.decision_function(payments[900:], payments[:900]), whole)
    assert again.model_id_ == fitted.model_id_


def test_without_history_and_with_an_empty_one_are_the_same(payments):
    fitted = detector().fit(payments[:900])
    assert_array_equal(fitted.decision_function(payments[900:], payments[:0]),
                       fitted.decision_function(payments[900:]))


def test_new_honest_weeks_do_not_look_like_drift():
    rows = transactions_table(20_000, 3, fraud_share=0).to_pandas()
    columns = ["transaction_id", "booked_at", "customer_id", "merchant_id", "amount", "channel"]
    rows = rows[columns]
    fitted = EventDetector(entity=["customer_id", "merchant_id"]).fit(rows[6_000:12_000], rows[:6_000])
    verdict = fitted.drift(rows[12_000:16_000], rows[:12_000])
    assert verdict.verdict != "recalibrate", verdict.sentence


def test_sentences():
    assert in_a_sentence("amount", "customer", 100, 10, 45, 11, 50) == (
        "amount 100: unusual for this customer (10), and unusual for those like it (11)")
    assert in_a_sentence("amount", "customer", 100, 10, 45, 90, 0.5) == (
        "amount 100: unusual for this customer (10), but usual for those like it (90)")
    assert in_a_sentence("amount", "customer", 9, 10, -.2, np.nan, np.nan) == (
        "amount 9: usual for this customer (10); too little is known of those like it")
    assert in_a_sentence("amount", "customer", np.nan, 10, np.nan, 10, np.nan) == "amount is missing"
