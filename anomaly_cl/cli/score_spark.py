"""anomaly-cl score --engine spark"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from anomaly_cl.cli.screen import policy_warnings, steps
from anomaly_cl.errors import UsageError


class Engine(StrEnum):
    """Where rows are scored."""

    LOCAL = "local"
    SPARK = "spark"


def require_engine(engine: Engine, master: str | None, local_only: Mapping[str, Any]) -> None:
    """Raises UsageError for options that the engine does not have: `local_only` {option: value or None}."""
    if engine is Engine.LOCAL and master is not None:
        raise UsageError("--master is Spark's", "the engine is local", "add --engine spark, or leave it out")
    given = [option for option, value in local_only.items() if value is not None]
    if engine is Engine.SPARK and given:
        raise UsageError("some options are for one machine alone", f"{', '.join(given)} is given",
                         "leave it out, or use --engine local")


def score_by_spark(
    model: Path, inputs: Sequence[str], out: str, *, where: str | None, history: Sequence[str] | None,
    history_where: str | None, keep: Sequence[str], policy: str | None, master: str | None,
) -> dict[str, Any]:
    """Score on Spark, and return the manifest."""
    from anomaly_cl.batch.spark.score import score_on_spark

    with policy_warnings(), steps("scoring on Spark"):
        return score_on_spark(model, inputs, out, where=where, history=history, history_where=history_where, keep=keep,
                              policy=policy, master=master)
