"""Who is let in: the local user of this machine, or people that a provider names and the roles file knows."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import login
import pytest
import streamlit as st
from access import Actor, Forbidden
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from anomaly_cl.alerts.store import AlertStore
from anomaly_cl.cli import dashboard_access
from anomaly_cl.cli.app import app as command_line
from anomaly_cl.cli.dashboard_access import Access
from anomaly_cl.errors import AnomalyCLError, InputError, UsageError

Open = Callable[..., AppTest]
AUTH = {
    "redirect_uri": "https://alerts.example.org/oauth2callback", "cookie_secret": "c" * 64, "client_id": "dashboard",
    "client_secret": "hidden", "server_metadata_url": "https://id.example.org/.well-known/openid-configuration",
}


@pytest.fixture
def roles_file(tmp_path: Path) -> Path:
    path = tmp_path / "roles.yaml"
    path.write_text("users: {ann@example.org: analyst}\nprivate: [admin]\n")
    return path


def written(path: Path, **changed: Any) -> Path:
    lines = [f'{name} = "{value}"' for name, value in {**AUTH, **changed}.items() if value is not None]
    path.write_text("[auth]\n" + "\n".join(lines))
    return path


@pytest.mark.parametrize(("environment", "role", "sees"), [
    ({}, "admin", True), ({"ANOMALY_CL_ROLE": "viewer"}, "viewer", False), ({"ANOMALY_CL_ROLE": ""}, "admin", True),
])
def test_the_local_user_is_the_account_with_the_role_of_the_environment(
    environment: dict[str, str], role: str, sees: bool
) -> None:
    assert login.local_user(environment, "127.0.0.1") == Actor(login.account(), role, sees)


@pytest.mark.parametrize("address", [None, "", "0.0.0.0", "192.168.1.7", "alerts.example.org"])
def test_nobody_is_the_local_user_of_a_server_that_listens_to_others(address: str | None) -> None:
    with pytest.raises(UsageError, match="this machine only"):
        login.local_user({}, address)


def test_a_person_is_known_by_the_verified_address_and_the_roles_file(roles_file: Path) -> None:
    environment = {"ANOMALY_CL_ROLES": str(roles_file)}
    assert login.known_user({"email": "Ann@example.org"}, environment) == Actor("Ann@example.org", "analyst", False)


@pytest.mark.parametrize("user", [
    {}, {"email": None}, {"email": " "}, {"name": "ann@example.org"}, {"email": "eve@example.org"},
    {"email": "ann@example.org", "email_verified": False}, {"email": "ann@example.org", "email_verified": "false"},
])
def test_others_are_not_let_in(roles_file: Path, user: dict[str, Any]) -> None:
    with pytest.raises(Forbidden):
        login.known_user(user, {"ANOMALY_CL_ROLES": str(roles_file)})


def test_without_a_roles_file_a_login_opens_nothing() -> None:
    with pytest.raises(Forbidden):
        login.known_user({"email": "ann@example.org"}, {"ANOMALY_CL_ROLE": "admin"})


class FakeUser:
    """What Streamlit gives as st.user."""

    def __init__(self, **claims: Any):
        self.claims, self.is_logged_in = claims, bool(claims)

    def to_dict(self) -> dict[str, Any]:
        return self.claims


def shown(app: AppTest) -> str:
    assert not app.exception
    return "".join(element.proto.body for element in app.get("html")) + "".join(one.value for one in app.caption)


@pytest.mark.parametrize("page", ["", "page_queue.py", "page_map.py", "page_series.py", "page_model.py"])
def test_nothing_of_the_store_is_shown_before_login(
    open_page: Open, believable: AlertStore, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    monkeypatch.setattr(login, "configured_providers", lambda: [""])
    monkeypatch.setattr(st, "user", FakeUser())
    app = open_page(believable, page)
    assert "<h2>Log in</h2>" in shown(app)
    assert [button.label for button in app.button] == ["Log in"]
    assert not any([app.metric, app.dataframe, app.selectbox, app.get("plotly_chart")])


@pytest.mark.parametrize(("email", "let_in"), [("ann@example.org", True), ("eve@example.org", False)])
def test_only_who_is_in_the_roles_file_comes_in(
    open_page: Open, believable: AlertStore, monkeypatch: pytest.MonkeyPatch, roles_file: Path, email: str, let_in: bool
) -> None:
    monkeypatch.setenv("ANOMALY_CL_ROLES", str(roles_file))
    monkeypatch.setattr(login, "configured_providers", lambda: ["google", "company"])
    monkeypatch.setattr(st, "user", FakeUser(email=email))
    app = open_page(believable)
    assert bool(app.metric) == let_in
    assert ("You are not let in" in shown(app)) != let_in
    assert "Log out" in [button.label for button in app.button]


def test_a_roles_file_that_means_nothing_closes_the_dashboard(
    open_page: Open, believable: AlertStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "roles.yaml"
    path.write_text("users: [ann]")
    monkeypatch.setenv("ANOMALY_CL_ROLES", str(path))
    app = open_page(believable)
    assert "The dashboard cannot tell who you are" in shown(app)
    assert not app.metric


@pytest.fixture
def with_authlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard_access.importlib.util, "find_spec", lambda name: name)


def test_another_address_needs_login() -> None:
    with pytest.raises(UsageError, match="without login"):
        Access(address="0.0.0.0").options()


@pytest.mark.usefixtures("with_authlib")
def test_with_login_the_server_listens_where_it_is_told(tmp_path: Path, roles_file: Path) -> None:
    secrets = written(tmp_path / "secrets.toml")
    access = Access(roles_file, None, secrets, "0.0.0.0")
    assert {"--server.address=0.0.0.0", f"--secrets.files={secrets}", "--server.allowedHosts=alerts.example.org"} < set(
        access.options())
    assert access.environment() == {"ANOMALY_CL_ROLES": str(roles_file)}
    assert access.shown_at(8501) == "https://alerts.example.org"
    assert access.reached_at == "127.0.0.1"


@pytest.mark.usefixtures("with_authlib")
@pytest.mark.parametrize(("missing", "rule"), [
    ({"redirect_uri": None}, "redirect_uri"), ({"redirect_uri": "https://alerts.example.org/"}, "redirect_uri"),
    ({"cookie_secret": "short"}, "cookie_secret"), ({"client_id": None}, "client_id"),
    ({"server_metadata_url": None}, "server_metadata_url"),
])
def test_login_that_cannot_work_is_refused_before_the_start(
    tmp_path: Path, roles_file: Path, missing: dict[str, Any], rule: str
) -> None:
    with pytest.raises(UsageError, match=rule) as refused:
        Access(roles_file, None, written(tmp_path / "secrets.toml", **missing)).options()
    assert not any(secret in str(refused.value) for secret in ("hidden", "cccc"))


@pytest.mark.usefixtures("with_authlib")
def test_login_needs_a_roles_file_and_takes_no_local_role(tmp_path: Path, roles_file: Path) -> None:
    secrets = written(tmp_path / "secrets.toml")
    for access in (Access(secrets=secrets), Access(roles_file, "admin", secrets), Access(tmp_path / "none")):
        with pytest.raises(AnomalyCLError):
            access.options()
    secrets.write_text("[auth")
    with pytest.raises(InputError, match="readable TOML"):
        Access(roles_file, None, secrets).options()


@pytest.mark.skipif(importlib.util.find_spec("authlib") is not None, reason="Authlib is installed here")
def test_login_without_authlib_names_the_extra(tmp_path: Path, roles_file: Path) -> None:
    with pytest.raises(UsageError, match=r"anomaly_cl\[login\]"):
        Access(roles_file, None, written(tmp_path / "secrets.toml")).options()


def test_the_command_line_refuses_to_open_the_dashboard_to_others() -> None:
    answer = CliRunner().invoke(command_line, ["dashboard", "--address", "0.0.0.0"])
    assert answer.exit_code
    assert "without login" in f"{answer.output} {answer.exception}"
