"""Who is at this page: the person that logged in, where login is configured; otherwise the one user of this machine."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from typing import Any

import formats
import states
import streamlit as st
from access import ROLES, Actor, Forbidden, Roles

from anomaly_cl.errors import UsageError

ROLES_FILE, LOCAL_ROLE = "ANOMALY_CL_ROLES", "ANOMALY_CL_ROLE"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
SETTINGS = ("redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url", "client_kwargs",
            "expose_tokens")


def actor() -> Actor:
    """The person at this page; where login is configured and nobody is logged in, the page ends with the way in."""
    providers = configured_providers()
    if providers is None:
        return local_user(os.environ, st.get_option("server.address"))
    if not st.user.is_logged_in:
        _ask(providers)
    try:
        return known_user(st.user.to_dict(), os.environ)
    except Forbidden as refused:
        states.say("You are not let in", states.told(refused))
        with st.container(horizontal_alignment="center"):
            st.button("Log out", icon=":material/logout:", on_click=st.logout)
        st.stop()


def configured_providers() -> list[str] | None:
    """Names of the providers in Streamlit's [auth] secrets ("" for the only one); None if there are no such secrets."""
    if not st.secrets.load_if_toml_exists() or "auth" not in st.secrets:
        return None
    section = st.secrets["auth"]
    return [name for name in section if name not in SETTINGS] or [""]


def local_user(environment: Mapping[str, str], address: str | None) -> Actor:
    """The one user of this machine, an admin unless $ANOMALY_CL_ROLE says less.

    UsageError where the server listens to others: they would all be that user.
    """
    if address not in LOOPBACK:
        raise UsageError("a dashboard without login must listen to this machine only",
                         f"it listens to {address or 'all addresses'}",
                         "start it by `anomaly-cl dashboard`, or configure login there by --secrets")
    role = environment.get(LOCAL_ROLE) or ROLES[-1]
    return _roles(environment, Roles()).local(account(), role)


def known_user(user: Mapping[str, Any], environment: Mapping[str, str]) -> Actor:
    """The person that a provider named, by the e-mail address it gives; Forbidden without a role or an address.

    An address that the provider has not verified could be anybody's.
    """
    name = user.get("email")
    if not isinstance(name, str) or not name.strip() or user.get("email_verified") in (False, "false"):
        raise Forbidden("a person is known by a verified e-mail address", f"the login gave {name or 'none'}",
                        "let the provider send one: scope \"openid email\"")
    return _roles(environment, Roles(default=None)).actor(name.strip())


def foot(who: Actor) -> None:
    """Who is here, at the end of each page, and the way out."""
    sees = "" if who.sees_private else " · private columns are hidden"
    with st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center"):
        st.caption(f"{formats.in_markdown(who.name)} · {who.role}{sees}", width="content")
        if configured_providers() is not None:
            st.button("Log out", icon=":material/logout:", type="tertiary", on_click=st.logout)


def account() -> str:
    """The operating system's name of the user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # an account without a name, as in some containers
        return "local user"


def _roles(environment: Mapping[str, str], otherwise: Roles) -> Roles:
    """The roles file is read each time, so that who is taken out of it is out."""
    path = environment.get(ROLES_FILE)
    return Roles.read(path) if path else otherwise


def _ask(providers: list[str]) -> None:
    states.say("Log in", "The alerts are shown to people who have a role in this dashboard.")
    with st.container(horizontal_alignment="center"):
        for provider in providers:
            label = f"Log in with {formats.in_markdown(provider.capitalize())}" if provider else "Log in"
            st.button(label, icon=":material/login:", type="primary", on_click=st.login,
                      args=(provider,) if provider else (), key=f"login_{provider}")
    st.stop()
