"""A user's table of pairs of records, named by their keys, and where those records are in a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anomaly_cl.detectors.side_table import refuse_rows_of, some_of
from anomaly_cl.errors import InputError, UsageError
from anomaly_cl.pretraining.pairs import Pairs
from anomaly_cl.schema import Column, Kind, Role, Schema
from anomaly_cl.table.read import read_table
from anomaly_cl.table.sources import parts_of

SAME, DIFFERENT = ("same", "true", "yes", "1"), ("different", "false", "no", "0")


@dataclass
class PairTable:
    """Pairs of records by their keys: two Arrow arrays of the key column's type, and whether the two are alike.

    `watching` sees every batch of rows before they are sampled, so that a key that no row has can be told from one
    whose row was not drawn. Errors do not show keys that are `private`.
    """

    key: str
    left: pa.Array
    right: pa.Array
    same: np.ndarray
    private: bool = False
    _met: list[pa.Array] = field(default_factory=list)

    @classmethod
    def read(cls, source: Any, schema: Schema) -> Self:
        """Read a DataFrame, Arrow data, array, or path of three columns, of any names: key, key, same or different.

        The last holds same / true / yes / 1, or different / false / no / 0. Raises InputError for another table, or
        cells that mean nothing, and UsageError if the schema has no key column.
        """
        key = schema.only(Role.KEY)
        if key is None:
            raise UsageError("pairs name rows by their key", f"the schema has no key among {schema.names}",
                             "give a column the role key")
        name, parts = parts_of(source)
        names = parts[0].columns.names
        if len(names) != 3:
            raise InputError("a table of pairs has three columns: key, key, same or different",
                             f"{name} has {len(names)}: {names}", "leave three, in this order")
        keys = [replace(schema[key], name=side, role=Role.ENTITY, missing="reject") for side in names[:2]]
        verdict = Column(names[2], Kind.CATEGORICAL, "string", missing="reject")
        table = read_table(source, Schema((*keys, verdict)), on_reject=refuse_rows_of("pairs", "pair"))
        if not table.num_rows:
            raise InputError("a table of pairs has at least one", f"{name} has none", "add pairs, or leave it out")
        left, right = (table.column(side).combine_chunks() for side in names[:2])
        return cls(key, left, right, _are_same(table.column(names[2])), schema[key].private)

    def watching(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The batches, noting which of the keys their rows have."""
        wanted = self._wanted()
        for batch in batches:
            keys = batch.column(self.key)
            self._met.append(keys.filter(pc.is_in(keys, wanted)))
            yield batch

    def positions(self, keys: pa.ChunkedArray | pa.Array) -> Pairs:
        """The pairs as positions in a table with these keys (rows,); those of rows that it lacks are left out.

        Raises InputError if a key is that of no row that was watched, or of several rows, if a pair is of a record with
        itself, or none is left.
        """
        self._check()
        wanted = self._wanted()
        rows = np.flatnonzero(np.asarray(pc.is_in(keys, wanted)))
        place = np.full(len(wanted), -1)
        place[_index_in(keys.take(pa.array(rows)), wanted)] = rows
        left, right = (place[_index_in(side, wanted)] for side in (self.left, self.right))
        held = (left >= 0) & (right >= 0)
        if not held.any():
            raise InputError("both rows of a pair must be among those drawn from a large input",
                             f"of {len(held)} pairs none is", "give more pairs, or raise fit_rows")
        return Pairs(left[held], right[held], self.same[held])

    def _wanted(self) -> pa.Array:
        return pc.unique(pa.concat_arrays([self.left, self.right]))

    def _check(self) -> None:
        met = pc.value_counts(pa.chunked_array(self._met, type=self.left.type))
        found, counts = met.field("values"), np.asarray(met.field("counts"))
        wanted = self._wanted()
        missing = wanted.filter(pc.invert(pc.is_in(wanted, found)))
        if len(missing):
            raise InputError(f"the keys of pairs are keys of the rows learned from (column {self.key!r})",
                             f"{len(missing)} are not, for example {some_of(missing, self.private)}",
                             "correct them, or add the rows to those learned from")
        if (counts > 1).any():
            several = found.filter(pa.array(counts > 1))
            raise InputError("the keys of pairs name one row each", f"{len(several)} name several: "
                             f"{some_of(several, self.private)}",
                             "leave one row of each, or take those pairs out")
        itself = self.left.filter(pc.equal(self.left, self.right))
        if len(itself):
            raise InputError("a pair is of two records", f"{len(itself)} name one twice: "
                             f"{some_of(itself, self.private)}",
                             "take them out")


def _are_same(verdicts: pa.ChunkedArray) -> np.ndarray:
    words = pc.utf8_lower(pc.utf8_trim_whitespace(verdicts))
    same, different = (np.asarray(pc.is_in(words, pa.array(meant))) for meant in (SAME, DIFFERENT))
    unknown = pc.unique(verdicts.filter(pa.array(~(same | different))))
    if len(unknown):
        raise InputError(f"pairs are {' / '.join(SAME)}, or {' / '.join(DIFFERENT)}", f"found {some_of(unknown)}",
                         "write same or different in the third column")
    return same


def _index_in(keys: Any, wanted: pa.Array) -> np.ndarray:
    return np.asarray(pc.index_in(keys, wanted), dtype=np.intp)
