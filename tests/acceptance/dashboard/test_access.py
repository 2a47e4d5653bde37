"""Who may do what, and what of a record somebody sees who may not see its private columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from access import ROLES, Actor, Forbidden, Roles
from hypothesis import given
from hypothesis import strategies as st
from masking import MASK, Mask, masked_alert

from anomaly_cl.errors import AnomalyCLError, InputError, UsageError

VIEWER, ANALYST = Actor("v@example.org"), Actor("a@example.org", "analyst", True)


@pytest.mark.parametrize("role", ROLES)
def test_each_role_may_do_what_those_before_it_may(role: str) -> None:
    actor = Actor("ann", role)
    assert [other for other in ROLES if actor.may(other)] == list(ROLES[: ROLES.index(role) + 1])


def test_a_refusal_says_rule_value_and_remedy() -> None:
    with pytest.raises(Forbidden) as refused:
        VIEWER.must_be("analyst", "giving a verdict")
    assert isinstance(refused.value, AnomalyCLError)
    assert "needs the role analyst or admin" in refused.value.rule
    assert refused.value.value == "v@example.org is a viewer"
    ANALYST.must_be("analyst", "giving a verdict")


def test_roles_are_read_by_name_without_regard_to_case(tmp_path: Path) -> None:
    path = tmp_path / "roles.yaml"
    path.write_text("default: viewer\nusers: {Ann@Example.org: analyst, bo@example.org: admin}\nprivate: [admin]\n")
    roles = Roles.read(path)
    assert roles.actor("ann@example.ORG") == Actor("ann@example.ORG", "analyst", False)
    assert roles.actor("bo@example.org") == Actor("bo@example.org", "admin", True)
    assert roles.actor("cy@example.org") == Actor("cy@example.org", "viewer", False)


def test_without_a_default_nobody_else_comes_in() -> None:
    with pytest.raises(Forbidden, match="has none"):
        Roles.of({"users": {"ann@example.org": "admin"}}).actor("eve@example.org")


@pytest.mark.parametrize("data", [
    None, [], {"user": {}}, {"default": "root"}, {"users": {"a": "Admin"}}, {"users": ["a"]}, {"private": "admin"},
    {"private": ["boss"]}, {"users": {"a": None}}, {"users": {"a@x": "viewer", "A@x": "admin"}}, {"users": {"a": []}},
])
def test_roles_that_mean_nothing_are_refused(data: object) -> None:
    with pytest.raises(UsageError):
        Roles.of(data)


@pytest.mark.parametrize("content", [b"a: [", b"\xff\xfe\x00", None])
def test_a_roles_file_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "roles.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError):
        Roles.read(path)


SECRETS = {"iban": "DE89 3704", "limit": 987654.5, "born": "1971-03-04T00:00:00"}
RECORD = {"transaction": "TX-1", "amount": 12.5, **SECRETS}


def alert(**changed: Any) -> dict[str, Any]:
    values = {
        "key": "TX-1", "name": "TX-1 DE89 3704", "record": RECORD, "typical": {"limit": 987654.5, "amount": 5.0},
        "reasons": [{"column": "limit", "contribution": 2.0, "value": "987654.5", "typical": "DE89 3704"},
                    {"column": "amount", "contribution": 1.0, "value": "12.5", "typical": "5"}],
        "neighbours": [dict(RECORD), {"iban": "DE89 3704", "amount": 3}], "entities": {"iban": "DE89 3704"},
        "entity_column": "iban", "entity": "DE89 3704", "amount": 987654.5, "segment": "DE89 3704",
        "explanation": {
            "sentence": "limit 987654.5 is far", "clauses": [{"column": "limit", "text": "limit 987654.5 is far"},
                                                            {"columns": ["amount", "iban"], "text": "DE89 3704"}],
            "counterfactual": {"changes": [{"column": "born", "from": "1971-03-04T00:00:00", "to": "DE89 3704"}]},
            "cells": [{"iban": "DE89 3704"}, {"amount": 12.5}],
        },
        "signal": {"time": [0], "channels": {"limit": [987654.5], "heat": [1.0]},
                   "surprise": {"limit": [1], "heat": [2]}},
    }
    return {**values, **changed}


def test_nothing_private_is_left_in_an_alert() -> None:
    shown = masked_alert(Mask.of(VIEWER, SECRETS), alert())
    told = json.dumps(shown)
    assert not any(str(secret) in told for secret in SECRETS.values())
    assert not any(secret in told for secret in ("DE89", "987,654", "1971"))


def test_what_is_not_private_stays() -> None:
    shown = masked_alert(Mask.of(VIEWER, SECRETS), alert())
    assert shown["key"] == "TX-1"
    assert shown["record"] == {"transaction": "TX-1", "amount": 12.5, **dict.fromkeys(SECRETS, MASK)}
    assert shown["reasons"][1] == {"column": "amount", "contribution": 1.0, "value": "12.5", "typical": "5"}
    assert shown["reasons"][0]["contribution"] == 2.0
    assert shown["signal"]["channels"] == {"heat": [1.0]}
    assert shown["explanation"]["cells"][1] == {"amount": 12.5}


@pytest.mark.parametrize("private", [[], ["iban"]])
def test_who_may_see_private_columns_gets_the_alert_as_it_is(private: list[str]) -> None:
    assert masked_alert(Mask.of(ANALYST, private), alert()) == alert()
    assert masked_alert(Mask.of(VIEWER, []), alert()) == alert()


def test_a_sentence_is_told_of_the_clauses_in_sight() -> None:
    mask = Mask.of(VIEWER, ["limit"])
    told = {"sentence": "amount 12 is odd; limit 9 is far", "clauses": [
        {"column": "amount", "text": "amount 12 is odd"}, {"column": "limit", "text": "limit 9 is far"}]}
    assert mask.tree(told)["sentence"] == f"amount 12 is odd; {MASK}"
    for column, shown in (("amount", "With amount 5, it is usual"), ("limit for iban", MASK)):
        changed = {"changes": [{"column": column, "to": 5}], "sentence": "With amount 5, it is usual"}
        assert mask.tree(changed)["sentence"] == shown
    assert mask.tree({"sentence": "limit 9"})["sentence"] == MASK


@pytest.mark.parametrize(("role", "named"), [("entity", MASK), ("segment", MASK), ("feature", "DE89")])
def test_segments_of_a_private_column_are_numbered(role: str, named: str) -> None:
    facts = {"schema": [{"name": "iban", "role": role}], "segments": [
        {"segment": "DE89", "rows": 3, "compared_with": "DE89"}, {"segment": None, "compared_with": "(all rows)"}]}
    first, last = Mask.of(VIEWER, ["iban"]).segments(facts)["segments"]
    assert first["segment"].startswith(named)
    assert first["compared_with"].startswith(named)
    assert last == {"segment": None, "compared_with": "(all rows)"}


def test_reasons_that_are_derived_of_a_private_column_are_hidden() -> None:
    mask = Mask.of(VIEWER, ["amount", "iban"])
    hidden = [column for column in ("amount", "amount for customer", "records in 7 d of iban", "amount_eur", "hour")
              if mask.reason({"column": column, "contribution": 1.0, "value": "4310"})["value"] == MASK]
    assert hidden == ["amount", "amount for customer", "records in 7 d of iban"]


@pytest.mark.parametrize(("key", "shown"), [
    ("TX-1", "TX-1"), ("DE89 3704", MASK), ("987654.5", MASK), ("1971-03-04 00:00:00", MASK), ("unheard of", MASK),
    (None, None),
])
def test_a_key_is_shown_only_if_it_is_known_to_be_of_a_column_in_sight(key: str | None, shown: str | None) -> None:
    assert Mask.of(VIEWER, SECRETS).key(key, RECORD) == shown


@pytest.mark.parametrize(("amount", "shown"), [(12.5, 12.5), (987654.5, None), (1.0, None), (None, None)])
def test_an_amount_is_shown_only_if_it_is_of_a_column_in_sight(amount: float | None, shown: float | None) -> None:
    assert Mask.of(VIEWER, SECRETS).amount(amount, RECORD) == shown


PLAIN = st.recursive(
    st.sampled_from(["open", 1.5, None, True]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["amount", "text", "value", "kind", "rows"]), inner, max_size=3), max_leaves=12,
)


@given(before=PLAIN, after=PLAIN, wrap=st.sampled_from(["named", "under", "listed"]))
def test_a_private_value_is_hidden_however_deep_it_lies(before: Any, after: Any, wrap: str) -> None:
    secret = {"named": {"column": "iban", "value": "DE89", "deep": [{"x": "DE89"}]}, "under": {"iban": ["DE89"]},
              "listed": {"columns": ["amount", "iban"], "to": {"x": "DE89"}}}[wrap]
    told = json.dumps(Mask.of(VIEWER, ["iban"]).tree([before, {"rows": [secret, after]}]))
    assert "DE89" not in told
    assert "iban" in told
