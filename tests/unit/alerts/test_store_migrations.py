"""The tables as the migrations make them, and rows as they outlive upgrades."""

from __future__ import annotations

import logging
import shutil
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from made_up_rows import a_run, alerts, an_alert
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import DBAPIError

import anomaly_cl.alerts.upgrade as upgrade_module
from anomaly_cl.alerts.connection import make_engine
from anomaly_cl.alerts.location import store_url
from anomaly_cl.alerts.models import Base
from anomaly_cl.alerts.store import open_store
from anomaly_cl.alerts.upgrade import configuration
from anomaly_cl.errors import InputError

LATER = '''
import sqlalchemy as sa
from alembic import op

revision, down_revision = "0002", "0001"

def upgrade():
    copied = "always" if op.get_bind().dialect.name == "sqlite" else "never"
    with op.batch_alter_table("runs", recreate=copied) as runs:
        runs.add_column(sa.Column("version", sa.Integer, nullable=False, server_default="1"))
    op.create_table("cases", sa.Column("id", sa.Integer, primary_key=True))
    {ending}
'''


@pytest.fixture
def empty(url):
    """Engine of a database without tables, set up as for an upgrade."""
    engine = make_engine(store_url(url), upgrading=True)
    yield engine
    engine.dispose()


@pytest.fixture
def later(tmp_path, monkeypatch):
    """Adds revision 0002, which copies the table `runs` and adds a table."""
    def add(ending: str = "") -> None:
        shutil.copytree(str(files("anomaly_cl.alerts") / "migrations"), tmp_path / "scripts")
        (tmp_path / "scripts" / "versions" / "0002_later.py").write_text(LATER.format(ending=ending))
        monkeypatch.setattr(upgrade_module, "SCRIPTS", str(tmp_path / "scripts"))
    return add


def run_command(engine: Engine, name: str, revision: str) -> None:
    with engine.begin() as connection:
        getattr(command, name)(configuration(connection), revision)


def description(engine: Engine) -> dict:
    """All that the database knows of the tables."""
    with engine.connect() as connection:
        inspector = inspect(connection)
        return {
            table: {
                "columns": [{**column, "type": repr(column["type"])} for column in inspector.get_columns(table)],
                "key": inspector.get_pk_constraint(table)["constrained_columns"],
                "foreign": [(key["constrained_columns"], key["referred_table"], key["referred_columns"])
                            for key in inspector.get_foreign_keys(table)],
                "indexes": sorted((index["name"], index["column_names"]) for index in inspector.get_indexes(table)),
                "checks": inspector.get_check_constraints(table),
            }
            for table in sorted(set(inspector.get_table_names()) - {"alembic_version"})
        }


def rows(engine: Engine) -> dict:
    with engine.connect() as connection:
        return {table: [dict(row) for row in connection.execute(text(f"SELECT * FROM {table} ORDER BY id")).mappings()]
                for table in ("runs", "alerts", "verdicts")}


def seeded(url: str) -> None:
    run = a_run()
    with open_store(url) as store:
        store.add_run(run, [an_alert(run, 1, id="known"), *alerts(run, 2, 3)])
        store.add_verdict("known", "unsure", author="ann")
        store.add_verdict("known", "fraud", author="bob")


def test_the_migrations_make_what_the_models_say(empty):
    run_command(empty, "upgrade", "head")
    with empty.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    migrated = description(empty)
    run_command(empty, "downgrade", "base")
    Base.metadata.create_all(empty)
    assert description(empty) == migrated
    assert sorted(migrated) == ["alerts", "runs", "verdicts"]


def test_downgrading_to_nothing_leaves_nothing_and_can_be_undone(empty):
    run_command(empty, "upgrade", "head")
    run_command(empty, "downgrade", "base")
    assert description(empty) == {}
    run_command(empty, "upgrade", "head")
    run_command(empty, "downgrade", "base")


def test_downgrading_works_with_rows(url, empty):
    seeded(url)
    run_command(empty, "downgrade", "base")
    assert description(empty) == {}


def test_upgrading_from_the_first_revision_keeps_every_row(url, empty):
    run_command(empty, "upgrade", "0001")
    seeded(url)
    before = rows(empty)
    assert [len(before[table]) for table in before] == [1, 3, 2]
    with open_store(url) as store:
        assert rows(store.engine) == before
        with pytest.raises(DBAPIError, match="never changed or deleted"), store.engine.begin() as connection:
            connection.execute(text("DELETE FROM verdicts"))


def test_a_later_revision_that_copies_a_table_keeps_every_row_and_reference(url, later):
    seeded(url)
    with open_store(url) as store:
        before = rows(store.engine)
    later()
    with open_store(url) as store:
        after = rows(store.engine)
        assert [run.pop("version") for run in after["runs"]] == [1]
        assert after == before
        with pytest.raises(DBAPIError, match=r"(?i)foreign key"), store.engine.begin() as connection:
            connection.execute(text("DELETE FROM runs"))


def test_an_upgrade_that_fails_changes_nothing(url, later):
    seeded(url)
    with open_store(url) as store:
        before = (rows(store.engine), description(store.engine))
    later("raise ZeroDivisionError")
    with pytest.raises(ZeroDivisionError):
        open_store(url)
    engine = make_engine(store_url(url))
    assert (rows(engine), description(engine)) == before
    engine.dispose()


def test_a_store_of_a_newer_revision_is_refused_and_left_as_it_was(url, later, monkeypatch):
    with monkeypatch.context() as newer:
        newer.setattr(upgrade_module, "SCRIPTS", upgrade_module.SCRIPTS)
        later()
        open_store(url).close()
    monkeypatch.setattr(upgrade_module, "SCRIPTS", "anomaly_cl.alerts:migrations")
    with pytest.raises(InputError, match="has revision 0002; upgrade anomaly_cl"):
        open_store(url)
    engine = make_engine(store_url(url))
    assert "cases" in description(engine)
    engine.dispose()


def test_an_up_to_date_store_opens_while_another_process_writes(url):
    open_store(url).close()
    with open_store(url) as writing, writing.engine.begin() as connection:
        connection.execute(text("DELETE FROM alerts"))
        open_store(url).close()


def test_threads_that_open_a_new_store_at_once_all_get_it(url):
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(open_store, [url] * 4))
    for store in stores:
        assert rows(store.engine) == {"runs": [], "alerts": [], "verdicts": []}
        store.close()


def test_opening_leaves_the_programs_logging_alone(url):
    before = (logging.root.level, list(logging.root.handlers), logging.getLogger("anomaly_cl").disabled)
    open_store(url).close()
    assert (logging.root.level, list(logging.root.handlers), logging.getLogger("anomaly_cl").disabled) == before


def test_a_drafted_revision_is_a_module_that_changes_nothing(url, tmp_path, later, capsys):
    later()
    (tmp_path / "scripts" / "versions" / "0002_later.py").unlink()
    with open_store(url) as store, store.engine.begin() as connection:
        script = command.revision(configuration(connection), "nothing new", autogenerate=True, rev_id="0002")
    source = (tmp_path / "scripts" / "versions" / "0002_nothing_new.py").read_text()
    assert source.startswith('"""nothing new."""')
    assert script.module.down_revision == "0001"
    assert "op." not in source
