"""In which zone the times of an input are: series are placed by instants, which a change of clocks leaves alone."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from anomaly_cl.table.casting import as_words, is_text, plain
from anomaly_cl.table.dates import has_offsets
from anomaly_cl.table.sources import parts_of

GLANCE = 1_000  # texts that are looked at


def zone_of(source: Any, name: str) -> str | None:
    """The zone of the times in column `name` of an input (see `open_rows`); None where they have none.

    Text with offsets ("+02:00", "Z"), which may change from cell to cell, is in UTC. A reader that can be read but once
    is not looked into, so that its texts have no zone.
    """
    _, parts = parts_of(source)
    if name not in parts[0].columns.names:
        return None
    kind = parts[0].columns.field(name).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_timestamp(kind):
        return kind.tz
    if not _may_be_text(kind) or isinstance(source, pa.RecordBatchReader):
        return None
    for raw in parts[0].read(GLANCE):
        text = plain(raw.rows.column(name))
        return "UTC" if is_text(text.type) and has_offsets(as_words(text)) else None
    return None


def _may_be_text(kind: pa.DataType) -> bool:
    return is_text(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
