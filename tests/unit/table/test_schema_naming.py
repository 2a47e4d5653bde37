"""Which columns name a record, whom it is about, and when it was."""

import pytest

from anomaly_cl.errors import InputError
from anomaly_cl.schema import Column, Kind, Role, Schema

SCHEMA = Schema((
    Column("id", Kind.NUMERIC, "int64", Role.KEY), Column("ref", Kind.NUMERIC, "int64"),
    Column("who", Kind.CATEGORICAL, "string", Role.ENTITY), Column("where", Kind.CATEGORICAL, "string", Role.ENTITY),
    Column("day", Kind.DATETIME, "timestamp[us]", Role.TIME), Column("seen", Kind.DATETIME, "timestamp[us]"),
))


def roles_of(schema):
    return {column.name: column.role.value for column in schema.columns}


def test_what_is_named_takes_the_place_of_what_was():
    assert roles_of(SCHEMA.naming(key="ref", entities=["where"], time="seen")) == {
        "id": "ignore", "ref": "key", "who": "ignore", "where": "entity", "day": "ignore", "seen": "time"}


def test_what_is_not_named_stays():
    assert SCHEMA.naming() == SCHEMA
    assert roles_of(SCHEMA.naming(key="ref")) == roles_of(SCHEMA) | {"id": "ignore", "ref": "key"}


def test_a_column_can_change_its_place():
    assert roles_of(SCHEMA.naming(key="who", entities=["id"])) == roles_of(SCHEMA) | {
        "id": "entity", "who": "key", "where": "ignore"}


def test_a_name_that_is_no_column_is_refused():
    with pytest.raises(InputError, match="'nobody' is not in the schema"):
        SCHEMA.naming(entities=["nobody"])
