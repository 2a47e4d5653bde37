"""Schemas in YAML: of other kinds than asked for, damaged, deep, and made to grow."""

from __future__ import annotations

import pytest
import yaml

from anomaly_cl.schema import Schema
from tests.fuzz.damage import damaged
from tests.fuzz.odd_values import changed
from tests.fuzz.records import SCHEMA, payments, read_whole

PARTS = [0, 1]
LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
BOMBS = {
    "aliases that double": LAUGHS + "columns: {a: *a11}\n",
    "aliases as a name": LAUGHS + "columns: {? *a11 : {kind: numeric, type: double}}\n",
    "aliases as a reason": LAUGHS + "columns: {a: {kind: numeric, type: double, reason: *a11}}\n",
    "aliases as a role": LAUGHS + "columns: {a: {kind: numeric, type: double, role: *a11}}\n",
    "aliases as columns": LAUGHS + "columns: *a11\n",
    "itself": "columns: &c {a: *c}\n",
    "itself as settings": "&c {columns: *c}\n",
    "deep lists": "columns: " + "[" * 5_000,
    "deep closed lists": "columns: " + "[" * 900 + "]" * 900,
    "deep mappings": "columns: " + "{a: " * 2_000,
    "deep indents": "".join(" " * i + "a:\n" for i in range(1_500)),
    "huge integer": "columns: {a: {kind: numeric, type: double, size: " + "9" * 100_000 + "}}\n",
    "huge hexadecimal": "columns: {a: {kind: vector, type: x, size: 0x" + "f" * 50_000 + "}}\n",
    "huge vector": "columns: {amount: {kind: vector, type: x, size: 2147483647}}\n",
    "too large a vector": "columns: {amount: {kind: vector, type: x, size: 99999999999}}\n",
    "a vector of true": "columns: {amount: {kind: vector, type: x, size: true}}\n",
    "sexagesimal": "columns: {a: {kind: numeric, type: double, size: 190:20:30:15:190:20:30:15}}\n",
    "python object": "columns: !!python/object/apply:os.system [true]\n",
    "binary": "columns: {a: !!binary '/////w=='}\n",
    "a set": "columns: !!set {a, b}\n",
    "ordered pairs": "columns: !!omap [a: {kind: numeric, type: double}]\n",
    "merge": "x: &x {kind: numeric, type: double}\ncolumns: {amount: {<<: *x}, count: {<<: [*x, *x]}}\n",
    "merge of itself": "x: &x {<<: *x}\ncolumns: *x\n",
    "a name twice": "columns: {a: {kind: numeric, type: double}, a: {kind: text, type: string}}\n",
    "names alike as text": "columns: {1: {kind: numeric, type: double}, '1': {kind: text, type: string}}\n",
    "impossible date": "columns: {2026-02-31: {kind: numeric, type: double}}\n",
    "two documents": "columns: {a: {kind: numeric, type: double}}\n---\nx: 1\n",
    "NUL": "columns: {a\0: {kind: numeric, type: double}}\n",
    "a lone surrogate": 'columns: {"\\ud83d": {kind: numeric, type: double}}\n',
    "not a number": "columns: {a: {kind: .nan, type: .inf}}\n",
    "nothing": "",
    "a comment": "# nothing\n",
    "many columns": "columns: {" + ", ".join(f"c{i}: {{kind: numeric, type: double}}" for i in range(3_000)) + "}\n",
}


def _used(text: str) -> None:
    """A schema that is accepted says the same once written, and reads rows."""
    schema = Schema.from_yaml(text)
    assert Schema.from_yaml(schema.to_yaml()) == schema
    read_whole(payments(3), schema, 3)


@pytest.mark.parametrize("part", PARTS)
def test_a_schema_with_other_values_is_used_or_refused(cases, part):
    whole = SCHEMA.to_dict()

    def act(rng, _folder):
        style = bool(rng.random() < 0.5) or None
        _used(yaml.safe_dump(changed(whole, rng), sort_keys=False, allow_unicode=True, default_flow_style=style))

    cases.run("Schema of other values", 350, act)


def test_a_damaged_schema_is_used_or_refused(cases):
    whole = SCHEMA.to_yaml().encode()

    def act(rng, folder):
        (folder / "schema.yaml").write_bytes(damaged(whole, rng))
        _used((folder / "schema.yaml").read_bytes().decode("utf-8", "surrogateescape"))

    cases.run("Schema damaged", 350, act)


def test_a_schema_made_to_exhaust_the_reader_is_refused(cases):
    cases.run_each("Schema made to exhaust", BOMBS, lambda text, _folder: _used(text))
