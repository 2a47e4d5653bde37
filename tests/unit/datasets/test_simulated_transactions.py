import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_cl.datasets.simulate import FRAUD_KINDS, simulate_transactions, transactions_table
from anomaly_cl.errors import UsageError


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return transactions_table(50_000, 0)


@pytest.fixture(scope="module")
def frame(table: pa.Table) -> pd.DataFrame:
    frame = table.to_pandas()
    clock = frame["booked_at"].dt
    return frame.assign(hour=clock.hour, weekday=clock.day_of_week, log_amount=np.log(frame["amount"]))


@pytest.fixture(scope="module")
def honest(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["is_fraud"] == 0]


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(1, 3000), seed=st.integers(0, 2**40), fraud_share=st.floats(0, .5))
def test_rows_and_frauds_are_exactly_as_many_as_asked(rows, seed, fraud_share):
    table = transactions_table(rows, seed, fraud_share=fraud_share)
    booked = table["booked_at"].to_numpy()
    assert table.num_rows == rows
    assert sum(table["is_fraud"].to_pylist()) == round(rows * fraud_share)
    assert (booked[1:] >= booked[:-1]).all()
    assert table["transaction_id"].to_pylist() == list(range(1, rows + 1))
    assert min(table["amount"].to_pylist()) > 0


@pytest.mark.parametrize("batch_rows", [1, 7, 999, 1000, 5000])
def test_batch_size_changes_only_the_cuts(batch_rows):
    batches = list(simulate_transactions(1000, 3, batch_rows=batch_rows))
    assert pa.Table.from_batches(batches).equals(transactions_table(1000, 3))
    assert [len(batch) for batch in batches[:-1]] == [batch_rows] * (len(batches) - 1)
    assert 0 < len(batches[-1]) <= batch_rows


def test_same_seed_same_rows_other_seed_other_rows(table):
    assert transactions_table(50_000, 0).equals(table)
    other = transactions_table(50_000, 1)
    assert (other["amount"].to_numpy() == table["amount"].to_numpy()).mean() < .05


def test_global_random_state_is_neither_used_nor_changed():
    before = np.random.get_state()[1].copy()
    transactions_table(500, 1)
    assert (np.random.get_state()[1] == before).all()


def test_start_is_a_midnight_and_about_ninety_days_follow(frame):
    assert frame["booked_at"].min().normalize() == pd.Timestamp("2026-01-01")
    assert 80 < (frame["booked_at"].max() - frame["booked_at"].min()).days < 100
    shifted = transactions_table(100, 0, start=pd.Timestamp("2025-03-04 17:00").to_pydatetime())
    assert shifted["booked_at"][0].as_py().date().isoformat() == "2025-03-04"


def test_every_kind_is_present_and_agrees_with_the_label(frame):
    assert set(frame["fraud_kind"].dropna()) == set(FRAUD_KINDS)
    assert (frame["fraud_kind"].notna() == (frame["is_fraud"] == 1)).all()
    assert frame["fraud_kind"].value_counts().min() >= 50


def test_amounts_are_whole_cents(frame):
    cents = frame["amount"] * 100
    assert np.allclose(cents, cents.round(), atol=1e-6)
    notes = frame.loc[frame["channel"] == "atm", "amount"]
    assert (notes % 10 == 0).all()


def test_channel_descriptor_and_device_agree(frame):
    openers = {
        "card_present": "POS ", "contactless": "NFC ", "online": "ONLINE *", "atm": "ATM ", "transfer": "TRANSFER ",
    }
    for channel, opener in openers.items():
        of_channel = frame[frame["channel"] == channel]
        assert of_channel["descriptor"].str.startswith(opener).all()
        assert of_channel["device_id"].notna().eq(channel in ("online", "transfer")).all()
    assert frame["descriptor"].str.fullmatch(r"[A-Z0-9* ]+").all()


def test_a_merchant_has_one_category_and_one_country(frame):
    assert frame.groupby("merchant_id")[["merchant_category", "country"]].nunique().eq(1).all().all()


def test_customers_have_their_own_level_of_amounts(honest):
    per_category = honest.groupby("merchant_category")["log_amount"].var()
    usual = honest.groupby(["merchant_category", "customer_id"])["log_amount"].agg(["var", "size"])
    within = usual[usual["size"] >= 5]["var"].groupby("merchant_category").mean()
    assert (within < .85 * per_category).all()
    assert (within / per_category).mean() < .65


