"""anomaly-cl confirm"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anomaly_cl.cli.events import check_new_model, open_both, say_both
from anomaly_cl.cli.options import History, HistoryWhere, Inputs, VerdictFile, VerdictStore, Where
from anomaly_cl.cli.screen import progress, say
from anomaly_cl.errors import InputError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

    from anomaly_cl.detectors.verdict_table import VerdictTable
    from anomaly_cl.schema import Schema


def confirm(
    model: Annotated[Path, typer.Argument(metavar="MODEL", show_default=False, help="Model folder, of events.")],
    inputs: Inputs,
    out: Annotated[Path, typer.Option(metavar="MODEL2", help="Folder to write the new model to.")],
    verdicts: VerdictFile = None,
    store: VerdictStore = None,
    where: Where = None,
    history: History = None,
    history_where: HistoryWhere = None,
    presume_after: Annotated[float | None, typer.Option(
        metavar="DAYS", show_default=False, help="Take records for legitimate that have no verdict after so many days, "
        "where only frauds are confirmed.")] = None,
) -> None:
    """Learn from verdicts that came late what they say of a customer's, card's or machine's next records.

    INPUT is all records of some weeks that the model did not learn from, whether they have a verdict or not. Give
    later verdicts to `score --verdicts`. MODEL stays as it is.

    Example: `anomaly-cl confirm model july.csv --history june.csv --verdicts verdicts.csv --out model2`
    """
    from anomaly_cl.batch.events import confirmed, file_schema
    from anomaly_cl.detectors.events import EventDetector
    from anomaly_cl.detectors.loading import load

    check_one_source(verdicts, store)
    check_new_model(model, out)
    detector = load(model)
    if not isinstance(detector, EventDetector):
        raise UsageError("verdicts are confirmed for models that judge records against their past",
                         f"{model} does not", "fit one with --detector events")
    stream, before = open_both(detector, inputs, where, history, history_where)
    told = told_verdicts(verdicts, store, file_schema(detector))
    with progress("confirming") as done:
        other = confirmed(detector, stream, told, before, presume_after)
        done(stream.rows_accepted)
    other.save(out)
    say_both(stream, before)
    say(f"verdicts: {len(told.keys):,}, of which {int(told.is_fraud.sum()):,} are frauds")
    say(f"model {other.model_id_} in {out}")


def check_one_source(verdicts: Path | None, store: str | None) -> None:
    """Raises UsageError unless verdicts come from one place."""
    if (verdicts is None) == (store is None):
        given = "neither" if store is None else "both"
        raise UsageError("verdicts come from --verdicts or --store", f"{given} of them is given", "give one of them")


def told_verdicts(verdicts: Path | None, store: str | None, schema: Schema) -> VerdictTable:
    """The verdicts of a file or of an alert store, about records of this schema."""
    from anomaly_cl.detectors.verdict_table import VerdictTable

    return VerdictTable.read(verdicts or _some_stored(str(store)), schema)


def _some_stored(url: str) -> pa.Table:
    """The verdicts of an alert store; raises InputError if there are none."""
    from anomaly_cl.alerts.confirmed import stored_verdicts

    table = stored_verdicts(url)
    if not table.num_rows:
        raise InputError("verdicts are given in the dashboard, on alerts that have a key", f"{url} has none",
                         "give some, or use --verdicts FILE")
    return table
