"""Columns that not everybody who reads alerts may see."""

from dataclasses import replace

import pytest

from anomaly_cl.errors import InputError
from anomaly_cl.schema import Column, Kind, Role, Schema

PLAIN = Schema((Column("id", Kind.NUMERIC, "int64", Role.KEY), Column("iban", Kind.CATEGORICAL, "string", Role.ENTITY)))
PRIVATE = Schema((PLAIN["id"], replace(PLAIN["iban"], private=True)))


def test_privacy_survives_yaml_and_roles_and_is_left_out_where_there_is_none():
    assert Schema.from_yaml(PRIVATE.to_yaml()) == PRIVATE
    assert "private: true" in PRIVATE.to_yaml()
    assert "private" not in PLAIN.to_yaml()
    assert PRIVATE.assign({"iban": "feature"})["iban"].private
    assert PRIVATE.naming(entities=["iban"])["iban"].private


def test_privacy_is_true_or_false():
    for value in ("yes", 1, None):
        with pytest.raises(InputError, match="'private' of column 'iban' must be true or false"):
            replace(PLAIN["iban"], private=value)
