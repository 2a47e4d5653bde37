"""What an alert store holds, as it is compared with another, and new stores to write to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Boolean, DateTime, MetaData, create_engine, select
from sqlalchemy.sql.sqltypes import Integer

from anomaly_cl.alerts.models import Base
from anomaly_cl.alerts.store import open_store

Content = dict[str, list[str]]


def content_of(url: str) -> Content:
    """The rows of each table as text, without what counts up and when it was written."""
    with open_store(url) as store, store.engine.connect() as connection:
        found = {}
        for table in Base.metadata.sorted_tables:
            told = [column for column in table.columns if not (
                column.name == "case_id" or (column.primary_key and isinstance(column.type, Integer))
                or (column.name.endswith("_at") and column.name != "occurred_at"))]
            found[table.name] = sorted(repr(tuple(row)) for row in connection.execute(select(*told)))
        return found
