"""Each kind of fraud that no record shows alone has the property that it claims; so have ties and newcomers."""

import doctest

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp

from anomaly_cl.datasets import frauds
from anomaly_cl.datasets.simulate import ALL_FRAUD_KINDS, FRAUD_KINDS, simulate_transactions, transactions_table
from anomaly_cl.errors import UsageError

NEW_KINDS = ALL_FRAUD_KINDS[len(FRAUD_KINDS):]
LABELS = ["is_fraud", "fraud_kind"]


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    table = transactions_table(100_000, 0, fraud_share=.02, kinds=ALL_FRAUD_KINDS)
    frame = table.to_pandas()
    return frame.assign(log_amount=np.log(frame["amount"]), hour=frame["booked_at"].dt.hour)


@pytest.fixture(scope="module")
def honest(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["is_fraud"] == 0]


def _of(frame: pd.DataFrame, kind: str) -> pd.DataFrame:
    return frame[frame["fraud_kind"] == kind]


def test_all_kinds_occur_and_their_numbers_add_up(frame):
    assert set(frame["fraud_kind"].dropna()) == set(ALL_FRAUD_KINDS)
    assert frame["is_fraud"].sum() == 2_000
    assert (frame["fraud_kind"].notna() == (frame["is_fraud"] == 1)).all()


@pytest.mark.parametrize("rows", [3, 700, 3_000])
@pytest.mark.parametrize("kind", ALL_FRAUD_KINDS)
@pytest.mark.parametrize("fraud_share", [.01, .5])
def test_one_kind_alone_gives_exactly_as_many_frauds(kind, rows, fraud_share):
    table = transactions_table(rows, 2, fraud_share=fraud_share, kinds=[kind], newcomers=.3, ties=.5)
    assert table.num_rows == rows
    assert (table["booked_at"].to_numpy()[1:] >= table["booked_at"].to_numpy()[:-1]).all()
    assert [k for k in table["fraud_kind"].to_pylist() if k] == [kind] * round(rows * fraud_share)


def test_the_order_of_the_kinds_and_the_cuts_of_batches_change_nothing():
    asked = {"fraud_share": .1, "newcomers": .2, "ties": .1}
    whole = transactions_table(3_000, 1, kinds=ALL_FRAUD_KINDS, **asked)
    assert simulate_transactions(3_000, 1, kinds=ALL_FRAUD_KINDS[::-1], batch_rows=77, **asked).read_all().equals(whole)


def test_amounts_above_the_own_level_are_ordinary_for_others(frame, honest):
    frauds = _of(frame, "above_own_level")
    per_category = honest.groupby("merchant_category")["amount"].quantile([.5, .99]).unstack()
    usual = frauds[["merchant_category"]].join(per_category, on="merchant_category")
    assert (frauds["amount"] < usual[.99]).all()
    assert (frauds["amount"] < honest["amount"].quantile(.99)).all()
    own = frauds["customer_id"].map(honest.groupby("customer_id")["amount"].quantile(.95))
    assert (frauds["amount"] > own).mean() > .85
    others = honest.groupby("merchant_category")["amount"]
    rank = [(others.get_group(category) < amount).mean()
            for category, amount in zip(frauds["merchant_category"], frauds["amount"], strict=True)]
    assert np.median(rank) < .95


def test_inflated_accounts_pay_five_times_their_usual_among_honest_purchases_for_two_weeks(frame, honest):
    frauds = _of(frame, "inflated_account")
    usual = honest.groupby(["customer_id", "merchant_category"])["log_amount"].median().rename("usual")
    more = frauds.join(usual, on=["customer_id", "merchant_category"])
    assert 4 < np.exp((more["log_amount"] - more["usual"]).median()) < 6
    known = set(zip(honest["customer_id"], honest["merchant_id"], strict=True))
    assert np.mean([pair in known for pair in zip(frauds["customer_id"], frauds["merchant_id"], strict=True)]) > .7
    between = []
    for customer, times in frauds.groupby("customer_id")["booked_at"]:
        inside = (honest["customer_id"] == customer) & honest["booked_at"].between(times.min(), times.max())
        between.append(inside.sum() / len(times))
    assert np.median(between) > 1


