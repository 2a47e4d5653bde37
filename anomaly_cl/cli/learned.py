"""What a model learned, as `anomaly-cl inspect` says it on a screen."""

from __future__ import annotations

from typing import Any

from rich.markup import escape
from rich.table import Table

from anomaly_cl.cli.screen import output, say_columns, say_pairs


def say_groups(groups: list[dict[Any, Any]]) -> None:
    """The groups of normal behaviour: how many rows of the bank each has, and what is typical of it."""
    table = Table(box=None, pad_edge=False)
    for heading in ("group", "rows", "share", "typical"):
        table.add_column(heading)
    for group in groups:
        table.add_row(str(group["group"]), f"{group['size']:,}", f"{group['share']:.1%}", escape(group["description"]))
    output.print("[bold]Groups of normal behaviour[/bold]", highlight=False, soft_wrap=True)
    output.print(table, highlight=False)


def say_events(facts: dict[str, Any]) -> None:
    """Deviations of entities, recurrence and verdicts; see `event_facts`."""
    from anomaly_cl.scoring.recurrence import WINDOW_DAYS

    used = {name: each for name, each in facts["deviations"].items() if each["used"]}
    say_columns(f"Deviations from the past of {', '.join(facts['entities'])} (of {len(facts['deviations'])} "
                f"{len(used)} count; --json has all)", ("deviation", "weight", "relevance", "novelty"),
                [(name, *(f"{each[part]:.3f}" for part in ("weight", "relevance", "novelty")))
                 for name, each in used.items()])
    say_columns(f"How much oftener a record is strange within {WINDOW_DAYS} days of a strange one of the same entity",
                ("entity", "times"), [(role, f"{lift:.3g}") for role, lift in facts["recurrence"].items()])
    presumed = "" if facts["presume_after"] is None else f"; none after {facts['presume_after']:g} d means legitimate"
    say_pairs("Verdicts", {"verdicts": "read" + presumed if facts["reads_verdicts"] else "not read"})


def say_channels(facts: dict[str, dict[str, Any]]) -> None:
    """The channels of series; see `channel_facts`."""
    say_columns("Channels", ("channel", "typical", "spread"),
                [(name, f"{each['typical']:.6g}", f"{each['spread']:.4g}" if each["moves"] else "constant")
                 for name, each in facts.items()])
