import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from anomaly_cl.alerts.models import VERDICTS
from anomaly_cl.datasets.simulate import simulate_verdicts, transactions_table
from anomaly_cl.errors import InputError, UsageError


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    return transactions_table(5_000, 0, fraud_share=.1)


def _joined(rows: pa.Table, verdicts: pa.Table) -> pd.DataFrame:
    return verdicts.to_pandas().merge(rows.to_pandas(), on="transaction_id", validate="one_to_one")


def test_verdicts_are_true_as_many_as_asked_and_late(rows):
    verdicts = simulate_verdicts(rows, 1, delay_days=7, spread_days=3, found=.7, cleared=.02)
    assert verdicts.column_names == ["transaction_id", "verdict", "decided_at"]
    assert verdicts.schema.field("decided_at").type == rows.schema.field("booked_at").type
    joined = _joined(rows, verdicts)
    assert ((joined["verdict"] == "fraud") == (joined["is_fraud"] == 1)).all()
    assert set(joined["verdict"]) <= set(VERDICTS)
    assert (joined["verdict"] == "fraud").sum() == 350
    assert (joined["verdict"] == "legitimate").sum() == 90
    waited = (joined["decided_at"] - joined["booked_at"]) / pd.Timedelta(days=1)
    assert waited.between(7, 10).all()
    assert waited.std() > .5
    assert joined["decided_at"].is_monotonic_increasing


def test_without_spread_each_verdict_takes_exactly_the_delay(rows):
    joined = _joined(rows, simulate_verdicts(rows, 1, delay_days=2.5, found=1, cleared=1))
    assert len(joined) == 5_000
    assert ((joined["decided_at"] - joined["booked_at"]) == pd.Timedelta(days=2.5)).all()


def test_the_seed_alone_decides(rows):
    first = simulate_verdicts(rows, 1, found=.5)
    assert simulate_verdicts(rows, 1, found=.5).equals(first)
    assert not simulate_verdicts(rows, 2, found=.5).equals(first)


def test_other_names_and_units_are_kept_and_unknown_labels_have_no_verdict():
    table = pa.table({"id": ["a,b", "c", "d"], "at": pa.array([0, 1, 2], pa.timestamp("ns", "Europe/Berlin")),
                      "bad": [True, None, False]})
    verdicts = simulate_verdicts(table, 0, key="id", time="at", label="bad", found=1, cleared=1, delay_days=1)
    assert verdicts["id"].to_pylist() == ["a,b", "d"]
    assert verdicts["verdict"].to_pylist() == ["fraud", "legitimate"]
    assert verdicts["decided_at"].cast(pa.int64()).to_pylist() == [86_400 * 10**9, 86_400 * 10**9 + 2]


def test_no_verdicts_is_an_empty_table(rows):
    verdicts = simulate_verdicts(rows, 0, found=0, cleared=0)
    assert verdicts.num_rows == 0
    assert verdicts.column_names == ["transaction_id", "verdict", "decided_at"]


@pytest.mark.parametrize(("changed", "error", "said"), [
    ({"key": "id"}, InputError, "must have the column 'id'"), ({"time": "amount"}, InputError, "holds double"),
    ({"key": "device_id"}, InputError, "have none"), ({"label": "amount"}, InputError, "are 0 and 1"),
    ({"label": "channel"}, InputError, "are 0 and 1"), ({"found": 1.5}, UsageError, "found"),
    ({"cleared": np.nan}, UsageError, "cleared"), ({"delay_days": -1}, UsageError, "delay_days"),
    ({"spread_days": np.inf}, UsageError, "spread_days"), ({"seed": -1}, UsageError, "seed"),
])
def test_what_cannot_be_meant_is_refused(rows, changed, error, said):
    with pytest.raises(error, match=said):
        simulate_verdicts(**{"rows": rows, "seed": 0} | changed)
