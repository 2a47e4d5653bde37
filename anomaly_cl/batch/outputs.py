"""The files that one scoring writes: their names, and the passes that fill them."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from anomaly_cl.detectors.scored import SCORED, Scores, naming_columns, score_columns
from anomaly_cl.errors import UsageError
from anomaly_cl.schema import Schema
from anomaly_cl.table.conform import Rejected
from anomaly_cl.table.read import BATCH_ROWS, Batch, RowStream, open_rows
from anomaly_cl.table.write import ParquetWriter, Staging, write_text, writing

ROW_NUMBER = "row_number"
ABOUT_SERIES = b"anomaly_cl.series"  # in the metadata of a file of spans: what places its steps in time, as JSON
AFTER_POLICY = ("alert", "reasons")
REJECTS = pa.schema([(ROW_NUMBER, pa.int64()), ("column", pa.string()), ("rule", pa.string()),
                     ("raw_value", pa.string()), ("file", pa.string())])


class RowReasons(Protocol):
    """Which rows are alerts, and why."""

    def of_rows(self, row_numbers: np.ndarray) -> tuple[pa.Array, pa.ChunkedArray]: ...


@dataclass(frozen=True)
class Outputs:
    """The scored file, and beside it the rejected rows, those of the history, the spans of series, the manifest, and a
    draft and a journal that are gone in the end.
    """

    scored: Path
    rejects: Path
    history_rejects: Path
    spans: Path
    manifest: Path
    draft: Path
    journal: Path

    @classmethod
    def beside(cls, out: str | Path) -> Outputs:
        """Names made from that of the scored file; raises UsageError unless it is a .parquet file in a folder."""
        out = Path(out)
        if out.suffix != ".parquet" or out.is_dir() or not out.parent.is_dir():
            raise UsageError("the scored file is a .parquet file in a folder that exists", f"the name is {str(out)!r}",
                             "write for example scored.parquet")
        draft = out.with_name(f".{out.name}.{os.getpid()}.draft")
        return cls(out, out.with_suffix(".rejects.parquet"), out.with_suffix(".history.rejects.parquet"),
                   spans_beside(out), out.with_suffix(".manifest.json"), draft, out.with_name(f".{out.name}.journal"))

    def publish(self, staging: Staging) -> None:
        """Give all files their names, the manifest last: where it is, the others are complete and belong to it."""
        staging.publish(self.rejects, self.history_rejects, self.spans, self.scored, self.manifest)

    def remove_leftovers(self) -> None:
        """Remove drafts and partial files that killed processes left; the caller is the only one that writes these."""
        names = (self.scored, self.rejects, self.history_rejects, self.spans, self.manifest)
        left = re.compile(rf"\.({'|'.join(re.escape(path.name) for path in names)})\.\d+\.(draft|partial)")
        for file in self.scored.parent.iterdir():
            if left.fullmatch(file.name):
                file.unlink(missing_ok=True)


def spans_beside(scored: Path) -> Path:
    """The file of spans that a scored file of series has beside it."""
    return scored.with_suffix(".spans.parquet")


def scored_schema(rows: pa.Schema, schema: Schema, keep: Sequence[str]) -> pa.Schema:
    """Arrow schema of the scored file: row number, naming columns, columns to keep, and what scoring adds.

    Raises UsageError if a column to keep is not in the input, or is named like one that scoring adds.
    """
    names = list(dict.fromkeys([*naming_columns(schema), *keep]))
    if lacking := [name for name in keep if name not in rows.names]:
        raise UsageError("columns to keep must be in the input", f"it lacks {lacking}", f"choose among {rows.names}")
    if taken := sorted({ROW_NUMBER, *SCORED} & set(names)):
        raise UsageError(f"the scored file's own columns are {[ROW_NUMBER, *SCORED]}", f"the input has {taken} too",
                         "rename the columns, or give them the role ignore")
    fields = [(ROW_NUMBER, pa.int64()), *((name, rows.field(name).type) for name in names), *SCORED.items()]
    return pa.schema(fields)


def draft_schema(scored: pa.Schema) -> pa.Schema:
    """The scored file's schema without the columns that need the policy."""
    return pa.schema([field for field in scored if field.name not in AFTER_POLICY])


def draft_rows(batch: Batch, scores: Scores, draft: pa.Schema, schema: Schema, model_id: str) -> pa.Table:
    """Scored rows before the policy."""
    added = {ROW_NUMBER: pa.array(batch.row_numbers), **score_columns(scores, batch.rows, schema, model_id)}
    return pa.table([added[name] if name in added else batch.rows.column(name) for name in draft.names], schema=draft)


def finish_draft(draft: Path, scored: Path, schema: pa.Schema, reasons: RowReasons, staging: Staging) -> None:
    """Second pass: the draft's rows with their alert and reasons."""
    with (
        writing(scored), pq.ParquetFile(draft, pre_buffer=False) as source,
        ParquetWriter(scored, schema, staging) as writer,
    ):
        for rows in source.iter_batches():
            alerts, told = reasons.of_rows(rows.column(ROW_NUMBER).to_numpy())
            added = {"alert": alerts, "reasons": told}
            writer.write(pa.table([added.get(name) if name in added else rows.column(name)
                                   for name in schema.names], schema=schema))


def reject_rows(rejected: Sequence[Rejected]) -> pa.Table:
    """Rejected rows as a table."""
    columns = {name: [getattr(row, name) for row in rejected] for name in REJECTS.names}
    return pa.table(columns, schema=REJECTS)


@contextmanager
def rejecting_rows(
    source: Any, schema: Schema, rejects: Path, *, where: str | None = None, batch_rows: int = BATCH_ROWS,
    staging: Staging | None = None,
) -> Iterator[RowStream]:
    """An input as a stream of rows; those that it rejects are in a file in the end, if there are some."""
    with ParquetWriter(rejects, REJECTS, staging) as writer:
        stream = open_rows(source, schema, where=where, batch_rows=batch_rows,
                           on_reject=lambda rows: writer.write(reject_rows(rows)))
        yield stream
    if stream.rows_rejected:
        return
    if staging is None:
        rejects.unlink()
    else:
        staging.drop(rejects)


def write_json(path: Path, content: Any, staging: Staging) -> None:
    """Write JSON that gets its name together with other files."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n", staging)


def sha256_of(path: str | Path) -> str:
    """Digest of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
