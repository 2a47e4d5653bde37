"""anomaly-cl fit"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from anomaly_cl.cli.fit_events import fit_events
from anomaly_cl.cli.fit_rows import fit_rows
from anomaly_cl.cli.fit_series import are_series, fit_series
from anomaly_cl.cli.options import History, HistoryWhere, Inputs, Where
from anomaly_cl.cli.processes import distributed_options, first_process_writes
from anomaly_cl.cli.screen import errors, say
from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.schema import Role, Schema
from anomaly_cl.table.read import open_rows


class Logger(StrEnum):
    """Where the training writes its curves."""

    CSV = "csv"
    TENSORBOARD = "tensorboard"
    MLFLOW = "mlflow"


class Search(StrEnum):
    """How the nearest normal rows are found: in each space by itself, or once in all spaces."""

    EXACT = "exact"
    FAST = "fast"


class DetectorKind(StrEnum):
    """What is judged: rows by themselves, records against the past of their entities, or steps of series."""

    TABULAR = "tabular"
    EVENTS = "events"
    SERIES = "series"


OPTIONS = {  # that are not for all detectors
    "pairs": (DetectorKind.TABULAR,), "contamination": (DetectorKind.TABULAR,), "history": (DetectorKind.EVENTS,),
    "entity": (DetectorKind.EVENTS, DetectorKind.SERIES), "channel": (DetectorKind.SERIES,),
    "period": (DetectorKind.SERIES,), "search": (DetectorKind.TABULAR,),
}


def fit(
    inputs: Inputs,
    out: Annotated[Path, typer.Option(metavar="MODEL", help="Folder to write the model to.")],
    detector: Annotated[DetectorKind | None, typer.Option(
        show_default="series where there is a time, no key, and numbers at a regular pace; else tabular",
        help="tabular judges rows by themselves; events judges records against the past of their entities; series "
             "judges measurements that follow one another.")] = None,
    schema: Annotated[Path | None, typer.Option(
        metavar="FILE", help="Schema as YAML (see `anomaly-cl schema`); inferred if not given.")] = None,
    role: Annotated[list[str] | None, typer.Option(
        metavar="COLUMN=ROLE", help="Role of a column: feature, key, entity, time, label, segment, ignore. Repeatable."
    )] = None,
    key: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column that names a record.")] = None,
    entity: Annotated[list[str] | None, typer.Option(
        metavar="COLUMN", help="A column that names whom a record is about, for events and series: customer, card, "
                               "machine. Repeatable for events; those that are not named are ignored.")] = None,
    time: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column that says when.")] = None,
    channel: Annotated[list[str] | None, typer.Option(
        metavar="COLUMN", show_default="all numbers", help="A measurement, for series. Repeatable.")] = None,
    period: Annotated[int | None, typer.Option(
        metavar="N", min=2, show_default="looked for", help="Steps after which a series repeats itself: the length of "
        "the windows that are compared.")] = None,
    where: Where = None,
    history: History = None,
    history_where: HistoryWhere = None,
    pretraining: Annotated[str | None, typer.Option(
        metavar="NAME", show_default="neighbours, for events none, for series injections",
        help="neighbours, simclr, moco, swav, triplet, clip, or none; for series also injections.")] = None,
    pairs: Annotated[Path | None, typer.Option(
        metavar="FILE", help="Pairs of rows known to be alike or not; three columns: key, key, same or different.",
    )] = None,
    contamination: Annotated[str | None, typer.Option(
        metavar="auto|SHARE", help="Leave out rows that look anomalous: the strangest SHARE (0.02 say), or with "
                                   "auto those that surely are. Without it all rows are trusted.")] = None,
    search: Annotated[Search | None, typer.Option(
        show_default="exact", help="How normal neighbours are looked for: fast is for files of millions of rows.",
    )] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of everything random.")] = 0,
    accelerator: Annotated[str, typer.Option(
        metavar="NAME", help="cpu, gpu or auto, as Lightning names them.")] = "auto",
    strategy: Annotated[str | None, typer.Option(
        metavar="NAME", show_default="auto",
        help="How several devices train together, as Lightning names it: ddp, which runs this command once more for "
             "each of them.")] = None,
    devices: Annotated[str | None, typer.Option(
        metavar="N|auto|0,1", show_default="1", help="How many devices of the accelerator train (cpu: processes), or "
        "which.")] = None,
    nodes: Annotated[int | None, typer.Option(
        metavar="N", min=1, show_default="1", help="How many machines train; start the command on each, as Lightning "
        "says.")] = None,
    logger: Annotated[Logger | None, typer.Option(help="Write training curves with this logger.")] = None,
    log_to: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the training curves.")] = Path("logs"),
) -> None:
    """Learn what normal rows look like and write a model folder.

    Labels are never read: choose the normal rows with --where, or give rows that are mostly normal. Events are normal
    or strange for their customer, card or machine: --history gives the records before, as they came. Series are
    measurements at a regular pace, of one machine or several (--entity); the steps that --where leaves out are gaps.

    Example: `anomaly-cl fit june.csv --out model --role is_fraud=label --where "is_fraud = 0"`

    Example: `anomaly-cl fit july.csv --out model --detector events --entity customer_id --history june.csv`

    Example: `anomaly-cl fit sensors.csv --out model --detector series --entity machine --where "is_anomaly = 0"`
    """
    from anomaly_cl.batch.events import require_history

    require_history(history, history_where)
    chosen = read_schema(inputs, schema, role or []).naming(key=key, entities=entity or (), time=time)
    kind = detector
    if kind is None:
        for_rows = bool(pairs or contamination or history or search)
        kind = DetectorKind.SERIES if not for_rows and are_series(inputs, chosen, where) else DetectorKind.TABULAR
    _refuse_others(kind, {"pairs": pairs, "contamination": contamination, "history": history, "entity": entity,
                          "channel": channel, "period": period, "search": search})
    if not out.parent.is_dir():
        raise UsageError("a model is written to a folder that exists", f"{out.parent} does not", "make it first")
    distributed = distributed_options(strategy, devices, nodes)
    options: dict[str, Any] = {"accelerator": accelerator, "enable_progress_bar": errors.is_terminal} | distributed
    if logger:
        options["logger"] = _logger(logger, log_to)
    named = {} if pretraining is None else {"pretraining": pretraining}
    settings = {"random_state": seed, "trainer_options": options} | named
    with first_process_writes(out, distributed) as to:
        if kind is DetectorKind.SERIES:
            settings |= {} if period is None else {"period": period}
            series = fit_series(inputs, to, chosen, where, channel, settings)
            model_id, learned = series.model_id_, list(series.series_schema_.channels)
        elif kind is DetectorKind.EVENTS:
            from anomaly_cl.detectors.event_table import event_schema

            events = fit_events(inputs, to, event_schema(chosen), where, history, history_where, settings)
            model_id, learned = events.model_id_, events.scorer_.encoder_.learned_names_
        else:
            settings |= {"contamination": read_contamination(contamination)}
            settings |= {"search": search.value} if search else {}
            rows = fit_rows(inputs, to, chosen, where, pairs, settings)
            model_id, learned = rows.model_id_, rows.scorer_.encoder_.learned_names_
    labels = [column.name for column in chosen.with_role(Role.LABEL)]
    say(f"learned from {', '.join(learned)}"
        + (f"; labels not read: {', '.join(labels)}" if labels else ""))
    say(f"model {model_id} in {out}")


def _refuse_others(kind: DetectorKind, given: dict[str, Any]) -> None:
    """Raises UsageError for an option of other detectors."""
    for name, value in given.items():
        if value and kind not in OPTIONS[name]:
            others = " or ".join(OPTIONS[name])
            judged = {DetectorKind.TABULAR: "single rows"}.get(OPTIONS[name][0], others)
            raise UsageError(f"--{name} is for models of {judged}", f"--detector is {kind}: {value}",
                             f"leave it out, or give --detector {others}")


def read_contamination(text: str | None) -> str | float | None:
    """None, "auto" or the share that a text means; raises UsageError for any other."""
    if text is None or text == "auto":
        return text
    try:
        return float(text)
    except ValueError as error:
        raise UsageError("--contamination is auto or a share of the rows", f"it is {text!r}",
                         "write auto, or for example 0.02") from error


def read_schema(inputs: list[str], path: Path | None, roles: list[str]) -> Schema:
    """The schema from a YAML file, or inferred from the inputs, with the roles given on the command line."""
    if path is None:
        chosen = open_rows(inputs).schema
    else:
        try:
            chosen = Schema.from_yaml(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise InputError("the schema is a YAML file in UTF-8", f"{path}: {error}", "correct the path") from error
    pairs = [text.rpartition("=") for text in roles]
    if wrong := [text for text, (name, equals, _) in zip(roles, pairs, strict=True) if not (name and equals)]:
        raise UsageError("--role is COLUMN=ROLE", f"it is {wrong[0]!r}", "write for example --role is_fraud=label")
    return chosen.assign({name: role for name, _, role in pairs})


def _logger(kind: Logger, folder: Path) -> Any:
    from pytorch_lightning.loggers import CSVLogger, MLFlowLogger, TensorBoardLogger

    try:
        if kind is Logger.MLFLOW:
            folder.mkdir(parents=True, exist_ok=True)
            return MLFlowLogger("anomaly_cl", tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
        return {Logger.CSV: CSVLogger, Logger.TENSORBOARD: TensorBoardLogger}[kind](folder)
    except ModuleNotFoundError as error:
        raise UsageError(f"the logger {kind.value} needs its library", str(error),
                         f"install anomaly_cl[{kind.value}]") from error
