"""Passwords of stores and of logins: where they could be shown, they are not."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import make_url
from typer.testing import CliRunner

from anomaly_cl.alerts import store as stores
from anomaly_cl.alerts.location import shown
from anomaly_cl.alerts.store import open_store
from anomaly_cl.batch.score import score_file
from anomaly_cl.cli import app as commands
from anomaly_cl.cli import dashboard
from anomaly_cl.cli.dashboard_access import Access
from anomaly_cl.detectors.tabular import TabularDetector
from anomaly_cl.errors import AnomalyCLError, InputError, UsageError

PASSWORD = "hun7er2"
URL = f"postgresql://bob:{PASSWORD}@127.0.0.1:1/alerts"
WRITTEN_WRONGLY = [
    f"postgresql//bob:{PASSWORD}@host/db", f"postgres ql://bob:{PASSWORD}@host/db", f" {URL}", f"\t{URL}",
    f"host=localhost password={PASSWORD}", f"host=localhost PASSWORD = {PASSWORD}", f"://bob:{PASSWORD}@host/db",
    f"//bob:{PASSWORD}@host/db", f"jdbc:postgresql://host/db?password={PASSWORD}", f"1://bob:{PASSWORD}@host",
    f"postgresql://bob:{PASSWORD}@host:port/db", f"postgresql:bob:{PASSWORD}@host", f"mysql://bob:{PASSWORD}@host/db",
    f"postgresql+none://bob:{PASSWORD}@host/db", f"postgresql://bob:@{PASSWORD}@host/db",
]


@pytest.mark.parametrize("given", WRITTEN_WRONGLY)
def test_an_address_written_wrongly_is_not_told_and_makes_no_file(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AnomalyCLError) as refused:
        open_store(given)
    assert PASSWORD not in str(refused.value) + repr(refused.value) + repr(refused.value.__cause__)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["alerts.sqlite", "a@b.sqlite", "my passwords.sqlite", "a=b.sqlite"])
def test_a_path_is_a_path(path: str, tmp_path: Path) -> None:
    with open_store(tmp_path / path):
        assert (tmp_path / path).exists()


@pytest.mark.parametrize("arguments", [
    ["verdicts", "--out", "labels.csv", "--store"], ["score", "model", "rows.parquet", "--out", "s.parquet", "--store"],
    ["confirm", "model", "rows.parquet", "--history", "rows.parquet", "--out", "m", "--store"],
    ["score", "model", "rows.parquet", "--out", "s.parquet", "--verdicts-of"],
])
@pytest.mark.parametrize("given", [URL, f"postgresql//bob:{PASSWORD}@host/db"])
def test_no_command_shows_a_password(
    arguments: list[str], given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Path
) -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").symlink_to(model)
    rows().to_pandas().to_parquet("rows.parquet")
    ended = CliRunner().invoke(commands.app, [*arguments, given])
    assert isinstance(ended.exception, AnomalyCLError)
    assert PASSWORD not in ended.output + str(ended.exception)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "rows.parquet"]


def test_help_shows_no_password_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANOMALY_CL_STORE", URL)
    for command in ("score", "dashboard", "verdicts"):
        ended = CliRunner().invoke(commands.app, [command, "--help"])
        assert ended.exit_code == 0
        assert PASSWORD not in ended.output


def rows() -> pa.Table:
    numbers = range(60)
    return pa.table({"id": [f"r{number}" for number in numbers], "amount": [float(number % 7) for number in numbers],
                     "size": [float(number % 5) for number in numbers]})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secrets") / "model"
    TabularDetector("none", calibration="split").fit(rows()).save(folder)
    return folder


def test_what_scoring_leaves_behind_knows_no_address_of_the_store(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store is an SQLite file behind an address with a password, which no SQLite has: it is looked for after."""
    from anomaly_cl.batch import score as scoring
    from anomaly_cl.detectors.loading import load

    monkeypatch.setattr(scoring, "open_store", lambda given: stores.open_store(tmp_path / "alerts.sqlite"))
    manifest = score_file(load(model), rows(), tmp_path / "scored.parquet", policy="budget=3", store=URL)
    assert manifest["stored"]["added"] == 3
    for file in tmp_path.iterdir():
        assert PASSWORD.encode() not in file.read_bytes(), file
    assert PASSWORD not in json.dumps(manifest, default=str)


def test_the_dashboards_process_list_shows_no_address_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody on the machine may read the arguments of a process, but only its owner the environment."""
    started: list[tuple[list[str], dict[str, str]]] = []

    def start(arguments: list[str], env: dict[str, str], **_: Any) -> None:
        started.append((arguments, env))
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", start)
    with pytest.raises(KeyboardInterrupt):
        dashboard.serve(URL, None, Access())
    arguments, environment = started[0]
    assert PASSWORD not in " ".join(arguments)
    assert environment["ANOMALY_CL_STORE"] == URL


@pytest.mark.parametrize("content", [
    f"cookie_secret = {PASSWORD}", f"[auth]\ncookie_secret = '{PASSWORD}", f"[auth]\n{PASSWORD}",
    f'[auth]\ncookie_secret = "{PASSWORD}"', f'[auth]\ncookie_secret = ["{PASSWORD}"', "[auth]\nx = '\xff'",
    f'cookie_secret = "{PASSWORD}"\n', f'[auth]\nclient_secret = "{PASSWORD}"\nclient_secret = "{PASSWORD}"',
])
def test_a_broken_secrets_file_is_refused_without_its_values(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anomaly_cl.cli import dashboard_access

    monkeypatch.setattr(dashboard_access.importlib.util, "find_spec", lambda name: name)
    (tmp_path / "secrets.toml").write_bytes(content.encode("latin-1"))
    (tmp_path / "roles.yaml").write_text("default: viewer\n")
    with pytest.raises((InputError, UsageError)) as refused:
        Access(tmp_path / "roles.yaml", None, tmp_path / "secrets.toml").options()
    assert PASSWORD not in str(refused.value)


def test_an_address_is_shown_without_password_and_query() -> None:
    assert PASSWORD not in shown(make_url(f"{URL}?password={PASSWORD}&sslpassword={PASSWORD}"))
    assert "127.0.0.1" in shown(make_url(URL))


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True))


@pytest.mark.parametrize("content", [
    BOMB, f"users:\n  {BOMB.replace(chr(10), chr(10) + '  ')}", "users: &u {a: admin}\nprivate: *u\n",
    "[" * 700 + "]" * 700, "{a: " * 700, "!!python/object/apply:os.system ['touch ran']",
    "users: !!python/name:os.system", "default: !!python/object/new:os.system [touch ran]",
])
def test_a_roles_file_runs_nothing_and_stays_small(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from access import Roles

    monkeypatch.chdir(tmp_path)
    (tmp_path / "roles.yaml").write_text(content)
    with pytest.raises((InputError, UsageError)) as refused:
        Roles.read(tmp_path / "roles.yaml")
    assert len(str(refused.value)) < 1_000
    assert not (tmp_path / "ran").exists()