def test_customers_keep_to_their_merchants(honest):
    of_customer = honest.groupby("customer_id")["merchant_id"]
    top_five = of_customer.apply(lambda merchants: merchants.value_counts(normalize=True).head(5).sum())
    shuffled = honest["merchant_id"].sample(frac=1, random_state=0).set_axis(honest.index)
    by_chance = shuffled.groupby(honest["customer_id"]).apply(
        lambda merchants: merchants.value_counts(normalize=True).head(5).sum())
    assert top_five.mean() > 1.5 * by_chance.mean()


def test_customers_keep_to_their_hours(honest):
    first, second = honest.iloc[::2], honest.iloc[1::2]
    busiest = second.groupby("customer_id")["hour"].agg(lambda hours: set(hours.value_counts().index[:8]))
    others = busiest.sample(frac=1, random_state=0).set_axis(busiest.index)
    kept, by_chance = (
        np.mean([hour in hours[customer] for customer, hour in zip(first["customer_id"], first["hour"], strict=True)])
        for hours in (busiest, others)
    )
    assert kept > by_chance + .05
    assert .001 < (honest["hour"] < 5).mean() < .02  # rare at night, but not never


def test_days_and_weeks_have_their_rhythm(honest):
    by_weekday = honest["weekday"].value_counts()
    assert by_weekday[5] > by_weekday[1] > by_weekday[6]
    groceries = honest[honest["merchant_category"] == "grocery"]["weekday"].value_counts()
    assert groceries.get(6, 0) < .2 * groceries[5]
    assert honest.loc[honest["merchant_category"] == "bakery", "hour"].max() < 20


def test_popularity_of_merchants_is_heavy_tailed(honest):
    visits = honest["merchant_id"].value_counts().to_numpy()
    assert visits[:len(visits) // 10].sum() > .4 * visits.sum()


def test_amount_bursts_are_multiples_of_the_customers_usual(frame, honest):
    usual = honest.groupby(["customer_id", "merchant_category"])["log_amount"].median()
    burst = frame[frame["fraud_kind"] == "amount_burst"].join(
        usual.rename("usual"), on=["customer_id", "merchant_category"])
    assert 2 < np.exp((burst["log_amount"] - burst["usual"]).median()) < 6


def test_taken_over_accounts_use_devices_never_seen_before(frame, honest):
    taken = frame[(frame["fraud_kind"] == "account_takeover") & frame["device_id"].notna()]
    assert not taken["device_id"].isin(honest["device_id"]).any()
    assert (taken["country"] == "DE").mean() < (honest["country"] == "DE").mean() - .2


def test_odd_hour_frauds_come_when_the_customer_sleeps_from_merchants_mostly_new_to_it(frame, honest):
    odd = frame[frame["fraud_kind"] == "odd_hour"]
    share_of_hour = honest.groupby("customer_id")["hour"].value_counts(normalize=True)
    at_that_hour = [share_of_hour.get((c, h), 0) for c, h in zip(odd["customer_id"], odd["hour"], strict=True)]
    assert np.mean(at_that_hour) < .02
    known = set(zip(honest["customer_id"], honest["merchant_id"], strict=True))
    assert np.mean([pair in known for pair in zip(odd["customer_id"], odd["merchant_id"], strict=True)]) < .3


def test_velocity_is_many_small_purchases_within_minutes(frame):
    runs = frame[frame["fraud_kind"] == "velocity"].groupby("device_id")
    assert runs["customer_id"].nunique().eq(1).all()
    assert (runs.size() >= 5).mean() > .8
    assert runs["booked_at"].agg(np.ptp).max() < pd.Timedelta(hours=2)
    assert frame[frame["fraud_kind"] == "velocity"]["amount"].median() < 6


def test_compromised_merchants_hit_many_customers_within_days(frame):
    hit = frame[frame["fraud_kind"] == "compromised_merchant"].groupby("merchant_id")
    assert hit["customer_id"].nunique().max() >= 10
    assert hit["customer_id"].nunique().sum() > .8 * hit.size().sum()
    assert hit["booked_at"].agg(np.ptp).median() < pd.Timedelta(days=10)


@pytest.mark.parametrize(
    ("changed", "name"),
    [({"rows": 0}, "rows"), ({"rows": 2.5}, "rows"), ({"rows": True}, "rows"), ({"seed": -1}, "seed"),
     ({"fraud_share": .6}, "fraud_share"), ({"fraud_share": float("nan")}, "fraud_share"),
     ({"start": "soon"}, "start"), ({"start": None}, "start"), ({"batch_rows": 0}, "batch_rows")],
)
def test_arguments_that_cannot_be_meant_are_refused_at_once(changed, name):
    with pytest.raises(UsageError, match=name):
        simulate_transactions(**{"rows": 10, "seed": 0} | changed)
