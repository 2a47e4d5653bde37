"""What the event detector finds among simulated payments, and how often it is wrong about honest ones."""

import numpy as np
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal
from sklearn.metrics import average_precision_score

from anomaly_cl.detectors.events import EventDetector
from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.schema import Column, Schema
from tests.unit.detectors.made_up_payments import SCHEMA, fitted, payments

OWN = SCHEMA.assign({"customer_id": "ignore", "merchant_id": "ignore"})


@pytest.mark.slow
def test_honest_records_are_as_often_beyond_a_p_value_as_it_says():
    found = []
    for seed in range(4):
        given = payments(16_000, seed, fraud_share=0.0)
        scores = fitted(given).score(given.new, given.before, policy="budget=5")
        found.append([(scores["p_value"] <= level).mean() for level in (0.01, 0.1)])
    rare, usual = np.mean(found, axis=0)
    assert 0.004 <= rare <= 0.02
    assert 0.08 <= usual <= 0.12


@pytest.mark.slow
def test_frauds_that_show_against_the_past_are_found_better_than_by_the_columns_alone():
    kinds = ("inflated_account", "velocity", "amount_burst")
    found = []
    for seed in range(3):
        given = payments(24_000, seed, fraud_share=0.02, kinds=kinds)
        ours = fitted(given).decision_function(given.new, given.before)
        columns = TabularDetector("none", 1, schema=OWN, calibration="split").fit(given.normal)
        alone = columns.decision_function(given.new)
        found.append([average_precision_score(given.kind != "", scores) for scores in (ours, alone)])
    ours, alone = np.mean(found, axis=0)
    assert ours > 1.4 * alone


class Customers:
    """Customers with levels of their own; one record in a hundred of the last days is one tenfold of its customer's."""

    def __init__(self, seed, n=12_000, n_customers=120, *, amounts=0, shops=0):
        rng = np.random.default_rng(seed)
        customer = rng.integers(0, n_customers, n)
        seconds = np.sort(rng.integers(0, 90 * 86_400, n))
        log_amount = rng.normal(3, 1.5, n_customers)[customer] + rng.normal(0, 0.4, n)
        self.fraud = (rng.random(n) < 0.01) & (seconds > 70 * 86_400)
        log_amount[self.fraud] += np.log(10)
        columns = {"id": np.arange(n), "at": pa.array(seconds).cast(pa.timestamp("s")),
                   "customer": [f"c{i}" for i in customer], "amount": np.exp(log_amount)}
        for i in range(amounts):
            columns[f"noise {i}"] = rng.lognormal(0, 1, n)
        for i in range(shops):
            columns[f"shop {i}"] = [f"s{j}" for j in rng.integers(0, 50, n)]
        self.rows = pa.table(columns)
        self.day = seconds // 86_400
        kinds = {"noise": ("numeric", "double"), "shop": ("categorical", "string", "entity")}
        self.schema = Schema((
            Column("id", "numeric", "int64", "key"), Column("at", "datetime", "timestamp[s]", "time"),
            Column("customer", "categorical", "string", "entity"), Column("amount", "numeric", "double"),
            *(Column(name, *kinds[name.split()[0]]) for name in self.rows.column_names[4:]),
        ))

    def scores(self, detector):
        before, new = (self.rows.filter(pa.array(part)) for part in (self.day < 70, self.day >= 70))
        return detector.decision_function(new, before)

    def fit(self):
        history, normal = (self.rows.filter(pa.array(part))
                           for part in (self.day < 45, (self.day >= 45) & (self.day < 70)))
        return EventDetector(schema=self.schema, random_state=0).fit(normal, history)

    @property
    def precision(self):
        """Average precision on the last days."""
        return average_precision_score(self.fraud[self.day >= 70], self.scores(self.fit()))


def test_tenfold_amounts_of_a_customer_are_found_which_their_size_does_not_show():
    world = Customers(0)
    late = world.day >= 70
    assert world.precision > 0.7
    assert average_precision_score(world.fraud[late], np.array(world.rows["amount"])[late]) < 0.2


@pytest.mark.slow
@pytest.mark.parametrize("added", [{"amounts": 20}, {"shops": 4}, {"amounts": 8, "shops": 2}])
def test_irrelevant_amounts_and_entities_hardly_change_what_is_found(added):
    few, many = ([Customers(seed, 6_000, 60, **columns).precision for seed in range(2)] for columns in ({}, added))
    assert np.mean(many) > 0.9 * np.mean(few)


def test_scores_of_this_world_do_not_depend_on_later_records():
    world = Customers(1, n=3_000, n_customers=30)
    detector = world.fit()
    cut = np.flatnonzero(world.day >= 80)[0]
    before, new = world.rows.filter(pa.array(world.day < 70)), world.rows.slice(0, cut).filter(
        pa.array(world.day[:cut] >= 70))
    assert_array_equal(detector.decision_function(new, before), world.scores(detector)[:new.num_rows])
