"""Brings a store's tables to the newest revision of `migrations/`.

A new revision is a file in `migrations/versions`; its first draft comes from
`alembic.command.revision(configuration(connection), message, autogenerate=True)`.
"""

from __future__ import annotations

from threading import Lock

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from anomaly_cl.alerts.connection import make_engine
from anomaly_cl.alerts.location import shown
from anomaly_cl.errors import InputError

SCRIPTS = "anomaly_cl.alerts:migrations"
_one_at_a_time = Lock()  # Alembic keeps the migration under way in module globals


def configuration(connection: Connection | None = None) -> Config:
    """Settings for Alembic's commands, which work on this connection and within its transaction; no file is read."""
    config = Config()
    config.set_main_option("script_location", SCRIPTS)
    config.attributes["connection"] = connection
    return config


def upgrade(engine: Engine) -> None:
    """Create the tables, or change them in one transaction, keeping every row; nothing to do takes no lock.

    Raises InputError if the store has a revision that is not known here.
    """
    scripts = ScriptDirectory.from_config(configuration())
    with engine.connect() as connection:
        if _is_newest(connection, scripts):
            return
    upgrading = make_engine(engine.url, upgrading=True)
    try:
        with _one_at_a_time, upgrading.begin() as connection:
            if connection.dialect.name == "postgresql":  # SQLite's transaction excludes others from its start
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('anomaly_cl.alerts'))")
            if not _is_newest(connection, scripts):
                command.upgrade(configuration(connection), "head")
    finally:
        upgrading.dispose()


def _is_newest(connection: Connection, scripts: ScriptDirectory) -> bool:
    current = set(MigrationContext.configure(connection).get_current_heads())
    if len(current) > 1 or current - {script.revision for script in scripts.walk_revisions()}:
        raise InputError("the store must be of a revision that this version of anomaly_cl knows",
                         f"{shown(connection.engine.url)} has revision {', '.join(sorted(map(str, current)))}",
                         "upgrade anomaly_cl, or give another store")
    return current == set(scripts.get_heads())
