"""anomaly-cl fit"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anomaly_cl.cli.options import Inputs, Where
from anomaly_cl.cli.screen import errors, progress, say
from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.schema import Role, Schema
from anomaly_cl.table.read import open_rows

if TYPE_CHECKING:
    import pyarrow as pa


class Logger(StrEnum):
    """Where the training writes its curves."""

    CSV = "csv"
    TENSORBOARD = "tensorboard"
    MLFLOW = "mlflow"


def fit(
    inputs: Inputs,
    out: Annotated[Path, typer.Option(metavar="MODEL", help="Folder to write the model to.")],
    schema: Annotated[Path | None, typer.Option(
        metavar="FILE", help="Schema as YAML (see `anomaly-cl schema`); inferred if not given.")] = None,
    role: Annotated[list[str] | None, typer.Option(
        metavar="COLUMN=ROLE", help="Role of a column: feature, key, entity, time, label, segment, ignore. Repeatable."
    )] = None,
    where: Where = None,
    pretraining: Annotated[str, typer.Option(
        metavar="NAME", help="neighbours, simclr, moco, swav, triplet, clip, or none.")] = "neighbours",
    pairs: Annotated[Path | None, typer.Option(
        metavar="FILE", help="Pairs of rows known to be alike or not; three columns: key, key, same or different.",
    )] = None,
    contamination: Annotated[str | None, typer.Option(
        metavar="auto|SHARE", help="Leave out rows that look anomalous: the strangest SHARE (0.02 say), or with "
                                   "auto those that surely are. Without it all rows are trusted.")] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of everything random.")] = 0,
    accelerator: Annotated[str, typer.Option(
        metavar="NAME", help="cpu, gpu or auto, as Lightning names them.")] = "auto",
    logger: Annotated[Logger | None, typer.Option(help="Write training curves with this logger.")] = None,
    log_to: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the training curves.")] = Path("logs"),
) -> None:
    """Learn what normal rows look like and write a model folder.

    Labels are never read: choose the normal rows with --where, or give rows that are mostly normal.

    Example: `anomaly-cl fit june.csv --out model --role is_fraud=label --where "is_fraud = 0"`
    """
    from anomaly_cl.batch.outputs import REJECTS, reject_rows
    from anomaly_cl.detectors.tabular import TabularDetector
    from anomaly_cl.table.write import ParquetWriter

    chosen = read_schema(inputs, schema, role or [])
    options: dict[str, Any] = {"accelerator": accelerator, "enable_progress_bar": errors.is_terminal}
    if logger:
        options["logger"] = _logger(logger, log_to)
    detector = TabularDetector(pretraining, seed, trainer_options=options,
                               contamination=read_contamination(contamination))
    rejects_file = out.with_name(out.name + ".rejects.parquet")
    if not out.parent.is_dir():
        raise UsageError("a model is written to a folder that exists", f"{out.parent} does not", "make it first")
    with ParquetWriter(rejects_file, REJECTS) as rejects:
        stream = open_rows(inputs, chosen, where=where, on_reject=lambda rows: rejects.write(reject_rows(rows)))
        with progress("learning") as done:
            detector.fit_stream(stream, pairs=pairs)
            done(detector.rows_["read"])
        detector.save(out)
    trimmed = detector.trimmed_.num_rows
    say(f"read {stream.rows_read:,} rows: {stream.rows_accepted - trimmed:,} learned from, "
        f"{stream.rows_filtered_out:,} filtered out, {stream.rows_rejected:,} rejected"
        + ("" if contamination is None else f", {trimmed:,} trimmed as they look anomalous"))
    if stream.rows_rejected:
        say(f"rejected rows, with reasons: {rejects_file}")
    else:
        rejects_file.unlink()
    _write_trimmed(detector.trimmed_, out.with_name(out.name + ".trimmed.parquet"))
    labels = [column.name for column in chosen.with_role(Role.LABEL)]
    say(f"learned from {', '.join(detector.scorer_.encoder_.learned_names_)}"
        + (f"; labels not read: {', '.join(labels)}" if labels else ""))
    if pairs:
        say(f"pairs learned from: {detector.rows_['pairs']:,}, those of two training rows")
    say(f"model {detector.model_id_} in {out}")


def read_contamination(text: str | None) -> str | float | None:
    """None, "auto" or the share that a text means; raises UsageError for any other."""
    if text is None or text == "auto":
        return text
    try:
        return float(text)
    except ValueError as error:
        raise UsageError("--contamination is auto or a share of the rows", f"it is {text!r}",
                         "write auto, or for example 0.02") from error


def _write_trimmed(trimmed: pa.Table, file: Path) -> None:
    """Keep the trimmed rows beside the model, for people to look at; without any, the file of an older model goes."""
    from anomaly_cl.table.write import ParquetWriter

    if not trimmed.num_rows:
        file.unlink(missing_ok=True)
        return
    with ParquetWriter(file, trimmed.schema) as writer:
        writer.write(trimmed)
    say(f"trimmed rows, strangest first: {file}; if many of them are normal, fit without --contamination")


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
