"""What an alert store holds, as it is compared with another, and new stores to write to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from sqlalchemy import create_engine, make_url, select, text
from sqlalchemy.sql.sqltypes import Integer

from anomaly_cl.alerts.models import Base
from anomaly_cl.alerts.store import open_store

Content = dict[str, list[str]]
NewStore = Callable[[], str]
WRITTEN_AT = ("created_at", "opened_at", "changed_at")


def content_of(url: str) -> Content:
    """The rows of each table as text, without what counts up and without when they were written."""
    with open_store(url) as store, store.engine.connect() as connection:
        found = {}
        for table in Base.metadata.sorted_tables:
            told = [column for column in table.columns if column.name not in ("case_id", *WRITTEN_AT)
                    and not (column.primary_key and isinstance(column.type, Integer))]
            found[table.name] = sorted(repr(tuple(row)) for row in connection.execute(select(*told)))
        return found


def sqlite_stores(folder: Path) -> NewStore:
    """Names of files that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = count()

    def new() -> str:
        path = folder / f"{next(numbers)}.sqlite"
        for left in folder.glob(f"{path.name}*"):
            left.unlink()
        return str(path)

    return new


@contextmanager
def postgres_stores(server: str) -> Iterator[NewStore]:
    """URLs of new databases of the server that a URL leads to; they are dropped in the end."""
    made: list[str] = []
    url = make_url(server)
    engine = create_engine(url, isolation_level="AUTOCOMMIT")

    def new() -> str:
        name = f"anomaly_cl_kills_{len(made)}"
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
            connection.execute(text(f"CREATE DATABASE {name}"))
        made.append(name)
        return url.set(database=name).render_as_string(hide_password=False)

    try:
        yield new
    finally:
        with engine.connect() as connection:
            for name in made:
                connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        engine.dispose()
