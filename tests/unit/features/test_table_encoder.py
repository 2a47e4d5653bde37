import copy
import json
import pickle
import subprocess
import sys
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.features.table_encoder import SPACES, EncodedRows, TableEncoder
from anomaly_cl.schema import Column, Schema

SCHEMA = Schema((
    Column("id", "categorical", "string", role="key"),
    Column("amount", "numeric", "double", infinite="allow"),
    Column("time", "datetime", "timestamp[us]", role="time"),
    Column("country", "categorical", "string", role="segment"),
    Column("note", "text", "string"),
    Column("picture", "vector", "fixed_size_list<double>[2]", size=2),
    Column("fraud", "numeric", "int64", role="label"),
))
TYPES = {
    "id": pa.string(), "amount": pa.float64(), "time": pa.timestamp("us"), "country": pa.string(),
    "note": pa.string(), "picture": pa.list_(pa.float64(), 2), "fraud": pa.int64(),
}


def table(rows):
    return pa.table({name: pa.array([row[name] for row in rows], type_) for name, type_ in TYPES.items()})


def normal_rows(n=60, seed=0):
    rng = np.random.default_rng(seed)
    return table([
        {
            "id": f"t{i}", "amount": float(rng.lognormal()), "time": datetime(2024, 1, 1) + timedelta(hours=7 * i),
            "country": str(rng.choice(["de", "fr", "it"])), "note": f"shop {rng.integers(9)}",
            "picture": list(rng.normal(size=2)), "fraud": 0,
        }
        for i in range(n)
    ])


any_row = st.fixed_dictionaries({
    "id": st.text(max_size=2), "amount": st.none() | st.floats(), "time": st.none() | st.datetimes(),
    "country": st.none() | st.sampled_from(["de", "fr", "xx", ""]), "note": st.none() | st.text(max_size=8),
    "picture": st.none() | st.lists(st.floats(), min_size=2, max_size=2), "fraud": st.just(1),
})


@pytest.fixture(scope="module")
def encoder():
    return TableEncoder(SCHEMA).fit(normal_rows())


def assert_equal(a, b):
    for space in SPACES:
        np.testing.assert_array_equal(a.spaces[space], b.spaces[space])
    np.testing.assert_array_equal(a.tails, b.tails)


@settings(max_examples=60, deadline=None)
@given(st.lists(any_row, min_size=1, max_size=12), st.integers(0, 12))
def test_any_rows_encode_finitely_and_the_same_in_any_chunks(encoder, rows, cut):
    whole = encoder.transform(table(rows))
    for matrix in [*whole.spaces.values(), whole.tails]:
        assert np.isfinite(matrix).all()
    parts = [encoder.transform(table(part)) for part in (rows[:cut], rows[cut:])]
    assert_equal(whole, EncodedRows.concat(parts))
    for i, row in enumerate(rows):
        assert_equal(encoder.transform(table([row])), whole.take([i]))


@settings(max_examples=40, deadline=None)
@given(st.lists(any_row, min_size=1, max_size=8))
def test_fitted_to_any_rows_it_encodes_them_and_others(rows):
    encoder = TableEncoder(SCHEMA).fit(table(rows))
    for other in (table(rows), normal_rows(5)):
        encoded = encoder.transform(other)
        assert all(np.isfinite(encoded.spaces[space]).all() for space in SPACES)
        assert np.isfinite(encoded.tails).all()


def test_large_chunks_and_single_rows_agree_to_the_bit(encoder):
    rows = normal_rows(403, seed=1)
    whole = encoder.transform(rows)
    for size in (1, 7, 64):
        parts = [encoder.transform(rows.slice(start, size)) for start in range(0, 403, size)]
        assert_equal(EncodedRows.concat(parts), whole)


def test_shapes_types_and_the_column_of_each_output(encoder):
    encoded = encoder.transform(normal_rows(10))
    assert encoder.learned_names_ == ["amount", "time", "country", "note", "picture"]
    assert encoder.column_of_.tolist() == [0] + [1] * 5 + [2] * 4 + [3] * 33 + [4] * 3
    assert encoder.two_sided_.tolist() == [True, False, False, False, False]
    assert set(encoded.spaces) == set(SPACES)
    for matrix in encoded.spaces.values():
        assert matrix.shape == (10, len(encoder.column_of_))
        assert matrix.dtype == np.float32
    assert encoded.tails.shape == (10, 5)
    assert encoded.tails.dtype == np.float64
    assert len(encoded) == 10


def test_an_upset_value_moves_its_own_column_only(encoder):
    row = normal_rows(1)
    upset = row.set_column(3, "country", pa.array(["never seen"]))
    before, after = encoder.transform(row), encoder.transform(upset)
    moved = (before.spaces["rank"] != after.spaces["rank"])[0]
    assert set(encoder.column_of_[moved]) == {2}
    assert (before.tails != after.tails)[0].tolist() == [False, False, True, False, False]


