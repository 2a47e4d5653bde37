"""The threat model names tests: they must be there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
TEXT = (TESTS.parent / "docs" / "security.md").read_text("utf-8")


def test_every_test_that_the_threat_model_names_exists() -> None:
    named = set(re.findall(r"`([\w/]+\.py)::(\w+)`", TEXT))
    assert len(named) >= 25
    for file in {file for file, _ in named}:
        tree = ast.parse((TESTS / file).read_text("utf-8"))
        found = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert {name for other, name in named if other == file} <= found, file


def test_every_claim_of_the_threat_model_names_a_test() -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 14
    assert all(re.search(r"`[\w/]+\.py::\w+`", row.split("|")[5]) for row in rows)
