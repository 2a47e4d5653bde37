"""What the commands about records of entities share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from anomaly_cl.cli.screen import say
from anomaly_cl.errors import UsageError
from anomaly_cl.table.read import RowStream, open_rows

if TYPE_CHECKING:
    from anomaly_cl.detectors.loading import Detector


def say_history(counts: Mapping[str, int]) -> None:
    """A line about earlier records."""
    _say_counts("history: ", counts)


def say_both(stream: RowStream, history: RowStream | None) -> None:
    """What became of the rows of an input, and of its history if there is one."""
    _say_counts("", stream.counts)
    if history is not None:
        say_history(history.counts)


def _say_counts(of: str, counts: Mapping[str, int]) -> None:
    say(f"{of}read {counts['read']:,} rows: {counts['accepted']:,} accepted, {counts['filtered_out']:,} filtered out, "
        f"{counts['rejected']:,} rejected")


def open_both(
    detector: Detector, inputs: list[str], where: str | None, history: list[str] | None, history_where: str | None
) -> tuple[RowStream, RowStream | None]:
    """The input and the history of a command as streams, of which rejected rows are counted.

    Raises UsageError for a history where rows are judged by themselves.
    """
    from anomaly_cl.batch.events import file_schema, require_history, require_readable

    require_history(history, history_where)
    require_readable(detector, history=history or None)
    stream = open_rows(inputs, file_schema(detector), where=where)
    return stream, open_rows(history, file_schema(detector), where=history_where) if history else None


def check_new_model(model: Path, out: Path) -> None:
    """Raises UsageError unless a model that is made of another can be written to `out`."""
    if out.resolve() == model.resolve():
        raise UsageError("the new model is written beside the old one", f"both are {out}", "choose another folder")
    if not out.parent.is_dir():
        raise UsageError("a model is written to a folder that exists", f"{out.parent} does not", "make it first")