def test_keys_labels_and_further_columns_are_not_read(encoder):
    rows = normal_rows()
    bare = rows.drop_columns(["id", "fraud"]).append_column("more", pa.nulls(60))
    assert_equal(encoder.transform(bare), encoder.transform(rows))


def test_typical_values_are_readable(encoder):
    typical = encoder.typical()
    assert typical["amount"] == pytest.approx(np.median(normal_rows()["amount"].to_numpy()))
    assert typical["country"] in {"de", "fr", "it"}
    assert typical["time"].endswith(":00")
    assert typical["note"] is None
    assert typical["picture"] is None
    json.dumps(typical)


def leaves(state):
    for value in state.values():
        yield from leaves(value) if isinstance(value, dict) else [value]


@pytest.mark.parametrize("copied", [
    lambda encoder: TableEncoder.from_state(encoder.to_state()),
    lambda encoder: pickle.loads(pickle.dumps(encoder)),
    copy.deepcopy,
])
def test_a_copy_encodes_to_the_bit_as_the_original(encoder, copied):
    rows = normal_rows(30, seed=2)
    other = copied(encoder)
    assert_equal(other.transform(rows), encoder.transform(rows))
    assert other.typical() == encoder.typical()
    assert other.learned_names_ == encoder.learned_names_
    np.testing.assert_array_equal(other.column_of_, encoder.column_of_)
    np.testing.assert_array_equal(other.two_sided_, encoder.two_sided_)
    assert other.schema == encoder.schema


def test_the_state_is_plain_data_and_arrays_and_survives_json(encoder):
    def through_json(state):
        if isinstance(state, dict):
            return {key: through_json(value) for key, value in state.items()}
        return state.copy() if isinstance(state, np.ndarray) else json.loads(json.dumps(state))

    for leaf in leaves(encoder.to_state()):
        assert type(leaf) in (np.ndarray, str, int, float, bool, list, type(None)), leaf
    other = TableEncoder.from_state(through_json(encoder.to_state()))
    assert_equal(other.transform(normal_rows(9)), encoder.transform(normal_rows(9)))


def test_fitting_twice_gives_the_same_state():
    def fingerprint():
        return [np.asarray(leaf).tobytes() for leaf in leaves(TableEncoder(SCHEMA).fit(normal_rows()).to_state())
                if leaf is not None]

    assert fingerprint() == fingerprint()


def test_the_rows_and_the_encoder_are_left_as_they_were():
    values = np.array([3.0, 1.0, np.inf, np.nan])
    batch = pa.record_batch({"x": pa.array(values)})
    encoder = TableEncoder(Schema((Column("x", "numeric", "double"),))).fit(batch)
    before = pickle.dumps(encoder)
    encoder.transform(batch)
    np.testing.assert_array_equal(values, [3.0, 1.0, np.inf, np.nan])
    assert pickle.dumps(encoder) == before


def test_no_rows_and_chunked_tables_are_encoded(encoder):
    assert len(encoder.transform(normal_rows(5).slice(0, 0))) == 0
    assert len(encoder.transform(normal_rows(5).schema.empty_table())) == 0
    parts = pa.concat_tables([normal_rows(5), normal_rows(6, seed=1)])
    assert_equal(encoder.transform(parts), encoder.transform(parts.combine_chunks()))
    assert_equal(encoder.transform(parts), encoder.transform(parts.combine_chunks().to_batches()[0]))


def test_a_wide_table_does_not_double_in_width():
    schema = Schema(tuple(Column(f"c{i}", "numeric", "double") for i in range(2_000)))
    rows = pa.table(dict(zip(schema.names, np.random.default_rng(0).normal(size=(2_000, 20)), strict=True)))
    encoder = TableEncoder(schema).fit(rows)
    assert encoder.transform(rows).spaces["rank"].shape == (20, 2_000)


def test_what_cannot_be_learned_from_is_refused(encoder):
    with pytest.raises(InputError, match="at least one column"):
        TableEncoder(Schema((Column("id", "categorical", "string", role="key"),))).fit(normal_rows())
    with pytest.raises(InputError, match="at least one row"):
        TableEncoder(SCHEMA).fit(normal_rows().slice(0, 0))
    with pytest.raises(InputError, match="column 'amount' is missing"):
        encoder.transform(normal_rows().drop_columns(["amount"]))
    with pytest.raises(UsageError, match="at least one part"):
        EncodedRows.concat([])


def test_importing_the_features_does_not_import_torch():
    code = "import sys, anomaly_cl.features.table_encoder; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
