"""Names of runs and alerts that follow from what they are about, so that adding one twice is seen."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from anomaly_cl.alerts.json_values import value_text

NAME_LENGTH = 500  # characters: names are parts of indexes, whose rows a database keeps short
_DIGEST = 32  # hexadecimal digits


def run_id(model_id: str, input_hash: str, where_clause: str, policy: str) -> str:
    """Digest (64 hexadecimal digits) of what a run is: this model on these rows under this policy."""
    return _digest("run", model_id, input_hash, where_clause, policy)


def alert_id(model_id: str, key: str | None, input_hash: str, row_number: int) -> str:
    """Digest (64 hexadecimal digits) of model and key; of model, input and row number where the key is None.

    >>> alert_id("m", "TX-1", "a", 5) == alert_id("m", "TX-1", "b", 9)
    True
    >>> alert_id("m", None, "a", 5) == alert_id("m", None, "b", 5)
    False
    """
    if key is not None:
        return _digest("alert of key", model_id, key)
    return _digest("alert of row", model_id, input_hash, int(row_number))


def entity_text(value: Any) -> str | None:
    """The text that names an entity in the store, None where the value is missing; a long one ends in a digest.

    >>> entity_text(4711), entity_text(None), len(entity_text("x" * 10_000))
    ('4711', None, 500)
    """
    text = value_text(value)
    if text is None or len(text) < NAME_LENGTH:  # so that no short text looks like a shortened one
        return text
    return f"{text[:NAME_LENGTH - _DIGEST - 1]}…{_digest(text)[:_DIGEST]}"


def _digest(*parts: str | int) -> str:
    # JSON keeps the parts apart: ("ab", "c") and ("a", "bc") differ.
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
