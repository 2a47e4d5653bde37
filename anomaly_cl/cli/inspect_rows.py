"""What `anomaly-cl inspect` shows of a model that judges rows or records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from anomaly_cl.cli.screen import output

if TYPE_CHECKING:
    from anomaly_cl.detectors.events import EventDetector
    from anomaly_cl.detectors.tabular import TabularDetector


def row_facts(detector: TabularDetector | EventDetector) -> dict[str, Any]:
    """How the model was trained, its heads, and the rows that it learned from."""
    scorer = detector.scorer_
    untrained = f" (left untrained: {scorer.untrained_because_})" if scorer.untrained_because_ else ""
    refined = [] if scorer.refinement_ is None else list(scorer.refinement_.fusion_.weights_)
    return {"pretraining": detector.pretraining + untrained, "random_state": detector.random_state,
            "heads": ", ".join([*scorer.ensemble_.fitted_, *refined]),
            **{f"{name}_rows": rows for name, rows in detector.rows_.items()}}


def group_facts(detector: TabularDetector) -> list[dict[Any, Any]]:
    """The groups of normal behaviour, if the model has some."""
    return [] if detector.scorer_.prototypes_ is None else detector.groups().to_dict("records")


def say_groups(groups: list[dict[Any, Any]]) -> None:
    """The groups of normal behaviour: how many rows of the bank each has, and what is typical of it."""
    table = Table(box=None, pad_edge=False)
    for heading in ("group", "rows", "share", "typical"):
        table.add_column(heading)
    for group in groups:
        table.add_row(str(group["group"]), f"{group['size']:,}", f"{group['share']:.1%}", escape(group["description"]))
    output.print("[bold]Groups of normal behaviour[/bold]", highlight=False, soft_wrap=True)
    output.print(table, highlight=False)
