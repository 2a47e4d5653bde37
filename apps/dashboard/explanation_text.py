"""What an alert's explanation says, in sentences for the page; see `anomaly_cl.detectors.explanation`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import formats


def sentence(explanation: Mapping[str, Any] | None) -> str:
    return str((explanation or {}).get("sentence") or "")


def contributions(explanation: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """Contribution of each column that raises the score, strongest first."""
    return [one for one in (explanation or {}).get("contributions") or [] if one["contribution"] > 0]


def pairs(explanation: Mapping[str, Any] | None) -> str:
    found = (explanation or {}).get("pairs") or []
    return ""


def counterfactual(explanation: Mapping[str, Any] | None) -> str:
    return ""
