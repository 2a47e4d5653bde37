import numpy as np
import pyarrow as pa

from anomaly_cl.detectors.groups import describe_groups
from anomaly_cl.features.table_encoder import TableEncoder
from anomaly_cl.schema import Column, Schema

SCHEMA = Schema((
    Column("amount", "numeric", "double"), Column("channel", "categorical", "string"), Column("memo", "text", "string"),
    Column("size", "numeric", "double"), Column("picture", "vector", "list<item: float>", size=2),
))
RNG = np.random.default_rng(0)
GROUPS = np.repeat([2, 0, 3], [60, 30, 10])
TABLE = pa.table({
    "amount": np.choose(GROUPS, [500.0, 0, 10.0, 10.0]) + RNG.normal(size=100),
    "channel": np.choose(GROUPS, ["online", "", "card", "cash"]),
    "memo": [["rent", "rent", f"gift {i}"][i % 3] for i in range(100)],
    "size": RNG.normal(size=100),
    "picture": pa.array(list(RNG.normal(size=(100, 2)).astype(np.float32)), pa.list_(pa.float32(), 2)),
})
ENCODER = TableEncoder(SCHEMA).fit(TABLE)
FRAME = describe_groups(GROUPS, 5, TABLE, ENCODER).set_index("group")


def test_groups_are_counted_largest_first_and_empty_ones_left_out():
    assert FRAME.index.tolist() == [2, 0, 3]
    assert FRAME["size"].tolist() == [60, 30, 10]
    assert FRAME["share"].tolist() == [0.6, 0.3, 0.1]


def test_typical_is_the_median_or_what_is_most_frequent():
    amount = TABLE["amount"].to_numpy()
    for group in (2, 0, 3):
        assert FRAME.loc[group, "typical_amount"] == np.median(amount[group == GROUPS])
    assert FRAME["typical_channel"].tolist() == ["card", "online", "cash"]
    assert FRAME["typical_memo"].tolist() == ["rent"] * 3
    assert FRAME["typical_picture"].tolist() == [None] * 3


def test_the_columns_in_which_a_group_differs_are_named_with_what_is_usual():
    assert FRAME.loc[0, "differs_in"][0] in ("amount", "channel")
    assert set(FRAME.loc[0, "differs_in"][:2]) == {"amount", "channel"}
    assert "channel online (usually card)" in FRAME.loc[0, "description"]
    usual = format(np.median(TABLE["amount"].to_numpy()), ".6g")
    assert f"(usually {usual})" in FRAME.loc[0, "description"]
    assert "memo" not in FRAME.loc[2, "differs_in"]


def test_a_group_of_all_rows_is_like_all_rows():
    whole = describe_groups(np.zeros(100, int), 1, TABLE, ENCODER)
    assert whole["description"].tolist() == ["like all rows"]
    assert whole["share"].tolist() == [1.0]