def test_records_out_of_character_are_unremarkable_by_each_column_and_new_to_the_customer(frame, honest):
    frauds = _of(frame, "out_of_character")
    same_goods = honest[honest["merchant_category"].isin(frauds["merchant_category"].unique())]
    weight = frauds["merchant_category"].value_counts(normalize=True)
    sample = same_goods.sample(5_000, random_state=0, replace=True, weights=same_goods["merchant_category"].map(
        weight / same_goods["merchant_category"].value_counts()))
    assert ks_2samp(frauds["log_amount"], sample["log_amount"]).statistic < .12
    assert ks_2samp(frauds["hour"], sample["hour"]).statistic < .12
    assert set(frauds["country"]) <= {"DE", "AT", "CH"}
    assert set(frauds["channel"]) <= set(honest["channel"])
    known = set(zip(honest["customer_id"], honest["merchant_id"], strict=True))
    assert not any(pair in known for pair in zip(frauds["customer_id"], frauds["merchant_id"], strict=True))
    habit = honest.groupby("customer_id")[["merchant_category", "channel"]].value_counts(normalize=True)
    columns = ["customer_id", "merchant_category", "channel"]
    ways = frauds[columns], honest[columns].sample(2_000, random_state=0)
    shares = [[habit.get(row, 0) for row in rows.itertuples(index=False)] for rows in ways]
    assert np.mean(shares[0]) < .2 * np.mean(shares[1])
    assert np.mean(np.array(shares[0]) == 0) > .3


def test_purchases_at_skimmed_merchants_are_honest_ones_but_for_their_label():
    """The same table without frauds has the same rows: no column can tell them."""
    skimmed = transactions_table(30_000, 4, kinds=["skimmed_merchant"], ties=.02).to_pandas()
    without = transactions_table(30_000, 4, fraud_share=0, ties=.02).to_pandas()
    pd.testing.assert_frame_equal(skimmed.drop(columns=LABELS), without.drop(columns=LABELS))
    assert skimmed["is_fraud"].sum() == 300


def test_skimmed_merchants_are_few_and_all_their_purchases_of_at_most_28_days_are_frauds(frame):
    frauds = _of(frame, "skimmed_merchant")
    shares = []
    for merchant, times in frauds.groupby("merchant_id")["booked_at"]:
        there = frame[(frame["merchant_id"] == merchant) & frame["fraud_kind"].isin([None, "skimmed_merchant"])]
        window = there["booked_at"].between(times.min(), times.max())
        assert (times.max().normalize() - times.min().normalize()).days < 28
        assert len(times) == window.sum()
        shares.append(len(times) / len(there))
    assert 4 <= len(shares) <= .05 * frame["merchant_id"].nunique()
    assert np.median(shares) < .6  # before and after the window the merchant is honest
    late = frauds["booked_at"] - frauds.groupby("merchant_id")["booked_at"].transform("min") > pd.Timedelta(days=7)
    assert late.mean() > .5  # a verdict on the first ones, after a week, comes in time for the others


def test_amounts_at_skimmed_merchants_are_those_of_the_same_merchants_before_and_after(frame):
    frauds = _of(frame, "skimmed_merchant")
    elsewhen = frame[frame["merchant_id"].isin(frauds["merchant_id"]) & (frame["is_fraud"] == 0)]
    centre = elsewhen.groupby("merchant_id")["log_amount"].median()
    apart = [rows["log_amount"] - rows["merchant_id"].map(centre) for rows in (frauds, elsewhen)]
    assert ks_2samp(*apart).pvalue > .01


def test_ties_within_a_customer_come_at_the_share_asked_for():
    plain, tied = (transactions_table(20_000, 0, fraud_share=0, ties=share).to_pandas() for share in (0, .5))
    same = ["customer_id", "booked_at"]
    assert plain.duplicated(same).mean() < .001
    a_day = [frame.groupby(["customer_id", frame["booked_at"].dt.date]).ngroups for frame in (plain, tied)]
    assert a_day[0] == a_day[1]
    followers = len(tied) - a_day[1]
    assert tied.duplicated(same).sum() == pytest.approx(.5 * followers, rel=.05)


def test_newcomers_come_until_the_last_days_and_some_have_hardly_a_record():
    frame = transactions_table(60_000, 0, newcomers=.3).to_pandas()
    first = frame.groupby("customer_id")["booked_at"].min()
    half, late = frame["booked_at"].min() + pd.Timedelta(days=60), frame["booked_at"].max() - pd.Timedelta(days=10)
    assert (first > half).mean() > .06
    assert (first > late).sum() >= 3
    assert (frame["customer_id"].value_counts() <= 2).sum() >= 2
    hit = frame.loc[frame["is_fraud"] == 1, "customer_id"].unique()
    assert (first[hit] < half).all()


@pytest.mark.parametrize(("changed", "name"), [
    ({"kinds": ["magic"]}, "kinds"), ({"kinds": []}, "kinds"), ({"kinds": "velocity"}, "kinds"),
    ({"newcomers": .6}, "newcomers"), ({"ties": 1.1}, "ties"), ({"ties": float("nan")}, "ties"),
])
def test_arguments_that_cannot_be_meant_are_refused_at_once(changed, name):
    with pytest.raises(UsageError, match=name):
        simulate_transactions(**{"rows": 10, "seed": 0} | changed)


def test_the_examples_in_the_docstrings_hold():
    found = doctest.testmod(frauds)
    assert found.attempted
    assert not found.failed
