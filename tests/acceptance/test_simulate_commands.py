"""The simulators as users type them."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anomaly_cl.datasets.simulate import ALL_FRAUD_KINDS, FRAUD_KINDS, simulate_verdicts
from tests.acceptance.test_command_line import run


@pytest.fixture
def records(tmp_path):
    run("simulate", "transactions", "--out", tmp_path / "all.csv", "--rows", 3_000, "--kinds", "all", "--fraud-share",
        .05, "--newcomers", .2, "--ties", .05)
    return tmp_path / "all.csv"


def test_kinds_are_five_unless_others_are_named(tmp_path, records):
    run("simulate", "transactions", "--out", tmp_path / "five.csv", "--rows", 3_000)
    run("simulate", "transactions", "--out", tmp_path / "two.csv", "--rows", 3_000, "--kinds", "velocity, odd_hour")
    kinds = [set(pd.read_csv(tmp_path / name)["fraud_kind"].dropna()) for name in ("five.csv", "two.csv", "all.csv")]
    assert kinds == [set(FRAUD_KINDS), {"velocity", "odd_hour"}, set(ALL_FRAUD_KINDS)]


def test_verdicts_of_a_file_are_those_of_its_table(tmp_path, records):
    said = run("simulate", "verdicts", records, "--out", tmp_path / "verdicts.parquet", "--delay", 3, "--found", .5)
    table = pa.Table.from_pandas(pd.read_csv(records, parse_dates=["booked_at"]))
    expected = simulate_verdicts(table, 0, delay_days=3, found=.5).to_pandas()
    got = pq.read_table(tmp_path / "verdicts.parquet").to_pandas()
    pd.testing.assert_frame_equal(got, expected, check_dtype=False)
    assert f"{len(expected)} rows" in said.stdout


def test_keys_with_commas_survive_in_csv(tmp_path):
    pd.DataFrame({
        "transaction_id": ['a,"1"', "b,2"], "booked_at": ["2026-01-01", "2026-01-02"], "is_fraud": [1, 0],
    }).to_csv(tmp_path / "rows.csv", index=False)
    run("simulate", "verdicts", tmp_path / "rows.csv", "--out", tmp_path / "verdicts.csv", "--found", 1, "--cleared", 1)
    assert pd.read_csv(tmp_path / "verdicts.csv")["transaction_id"].tolist() == ['a,"1"', "b,2"]


@pytest.mark.parametrize(("words", "code", "said"), [
    (["transactions", "--kinds", "magic"], 2, "magic"), (["transactions", "--kinds", ","], 2, "choose among them"),
    (["transactions", "--newcomers", .7], 2, "newcomers"), (["weather"], 2, "weather"),
    (["verdicts", "nowhere.csv"], 3, "nowhere.csv"),
])
def test_what_cannot_be_meant_is_refused(tmp_path, words, code, said):
    assert said in run("simulate", *words, "--out", tmp_path / "out.csv", code=code).stderr
    assert not list(tmp_path.iterdir())


def test_each_subject_explains_itself_with_an_example():
    for subject in ("transactions", "sensors", "verdicts"):
        assert "Example" in run("simulate", subject, "--help").stdout
