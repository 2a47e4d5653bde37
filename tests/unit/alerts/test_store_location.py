"""Where a store may be, what is said where it may not, and that no message tells a password."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from made_up_rows import a_run, alerts

from anomaly_cl.alerts import location
from anomaly_cl.alerts.store import open_store
from anomaly_cl.errors import AnomalyCLError, InputError, UsageError

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="a folder that refuses even root: /proc")


@pytest.mark.parametrize("name", ["alerts.sqlite", "with space.db", "a%41?x=1#y.sqlite", "ü & 'quoted'.db", "plain"])
def test_a_path_is_an_sqlite_file_of_that_very_name(tmp_path, name):
    open_store(tmp_path / name).close()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes().startswith(b"SQLite format 3")


def test_a_relative_path_and_a_url_name_the_same_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = a_run()
    with open_store("alerts.sqlite") as store:
        store.add_run(run, alerts(run, 1))
    with open_store(f"sqlite:///{tmp_path / 'alerts.sqlite'}") as store:
        assert store.add_run(run, alerts(run, 1)).already_known == 1


def test_the_environment_names_the_store_where_none_is_given(tmp_path, monkeypatch):
    monkeypatch.setenv("ANOMALY_CL_STORE", str(tmp_path / "from-environment.sqlite"))
    open_store().close()
    open_store(tmp_path / "given.sqlite").close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["from-environment.sqlite", "given.sqlite"]


def test_the_default_is_in_the_users_data_folder_readable_by_that_user_only(tmp_path, monkeypatch):
    monkeypatch.setenv("ANOMALY_CL_STORE", "")
    monkeypatch.setattr(location.sys, "platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    open_store().close()
    assert (tmp_path / "data" / "anomaly_cl" / "alerts.sqlite").is_file()
    assert (tmp_path / "data" / "anomaly_cl").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("platform", "variable", "expected"), [
    ("linux", "XDG_DATA_HOME", ".local/share/anomaly_cl"),
    ("darwin", "", "Library/Application Support/anomaly_cl"),
    ("win32", "LOCALAPPDATA", "AppData/Local/anomaly_cl"),
])
def test_each_system_has_its_own_data_folder(monkeypatch, platform, variable, expected):
    monkeypatch.setattr(location.sys, "platform", platform)
    monkeypatch.delenv(variable, raising=False)
    assert location.user_data_folder() == Path.home() / expected


def test_a_default_folder_that_cannot_be_made_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.delenv("ANOMALY_CL_STORE", raising=False)
    monkeypatch.setattr(location, "user_data_folder", lambda: tmp_path / "file" / "anomaly_cl")
    with pytest.raises(InputError, match="set \\$ANOMALY_CL_STORE"):
        open_store()


@pytest.mark.parametrize(("given", "error", "rule"), [
    ("", InputError, "must be a file"),
    ("  ", InputError, "must be a file"),
    ("sqlite://", InputError, "must be a file"),
    ("sqlite:///:memory:", InputError, "must be a file"),
    ("sqlite:alerts.db", InputError, "the URL of the store must be SCHEME"),
    ("postgresql://u:secret@host:port/db", InputError, "the URL of the store must be SCHEME"),
    ("postgresql:/u:secret@host/db", InputError, "the URL of the store must be SCHEME"),
    ("postgresql://u:sec@ret@host/db", InputError, "the URL of the store must be SCHEME"),
    ("mysql://u:secret@host/db", UsageError, "must be SQLite or PostgreSQL"),
    ("nosuch://u:secret@host/db", UsageError, "must be SQLite or PostgreSQL"),
    ("postgresql+nosuch://u:secret@host/db", UsageError, "the driver of the store must be installed"),
    ("sqlite+nosuch:///x.db", UsageError, "the driver of the store must be installed"),
    ("postgresql+psycopg_async://u:secret@host/db", UsageError, "the driver of the store must be synchronous"),
    ("postgresql://u:secret@127.0.0.1:1/db?password=secret", InputError, "the store must be reachable"),
])
def test_an_address_that_cannot_be_a_store_is_refused_without_telling_the_password(tmp_path, monkeypatch, given, error,
                                                                                  rule):
    if "psycopg_async" in given or "127.0.0.1" in given:
        pytest.importorskip("psycopg", reason="psycopg is not installed")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=rule) as caught:
        open_store(given)
    for told in (str(caught.value), repr(caught.value)):
        assert "secret" not in told
        assert "ret@" not in told
    assert list(tmp_path.iterdir()) == []


def test_a_missing_driver_is_told_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UsageError, match=r"anomaly_cl\[postgres\]"):
        open_store("postgres://u:secret@host/db")


def test_a_folder_that_does_not_exist_is_not_made(tmp_path):
    with pytest.raises(InputError, match="the folder of the store must exist") as caught:
        open_store(tmp_path / "no" / "alerts.sqlite")
    assert str(tmp_path / "no") in caught.value.value
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_store(tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        open_store(tmp_path)


@on_linux
def test_a_folder_that_cannot_be_written_is_told():
    with pytest.raises(InputError, match="must be readable and writable"):
        open_store("/proc/alerts.sqlite")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_told(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match="must be readable and writable"):
            open_store(tmp_path / "alerts.sqlite")
    finally:
        tmp_path.chmod(0o700)


def test_a_store_that_can_only_be_read_says_so_when_written(tmp_path):
    run = a_run()
    open_store(tmp_path / "alerts.sqlite").close()
    with (open_store(f"sqlite:///file:{tmp_path / 'alerts.sqlite'}?mode=ro&uri=true") as store,
          pytest.raises(InputError, match="the store must be writable")):
        store.add_run(run, alerts(run, 1))


def test_a_file_that_is_no_database_is_refused_and_left_as_it_was(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_bytes(b"amount,time\n" * 1_000)
    with pytest.raises(InputError, match="must be an SQLite database") as caught:
        open_store(path)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == b"amount,time\n" * 1_000


def test_a_damaged_store_is_told(tmp_path):
    path = tmp_path / "alerts.sqlite"
    open_store(path).close()
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\xff" * (len(content) - 100))
    with pytest.raises(InputError, match="undamaged"):
        open_store(path)


def test_another_programs_database_is_refused_and_left_as_it_was(tmp_path):
    path = tmp_path / "other.sqlite"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE alerts (x INTEGER)")
    other.commit()
    with pytest.raises(InputError, match="empty or made by anomaly_cl"):
        open_store(path)
    assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("alerts",)]
    other.close()


def test_a_store_that_stays_busy_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("anomaly_cl.alerts.connection.BUSY_SECONDS", 0.01)
    run = a_run()
    with open_store(tmp_path / "alerts.sqlite") as store:
        other = sqlite3.connect(tmp_path / "alerts.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(InputError, match="must become free"):
            store.add_run(run, alerts(run, 1))
        other.close()
        assert store.add_run(run, alerts(run, 1)).added == 1


def test_errors_do_not_tell_what_records_hold(tmp_path):
    run = a_run()
    with open_store(tmp_path / "alerts.sqlite") as store:
        run.policy = None
        with pytest.raises(AnomalyCLError) as caught:
            store.add_run(run, alerts(run, 1))
    assert "4310.25" not in f"{caught.value} {caught.value.__cause__}"


def test_sqlite_is_set_up_for_many_readers_and_checked_references(tmp_path):
    with open_store(tmp_path / "alerts.sqlite") as store, store.engine.connect() as connection:
        settings = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                    for name in ("journal_mode", "busy_timeout", "foreign_keys")}
    assert settings == {"journal_mode": "wal", "busy_timeout": 30_000, "foreign_keys": 1}


def test_opening_a_store_does_not_import_torch(tmp_path):
    program = ("import sys; from anomaly_cl.alerts.store import open_store; open_store(sys.argv[1]).close(); "
               "sys.exit('torch' in sys.modules)")
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "alerts.sqlite")], check=True, cwd=Path.cwd())
