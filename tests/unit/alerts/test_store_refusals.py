"""Stores that cannot be: told in words, in bounded time."""

import socket
import sqlite3

import pytest

from anomaly_cl.alerts import connection
from anomaly_cl.alerts.store import open_store
from anomaly_cl.errors import InputError


def test_a_name_too_long_for_a_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="must be the name of a file"):
        open_store(tmp_path / ("a" * 300) / "alerts.sqlite")


@pytest.mark.parametrize("values", ["('0001'), ('0002')", "(1), (NULL)"])
def test_revisions_that_no_store_has_are_refused(tmp_path, values):
    path = tmp_path / "alerts.sqlite"
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE alembic_version (version_num)")
        raw.execute(f"INSERT INTO alembic_version VALUES {values}")
    raw.close()
    with pytest.raises(InputError, match="must be of a revision"):
        open_store(path)


def test_a_server_that_never_answers_is_not_waited_for_without_end(monkeypatch):
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    monkeypatch.setattr(connection, "ANSWER_SECONDS", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(InputError, match="must be reachable") as told:
        open_store(f"postgresql://ann:hidden@127.0.0.1:{silent.getsockname()[1]}/alerts")
    assert "hidden" not in str(told.value)
