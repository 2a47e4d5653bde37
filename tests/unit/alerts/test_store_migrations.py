"""The tables as the migrations make them, and rows as they outlive upgrades."""

from __future__ import annotations

import json
import logging
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from importlib.resources import files

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from made_up_rows import a_run, alerts, an_alert, case_of
from sqlalchemy import Engine, inspect, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

import anomaly_cl.alerts.upgrade as upgrade_module
from anomaly_cl.alerts.connection import make_engine
from anomaly_cl.alerts.identity import entity_text
from anomaly_cl.alerts.location import store_url
from anomaly_cl.alerts.models import Base, Case
from anomaly_cl.alerts.store import open_store
from anomaly_cl.alerts.upgrade import configuration
from anomaly_cl.errors import InputError

LATER = '''
import sqlalchemy as sa
from alembic import op

revision, down_revision = "0003", "0002"

def upgrade():
    copied = "always" if op.get_bind().dialect.name == "sqlite" else "never"
    with op.batch_alter_table("runs", recreate=copied) as runs:
        runs.add_column(sa.Column("version", sa.Integer, nullable=False, server_default="1"))
    op.create_table("teams", sa.Column("id", sa.Integer, primary_key=True))
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
    """Adds revision 0003, which copies the table `runs` and adds a table."""
    def add(ending: str = "") -> None:
        shutil.copytree(str(files("anomaly_cl.alerts") / "migrations"), tmp_path / "scripts")
        (tmp_path / "scripts" / "versions" / "0003_later.py").write_text(LATER.format(ending=ending))
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
                "columns": {column["name"]: {**column, "type": repr(column["type"])}
                            for column in inspector.get_columns(table)},
                "key": inspector.get_pk_constraint(table)["constrained_columns"],
                "foreign": sorted((key["constrained_columns"], key["referred_table"], key["referred_columns"])
                                  for key in inspector.get_foreign_keys(table)),
                "indexes": sorted((index["name"], index["column_names"], index["unique"],
                                   str(index["dialect_options"].get(f"{engine.dialect.name}_where")))
                                  for index in inspector.get_indexes(table)),
                "unique": sorted((key["name"], key["column_names"]) for key in inspector.get_unique_constraints(table)),
                "checks": inspector.get_check_constraints(table),
            }
            for table in sorted(set(inspector.get_table_names()) - {"alembic_version"})
        }


def rows(engine: Engine, *tables: str) -> dict:
    with engine.connect() as connection:
        return {table: [dict(row) for row in connection.execute(text(f"SELECT * FROM {table} ORDER BY id")).mappings()]
                for table in ("runs", "alerts", "verdicts", *tables)}


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
    assert sorted(migrated) == ["alerts", "case_events", "cases", "entity_pasts", "models", "runs", "saved_filters",
                                "signals", "suppressions", "verdicts"]


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


OLD_ALERTS = {  # id: entities, verdict, risk, day of August 2018
    "a": ({"customer": "C-1", "terminal": "T-1"}, None, 40.0, 3),
    "b": ({"customer": "C-1", "terminal": "T-2"}, "fraud", 90.0, 2),
    "c": ({"customer": None, "terminal": "T-1"}, "unsure", 30.0, 4),
    "d": ({"customer": 7, "terminal": "T-1"}, "legitimate", 20.0, 5),
    "e": ({"customer": None, "terminal": None}, None, 10.0, None),
    "f": ({}, "fraud", 11.0, 6),
    "g": ({"customer": "x" * 600}, None, 12.0, 7),
    "h": ({"customer": True}, None, 13.0, 8),
    "i": ({"customer": 7, "terminal": "T-9"}, "fraud", 21.0, 1),
}


def fill_as_an_old_program(engine: Engine) -> None:
    """Rows in the tables of revision 0001."""
    moment = "2018-08-0{} 01:02:03.456789"
    with engine.begin() as connection:
        connection.execute(text(
            "INSERT INTO runs VALUES ('run', 'model', 'week.parquet', 'hash', '', 'alpha=0.01', 10, 9, 1, 9, "
            """'{"days": []}', '2018-08-09 00:00:00')"""))
        for row, (name, (entities, verdict, risk, day)) in enumerate(OLD_ALERTS.items()):
            connection.execute(
                text("INSERT INTO alerts VALUES (:id, 'run', :row, :key, :name, :at, 1.5, 0.5, 0.25, :risk, NULL, "
                     """:entities, '{"amount": 1.25}', '{}', '[]', '[]', :verdict, '2018-08-09 00:00:00')"""),
                {"id": name, "row": row, "key": f"TX-{name}", "name": name, "risk": risk, "verdict": verdict,
                 "at": day and moment.format(day), "entities": json.dumps(entities)})
            if verdict:
                connection.execute(text("INSERT INTO verdicts (alert_id, verdict, note, author, created_at) "
                                        "VALUES (:id, :verdict, 'why', 'ann', '2018-08-10 00:00:00')"),
                                   {"id": name, "verdict": verdict})


def test_upgrading_from_the_first_revision_keeps_every_row(url, empty):
    run_command(empty, "upgrade", "0001")
    fill_as_an_old_program(empty)
    before = rows(empty)
    assert [len(before[table]) for table in before] == [1, 9, 5]
    with open_store(url) as store:
        after = rows(store.engine)
        for table, kept in before.items():
            assert [{name: new[name] for name in old} for old, new in zip(kept, after[table], strict=True)] == kept
        assert {verdict["reason"] for verdict in after["verdicts"]} == {""}
    run_command(empty, "downgrade", "0001")
    assert rows(empty) == before
    run_command(empty, "upgrade", "head")
    run_command(empty, "downgrade", "base")
    assert description(empty) == {}


def test_alerts_of_the_first_revision_are_in_the_cases_that_they_would_have_joined(url, empty):
    run_command(empty, "upgrade", "0001")
    fill_as_an_old_program(empty)
    with open_store(url) as store, Session(store.engine) as session:
        told = {}
        for case in session.scalars(select(Case)):
            assert all((alert.entity_column or "", alert.entity or alert.id) == (case.entity_column, case.entity)
                       for alert in case.alerts)
            assert (case.version, case.assignee, case.opened_at) == (1, None, datetime(2018, 8, 9))
            told["".join(sorted(alert.id for alert in case.alerts))] = (
                case.entity_column, case.entity, case.state, case.verdict, case.alerts_shown, case.alerts_open,
                case.risk, case.first_at and case.first_at.day, case.last_at and case.last_at.day)
        assert told == {
            "ab": ("customer", "C-1", "in review", "fraud", 2, 1, 90.0, 2, 3),
            "c": ("terminal", "T-1", "in review", "unsure", 1, 0, 30.0, 4, 4),
            "di": ("customer", "7", "closed", "fraud", 2, 0, 21.0, 1, 5),
            "e": ("", "e", "new", None, 1, 1, 10.0, None, None),
            "f": ("", "f", "closed", "fraud", 1, 0, 11.0, 6, 6),
            "g": ("customer", entity_text("x" * 600), "new", None, 1, 1, 12.0, 7, 7),
            "h": ("customer", "true", "new", None, 1, 1, 13.0, 8, 8),
        }
        run = a_run()
        store.add_run(run, [an_alert(run, 1, entity_column="customer", entity="C-1"),
                            an_alert(run, 2, entity_column="customer", entity="7")])
        session.rollback()
        assert {case.entity: case.alerts_shown for case in session.scalars(select(Case).where(Case.state != "closed"))
                if case.entity in ("C-1", "7")} == {"C-1": 3, "7": 1}


@pytest.mark.parametrize("table", ["verdicts", "case_events", "suppressions"])
def test_what_is_append_only_still_is_after_an_upgrade(url, empty, table):
    run_command(empty, "upgrade", "0001")
    fill_as_an_old_program(empty)
    with open_store(url) as store:
        case = case_of(store, "a")
        store.add_note(case, "a note", author="ann", version=1)
        store.suppress("amount", 1.25, until=datetime(2100, 1, 1), author="ann")
        before = rows(store.engine, "case_events", "suppressions")
        with pytest.raises(DBAPIError, match="never changed or deleted"), store.engine.begin() as connection:
            connection.execute(text(f"DELETE FROM {table}"))
        assert rows(store.engine, "case_events", "suppressions") == before


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
    with pytest.raises(InputError, match="has revision 0003; upgrade anomaly_cl"):
        open_store(url)
    engine = make_engine(store_url(url))
    assert "teams" in description(engine)
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
    (tmp_path / "scripts" / "versions" / "0003_later.py").unlink()
    with open_store(url) as store, store.engine.begin() as connection:
        script = command.revision(configuration(connection), "nothing new", autogenerate=True, rev_id="0003")
    source = (tmp_path / "scripts" / "versions" / "0003_nothing_new.py").read_text()
    assert source.startswith('"""nothing new."""')
    assert script.module.down_revision == "0002"
    assert "op." not in source
