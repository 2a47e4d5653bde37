"""A user's table of verdicts: which records turned out to be frauds, which legitimate, and when that became known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anomaly_cl.detectors.side_table import refuse_rows_of, some_of
from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.features.verdict_counts import NEVER, VerdictHistory
from anomaly_cl.schema import Column, Kind, Role, Schema
from anomaly_cl.table.delimited import DelimitedFile
from anomaly_cl.table.read import RowStream, read_table
from anomaly_cl.table.sources import parts_of
from anomaly_cl.table.spreadsheet import from_cells

FRAUD, LEGITIMATE, UNSURE = ("fraud", "true", "yes", "1"), ("legitimate", "false", "no", "0"), ("unsure",)
MICROSECONDS = "timestamp[us]"


@dataclass(frozen=True)
class VerdictTable:
    """The latest verdict of each key that has one.

    keys: Arrow array (n,) of the key column's type, each once. is_fraud: bool (n,). decided_at: int64 (n,),
    microseconds since 1970 on the clock that the table is written in, which should be that of the records. Errors do
    not show keys that are `private`.
    """

    keys: pa.Array
    is_fraud: np.ndarray
    decided_at: np.ndarray
    private: bool = False

    @classmethod
    def read(cls, source: Any, schema: Schema) -> Self:
        """Read a DataFrame, Arrow data, array, or path of three columns, of any names: key, verdict, when it was given.

        A verdict is fraud / true / yes / 1, legitimate / false / no / 0, or unsure. Of several of a key the latest
        counts; if that is unsure, the key has none. In text files, keys may be written for spreadsheets, see
        `anomaly_cl.table.spreadsheet.as_cell`. Raises InputError for another table, cells that mean nothing, or
        keys with different verdicts of one time, and UsageError if the schema has no key column.
        """
        key = schema.only(Role.KEY)
        if key is None:
            raise UsageError("verdicts name records by their key", f"the schema has no key among {schema.names}",
                             "give a column the role key")
        name, parts = parts_of(source)
        names = parts[0].columns.names
        if len(names) != 3:
            raise InputError("a table of verdicts has three columns: key, verdict, when it was given",
                             f"{name} has {len(names)}: {names}", "leave three, in this order")
        time = schema.only(Role.TIME)
        columns = (
            replace(schema[key], name=names[0], role=Role.ENTITY, missing="reject"),
            Column(names[1], Kind.CATEGORICAL, "string", missing="reject"),
            Column(names[2], Kind.DATETIME, MICROSECONDS, missing="reject",
                   date_order=schema[time].date_order if time else None),
        )
        table = read_table(source, Schema(columns), on_reject=refuse_rows_of("verdicts", "verdict"))
        keys, verdicts, times = (table.column(name).combine_chunks() for name in names)
        if isinstance(parts[0], DelimitedFile) and pa.types.is_string(keys.type):
            keys = from_cells(keys)
        fraud, decided = _are_frauds(verdicts)
        private = schema[key].private
        return cls(*_latest(keys, fraud, decided, np.asarray(times.cast(pa.int64())), private), private)

    def labelled(self, rows: RowStream) -> tuple[pa.Table, np.ndarray]:
        """Those of the rows that have a verdict, and their labels, 1 = fraud and 0 = legitimate; what `refine` takes.

        `rows` is a stream by the schema of the verdicts: `open_rows("july.csv", detector.schema_)`. Raises InputError
        as `history` does.
        """
        key = str(rows.schema.only(Role.KEY))
        batches = [batch.rows.filter(pc.is_in(batch.rows.column(key), self.keys)) for batch in rows]
        table = pa.Table.from_batches(batches, rows.arrow_schema)
        place = self._places(table.column(key))
        return table, self.is_fraud[place].astype(np.int64)

    def history(self, keys: pa.Array | pa.ChunkedArray, instants: np.ndarray,
                presume_after: int | None = None) -> VerdictHistory:
        """The verdicts of records with these keys (n,) and instants (n,), in microseconds since 1970.

        Verdicts of other keys are left out. Raises InputError if all are, or if a key with a verdict names several
        records.
        """
        place = self._places(keys)
        found = place >= 0
        is_fraud, decided_at = np.zeros(len(found), bool), np.full(len(found), NEVER)
        is_fraud[found], decided_at[found] = self.is_fraud[place[found]], self.decided_at[place[found]]
        return VerdictHistory(np.asarray(instants), is_fraud, decided_at, presume_after)

    def _places(self, keys: pa.Array | pa.ChunkedArray) -> np.ndarray:
        """Where each of the keys (n,) is among those with a verdict, -1 where it has none."""
        place = np.asarray(pc.index_in(keys, self.keys).fill_null(-1), dtype=np.intp)
        found = place[place >= 0]
        if len(self.keys) and not len(found):
            raise InputError("verdicts name records by their key",
                             f"none of {len(self.keys)} is the key of a record, for example "
                             f"{some_of(self.keys, self.private)}",
                             "give the records too, or correct the keys")
        several = np.flatnonzero(np.bincount(found, minlength=len(self.keys)) > 1)
        if len(several):
            raise InputError("the keys of verdicts name one record each",
                             f"{len(several)} name several: {some_of(self.keys.take(pa.array(several)), self.private)}",
                             "leave one record of each, or take those verdicts out")
        return place


def _are_frauds(verdicts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Whether each verdict (n,) says fraud, and whether it says anything."""
    words = pc.utf8_lower(pc.utf8_trim_whitespace(verdicts))
    fraud, legitimate, unsure = (np.asarray(pc.is_in(words, pa.array(meant))) for meant in (FRAUD, LEGITIMATE, UNSURE))
    unknown = pc.unique(verdicts.filter(pa.array(~(fraud | legitimate | unsure))))
    if len(unknown):
        raise InputError(f"verdicts are {' / '.join(FRAUD)}, {' / '.join(LEGITIMATE)}, or {' / '.join(UNSURE)}",
                         f"found {some_of(unknown)}", "write fraud, legitimate or unsure in the second column")
    return fraud, ~unsure


def _latest(keys: pa.Array, fraud: np.ndarray, decided: np.ndarray, times: np.ndarray,
            private: bool) -> tuple[pa.Array, np.ndarray, np.ndarray]:
    """Of each key the verdict of its latest time, without those that decide nothing, in the order of the table."""
    codes = np.asarray(keys.dictionary_encode().indices)
    latest = np.full(codes.max(initial=-1) + 1, np.iinfo(np.int64).min)
    np.maximum.at(latest, codes, times)
    newest = np.flatnonzero(times == latest[codes])
    first = newest[np.unique(codes[newest], return_index=True)[1]]  # in the order of codes
    meaning = np.where(decided, fraud.astype(int), 2)
    torn = np.unique(codes[newest][meaning[newest] != meaning[first][codes[newest]]])
    if len(torn):
        raise InputError("a key has one verdict at a time",
                         f"{len(torn)} have different ones at once: "
                         f"{some_of(keys.take(pa.array(first[torn])), private)}",
                         "leave one of each")
    kept = np.sort(first[decided[first]])
    return keys.take(pa.array(kept)), fraud[kept], times[kept]
