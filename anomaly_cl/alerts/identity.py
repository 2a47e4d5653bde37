"""Names of runs and alerts that follow from what they are about, so that adding one twice is seen."""

from __future__ import annotations

import hashlib
import json


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


def _digest(*parts: str | int) -> str:
    # JSON keeps the parts apart: ("ab", "c") and ("a", "bc") differ.
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
