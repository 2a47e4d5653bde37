"""Who can reach the dashboard: this machine alone, or others after a login."""

from __future__ import annotations

import importlib.util
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from anomaly_cl.errors import InputError, UsageError

ADDRESS = "127.0.0.1"
LOOPBACK = (ADDRESS, "localhost", "::1")
CALLBACK = "/oauth2callback"
SHORTEST_SECRET = 32  # characters of the key that signs the login cookie
PROVIDER = ("client_id", "client_secret", "server_metadata_url")
EXAMPLE = "see docs/dashboard-access.md"


class LocalRole(StrEnum):
    """What the one user may do where there is no login."""

    VIEWER = "viewer"
    ANALYST = "analyst"
    ADMIN = "admin"


@dataclass(frozen=True)
class Access:
    """The roles file, the local user's role, Streamlit's secrets with [auth], and the address to listen at."""

    roles: Path | None = None
    role: str | None = None
    secrets: Path | None = None
    address: str = ADDRESS

    def environment(self) -> dict[str, str]:
        """What the dashboard reads of it."""
        given = {"ANOMALY_CL_ROLES": self.roles and str(self.roles.absolute()), "ANOMALY_CL_ROLE": self.role}
        return {name: value for name, value in given.items() if value}

    def options(self) -> list[str]:
        """Streamlit's options; UsageError where others could reach the page without a login, or login cannot work."""
        if self.roles is not None and not self.roles.is_file():
            raise InputError("the roles file must be there", f"there is no file {self.roles}", "correct the path")
        if self.secrets is None:
            if self.address not in LOOPBACK:
                raise UsageError("without login the dashboard listens to this machine only",
                                 f"--address is {self.address}",
                                 "set up login by --secrets FILE, or leave --address out")
            hosts = dict.fromkeys([self.address, ADDRESS, "localhost"])
            return [f"--server.address={self.address}", *(f"--server.allowedHosts={host}" for host in hosts)]
        public = self._login()
        hosts = dict.fromkeys([str(public.hostname), ADDRESS, "localhost"])
        return [f"--server.address={self.address}", f"--secrets.files={self.secrets.absolute()}",
                f"--browser.serverAddress={public.hostname}", *(f"--server.allowedHosts={host}" for host in hosts)]

    @property
    def reached_at(self) -> str:
        """An address of this machine at which the server answers."""
        return {"0.0.0.0": ADDRESS, "::": "::1"}.get(self.address, self.address)

    def shown_at(self, port: int) -> str:
        """The address to open in a browser."""
        if self.secrets is not None:
            public = self._login()
            return public._replace(path=public.path.removesuffix(CALLBACK)).geturl()
        return f"http://{f'[{self.address}]' if ':' in self.address else self.address}:{port}"

    def _login(self) -> Any:
        """The public address that the provider sends people back to, after the checks of all that login needs."""
        if self.role is not None:
            raise UsageError("with login, roles come from the roles file", f"--role is {self.role}", "leave it out")
        if self.roles is None:
            raise UsageError("login needs to know who may come in", "there is no --roles",
                             "give a roles file that names people by their e-mail address")
        if missing := [name for name in ("authlib", "httpx") if importlib.util.find_spec(name) is None]:
            raise UsageError("login needs Authlib and httpx", f"not installed: {', '.join(missing)}",
                             "install anomaly_cl[login]")
        section = _auth_section(self.secrets)
        public = urlsplit(str(section.get("redirect_uri", "")))
        if public.scheme not in ("http", "https") or not public.hostname or not public.path.endswith(CALLBACK):
            raise UsageError(f"[auth] needs a redirect_uri that ends in {CALLBACK}",
                             f"found {section.get('redirect_uri')!r}",
                             f"write for example https://alerts.example.org{CALLBACK}")
        if len(str(section.get("cookie_secret", ""))) < SHORTEST_SECRET:
            raise UsageError(f"[auth] needs a cookie_secret of {SHORTEST_SECRET} random characters or more",
                             f"it has {len(str(section.get('cookie_secret', '')))}",
                             "write the output of: python -c \"import secrets; print(secrets.token_hex(32))\"")
        providers = [part for part in section.values() if isinstance(part, dict) and "client_id" in part]
        if not any(all(part.get(name) for name in PROVIDER) for part in [section, *providers]):
            raise UsageError(f"[auth], or a provider's part of it, needs {', '.join(PROVIDER)}",
                             f"found {sorted(section)}", EXAMPLE)
        return public


def _auth_section(secrets: Path | None) -> dict[str, Any]:
    try:
        data = tomllib.loads(Path(str(secrets)).read_text("utf-8"))
    except (OSError, ValueError) as error:
        # the file holds secrets: the parser's message names a place, never a value
        raise InputError("the secrets file must be readable TOML", f"{secrets}: {error}", EXAMPLE) from error
    section = data.get("auth")
    if not isinstance(section, dict):
        raise UsageError("the secrets file needs a section [auth]", f"{secrets} has {sorted(data)}", EXAMPLE)
    return section
