"""Filters of the queue that people keep under a name."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete

from anomaly_cl.alerts.cases import INSERTS
from anomaly_cl.alerts.models import Base
from anomaly_cl.alerts.people import author_name, free_text, short_name
from anomaly_cl.errors import UsageError

TABLE = Base.metadata.tables["saved_filters"]


def save_filter(connection: Connection, name: str, query: str, author: str, now: datetime) -> int:
    """Keep a filter, in place of the author's own of that name; gives its id."""
    values = {"name": short_name(name, "a filter's name"), "author": author_name(author, "a filter"),
              "query": free_text(query, "a filter"), "created_at": now}
    kept = INSERTS[connection.dialect.name](TABLE).values(**values).on_conflict_do_update(
        index_elements=["author", "name"], set_={"query": values["query"], "created_at": now})
    return connection.execute(kept.returning(TABLE.c.id)).scalar_one()


def delete_filter(connection: Connection, filter_id: int, author: str) -> None:
    """Take a filter away, also another's: who may do that is for the caller to know."""
    author_name(author, "the deletion of a filter")
    if not connection.execute(delete(TABLE).where(TABLE.c.id == filter_id)).rowcount:
        raise UsageError("a filter must be in the store", f"there is none with id {filter_id}",
                         "take its id from the store")
