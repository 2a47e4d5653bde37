"""The last records of alerted entities, set aside on disk while a run reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from anomaly_cl.alerts.identity import entity_text
from anomaly_cl.alerts.json_values import json_value
from anomaly_cl.alerts.models import EntityPast
from anomaly_cl.batch.amounts import amounts_of, known_amount
from anomaly_cl.batch.scratch import ScratchFolder
from anomaly_cl.features.sql_engine import DuckDBEngine
from anomaly_cl.schema import Role, Schema
from anomaly_cl.table.casting import plain

LAST = 100
GROUP = 50_000  # rows of a row group: what is in memory at once
ROW, TIME, KEY, AMOUNT, RISK, ALERT, ENTITY = "row", "time", "key", "amount", "risk", "alert", "entity"
LAST_RECORDS = f"""
    SELECT * FROM records QUALIFY row_number() OVER (
        PARTITION BY {ENTITY} ORDER BY {TIME} DESC NULLS LAST, "{ROW}" DESC) <= {LAST}
    ORDER BY {ENTITY}, {TIME} NULLS FIRST, "{ROW}"
"""


class PastRecords:
    """Writes what names and places each record to a temporary file; use it in a with statement.

    A record has columns of entities. The rows of the history come before those of the input, and have no risk.
    """

    def __init__(self, schema: Schema, amount: str | None, engine: DuckDBEngine | None = None):
        self.columns = [column.name for column in schema.with_role(Role.ENTITY)]
        self.time, self.key, self.amount = schema.only(Role.TIME), schema.only(Role.KEY), amount
        self.engine = engine or DuckDBEngine(memory_limit="256MB")
        self._writer: pq.ParquetWriter | None = None
        self._n_earlier = 0

    def __enter__(self) -> Self:
        self._folder = ScratchFolder()
        return self

    def __exit__(self, *raised: object) -> None:
        self._close()
        self._folder.close()

    def add(self, rows: pa.RecordBatch, row_numbers: np.ndarray, risk: np.ndarray) -> None:
        """Set scored records aside, with their numbers and risk (rows,)."""
        self._write(rows, pa.array(row_numbers), pa.array(risk))

    def add_history(self, history: pa.Table) -> None:
        """Set earlier records aside; amounts are known of them if the model reads that column."""
        for rows in history.to_batches(GROUP):
            numbers = np.arange(rows.num_rows) + self._n_earlier
            self._n_earlier += rows.num_rows
            self._write(rows, pa.array(numbers - history.num_rows), pa.nulls(rows.num_rows, pa.float64()))

    def of(
        self, column: str, entities: Sequence[Any], alerted: np.ndarray, similar: Mapping[str, list[dict[str, Any]]],
        run_id: str,
    ) -> Iterator[EntityPast]:
        """The past of these different entities (values of the column), given the numbers (n,) of all alerted rows and
        of some entities, by their text, which are similar.
        """
        self._close()
        if not self._file.exists() or not entities:
            return
        reader = pa.RecordBatchReader.from_batches(self._read_schema(), self._known(column, entities, alerted))
        found = self.engine.run(LAST_RECORDS, {"records": reader})
        for position, records in _by_entity(found):
            name = str(entity_text(entities[position]))
            yield EntityPast(run_id=run_id, entity_column=column, entity=name, records=records,
                             similar=similar.get(name, []))

    @property
    def _file(self) -> Path:
        return self._folder.path / "records.parquet"

    def _write(self, rows: pa.RecordBatch, numbers: pa.Array, risk: pa.Array) -> None:
        amount = self.amount if self.amount in rows.schema.names else None
        made = {ROW: numbers, RISK: risk, AMOUNT: pa.array(amounts_of(rows, amount))}
        made |= {f"{ENTITY} {i}": plain(rows.column(name)) for i, name in enumerate(self.columns)}
        made |= {name: plain(rows.column(given)) for name, given in ((TIME, self.time), (KEY, self.key)) if given}
        batch = pa.RecordBatch.from_pydict(made)
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._file, batch.schema, compression="lz4")
        self._writer.write_batch(batch, row_group_size=GROUP)

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _read_schema(self) -> pa.Schema:
        written = pq.read_schema(self._file)
        kept = [name for name in (ROW, TIME, KEY, AMOUNT, RISK) if name in written.names]
        fields = [written.field(name) for name in kept]
        if TIME not in kept:
            fields.append(pa.field(TIME, pa.timestamp("us")))
        return pa.schema([*fields, (ENTITY, pa.int64()), (ALERT, pa.bool_())])

    def _known(self, column: str, entities: Sequence[Any], alerted: np.ndarray) -> Iterable[pa.RecordBatch]:
        """The records of these entities, which are told by their positions."""
        schema, place = self._read_schema(), f"{ENTITY} {self.columns.index(column)}"
        with pq.ParquetFile(self._file, pre_buffer=False) as source:
            wanted = pa.array(entities, source.schema_arrow.field(place).type)
            read = [name for name in schema.names if name in source.schema_arrow.names]
            for rows in source.iter_batches(GROUP, columns=[place, *read]):
                positions = pc.index_in(rows.column(place), value_set=wanted)
                mask = positions.is_valid()
                if not pc.any(mask).as_py():
                    continue
                numbers = rows.column(ROW).to_numpy()
                made = {name: rows.column(name) for name in read}
                made |= {ENTITY: positions.cast(pa.int64()), ALERT: pa.array(np.isin(numbers, alerted))}
                if TIME not in made:
                    made[TIME] = pa.nulls(rows.num_rows, pa.timestamp("us"))
                yield pa.RecordBatch.from_arrays([made[name] for name in schema.names], schema=schema).filter(mask)


def _by_entity(reader: pa.RecordBatchReader) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Records of a stream that comes entity by entity."""
    position = -1
    held: list[dict[str, Any]] = []
    for batch in reader:
        for line in batch.to_pylist():
            if line[ENTITY] != position:
                if held:
                    yield position, held
                position, held = line[ENTITY], []
            held.append(_record(line))
    if held:
        yield position, held


def _record(line: dict[str, Any]) -> dict[str, Any]:
    key = line.get(KEY)
    return {"time": json_value(line[TIME]), "key": None if key is None else str(key),
            "amount": known_amount(line[AMOUNT]),
            "risk": None if line[RISK] is None else round(line[RISK], 3), "alert": line[ALERT]}
