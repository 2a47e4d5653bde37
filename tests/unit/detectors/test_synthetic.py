import numpy as np
import pyarrow as pa
import pytest

from anomaly_cl.detectors.synthetic import KINDS, synthetic_rows
from anomaly_cl.errors import UsageError
from anomaly_cl.features.table_encoder import TableEncoder
from anomaly_cl.schema import Column, Schema

SCHEMA = Schema((
    Column("id", "categorical", "string", "key"),
    Column("amount", "numeric", "double"),
    Column("items", "numeric", "int64"),
    Column("channel", "categorical", "string"),
    Column("open", "categorical", "bool"),
    Column("memo", "text", "string"),
    Column("at", "datetime", "timestamp[us]", "time"),
    Column("picture", "vector", "list<item: float>", size=3),
    Column("constant", "numeric", "double"),
))
NUMBERS, TAKEN_OVER = ("amount", "items", "constant"), ("channel", "open", "memo", "at", "picture")
N = 300


def table_of(n_rows, seed=0):
    rng = np.random.default_rng(seed)

    def some(values):
        return [None if rng.random() < 0.1 else value for value in values]

    return pa.table({
        "id": [f"{seed}-{i}" for i in range(n_rows)],
        "amount": pa.array(some(rng.lognormal(3, 1, n_rows).tolist()), pa.float64()),
        "items": pa.array(some(rng.poisson(5, n_rows).tolist()), pa.int64()),
        "channel": some(rng.choice(["card", "cash", "online"], n_rows).tolist()),
        "open": pa.array(some((rng.random(n_rows) < 0.5).tolist()), pa.bool_()),
        "memo": some([f"invoice {i}" for i in rng.integers(99, size=n_rows)]),
        "at": pa.array(1_000_000 * rng.integers(10**9, size=n_rows), pa.timestamp("us")),
        "picture": pa.array(some(rng.normal(size=(n_rows, 3)).tolist()), pa.list_(pa.float32(), 3)),
        "constant": np.ones(n_rows),
    })


BANK, ROWS = table_of(500), table_of(N, 1)
ENCODER = TableEncoder(SCHEMA).fit(BANK)


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def strange(kind):
    return synthetic_rows(kind, ROWS, BANK, ENCODER, 7)


def originals(strange):
    """The rows that the copies were made of, found by their key."""
    return ROWS.take(pa.array(ROWS["id"].to_pylist().index(key) for key in strange["id"].to_pylist()))


def differs(strange, name):
    pairs = zip(strange[name].to_pylist(), originals(strange)[name].to_pylist(), strict=True)
    return np.array([a != b for a, b in pairs])


def test_copies_have_the_schema_of_the_rows_and_keep_their_keys_and_order(strange):
    assert strange.schema == ROWS.schema
    assert N / 2 < strange.num_rows <= N
    positions = [ROWS["id"].to_pylist().index(key) for key in strange["id"].to_pylist()]
    assert positions == sorted(set(positions))


def test_every_copy_differs_for_the_encoder(strange):
    here, there = (ENCODER.transform(table).spaces["robust"] for table in (strange, originals(strange)))
    assert (here != there).any(axis=1).all()


def test_they_follow_the_seed_and_nothing_else(kind, strange):
    assert synthetic_rows(kind, ROWS, BANK, ENCODER, 7).equals(strange)
    assert not synthetic_rows(kind, ROWS, BANK, ENCODER, 8).equals(strange)


def test_what_is_no_number_takes_values_of_the_bank_or_stays(kind, strange):
    for name in TAKEN_OVER:
        changed = strange.filter(pa.array(differs(strange, name)))[name].to_pylist()
        unknown = [value for value in changed if value not in BANK[name].to_pylist()]
        assert all(kind == "marginal" and name == "channel" and value == "unseen 0" for value in unknown)


def test_whole_numbers_stay_whole_and_numbers_finite(kind, strange):
    doubles = BANK.set_column(2, "items", BANK["items"].cast(pa.float64()))
    rows = ROWS.set_column(2, "items", ROWS["items"].cast(pa.float64()))
    items = synthetic_rows(kind, rows, doubles, TableEncoder(SCHEMA).fit(doubles), 7)["items"].drop_null().to_numpy()
    assert (items == np.rint(items)).all()
    assert np.isfinite(strange["amount"].drop_null().to_numpy()).all()


def test_marginal_leaves_times_texts_and_vectors_alone_and_invents_a_category():
    strange = synthetic_rows("marginal", ROWS, BANK, ENCODER, 7)
    assert not any(differs(strange, name).any() for name in ("memo", "at", "picture"))
    assert "unseen 0" in strange["channel"].to_pylist()


def test_few_values_change_one_column_or_two_to_those_of_other_rows():
    strange = synthetic_rows("few values", ROWS, BANK, ENCODER, 7)
    changed = np.sum([differs(strange, name) for name in (*NUMBERS, *TAKEN_OVER)], axis=0)
    assert changed.min() == 1
    assert 1 < changed.mean() < 1.5  # each of eight columns has a tenth, and the first choice is certain
    for name in ("amount", "items"):
        assert set(strange.filter(pa.array(differs(strange, name)))[name].to_pylist()) <= set(BANK[name].to_pylist())


def test_a_dependency_that_breaks_keeps_the_marginals():
    strange = synthetic_rows("dependency", ROWS, BANK, ENCODER, 7)
    assert set(strange["amount"].to_pylist()) <= set(BANK["amount"].to_pylist()) | set(ROWS["amount"].to_pylist())
    assert strange["amount"].null_count > 0


def test_rows_and_bank_stay_as_they_were(kind):
    rows, bank = table_of(N, 1), table_of(500)
    synthetic_rows(kind, rows, bank, ENCODER, 7)
    assert rows.equals(ROWS)
    assert bank.equals(BANK)


@pytest.mark.parametrize("number", [pa.int8(), pa.uint16(), pa.float32(), pa.int64()])
def test_numbers_stay_within_their_type(number):
    schema = Schema((Column("x", "numeric", str(number)),))
    ends = pa.array([0, 127] * 50).cast(number)
    table = pa.table({"x": ends})
    strange = synthetic_rows("marginal", table, table, TableEncoder(schema).fit(table), 0)
    assert strange.schema == table.schema
    assert strange.num_rows


def test_extreme_values_lead_to_numbers():
    schema = Schema((Column("x", "numeric", "double", infinite="allow"), Column("y", "numeric", "double")))
    table = pa.table({"x": [np.inf, -1e308, 1e308, *range(47)], "y": np.arange(50.0) ** 9})
    for kind in KINDS:
        strange = synthetic_rows(kind, table, table, TableEncoder(schema).fit(table), 0)
        assert not np.isnan(strange["x"].to_numpy()).any()


def test_rows_that_cannot_differ_give_none(kind):
    table = pa.table({"x": ["a"] * 20})
    schema = Schema((Column("x", "categorical", "string"),))
    strange = synthetic_rows(kind, table, table, TableEncoder(schema).fit(table), 0)
    assert strange.num_rows == 0 or kind == "marginal"


def test_an_unknown_kind_is_named():
    with pytest.raises(UsageError, match="global"):
        synthetic_rows("global", ROWS, BANK, ENCODER, 0)
