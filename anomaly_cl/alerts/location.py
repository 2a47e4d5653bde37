"""Where the alert store is: from a path or URL to an address that a database engine takes."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from anomaly_cl.errors import InputError

ENVIRONMENT = "ANOMALY_CL_STORE"
REMEDY = "give the path of an SQLite file, or a URL such as postgresql://USER:PASSWORD@HOST/DATABASE"
# The driver is named, because which one stands for "postgresql" differs between versions of SQLAlchemy.
# What is no path, but an address written wrongly: it may hold a password, so it is neither opened nor shown.
ADDRESS_LIKE = re.compile(r"://|//[^/]*@|\bpassword\s*=", re.IGNORECASE)
SCHEME = re.compile(r"[A-Za-z][\w+]+:")  # one letter is the drive of a Windows path
DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}


def store_url(given: str | Path | None = None) -> URL:
    """Address of the store: what is given, else $ANOMALY_CL_STORE, else `alerts.sqlite` in the user's data folder.

    A text without a scheme ("sqlite:", "postgresql:") is the path of an SQLite file. Only the default folder is
    created. Raises InputError for a URL that cannot be read and for a file that cannot be a store.
    """
    text = str(given if given is not None else os.environ.get(ENVIRONMENT) or _default_path())
    if "\0" in text:
        raise InputError("the store must be the name of a file", "it holds a NUL character", REMEDY)
    if not SCHEME.match(text):
        if ADDRESS_LIKE.search(text):
            raise _unreadable("this one")
        return _checked_file(URL.create("sqlite", database=os.path.expanduser(text)))
    url = _parsed(text)
    if url.get_backend_name() == "sqlite":
        return _checked_file(url)
    return url


def shown(url: URL) -> str:
    """The address for messages: no password, and no query, which may hold one too."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return url.set(query={}).render_as_string(hide_password=True)


def user_data_folder() -> Path:
    """Folder of the program in the place where the operating system keeps a user's data."""
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return base / "anomaly_cl"


def _default_path() -> Path:
    folder = user_data_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # private: alerts hold whole records
    except OSError as error:
        raise InputError("the folder of the default store must be writable", str(error),
                         f"set ${ENVIRONMENT}, or {REMEDY}") from error
    return folder / "alerts.sqlite"


def _parsed(text: str) -> URL:
    scheme = text.partition(":")[0]
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        url = None
    # An "@" left in the host is the rest of a password that had one; nothing of such a URL may be shown.
    if url is None or "@" in (url.host or ""):
        raise _unreadable(f"one that begins with {scheme!r}") from None
    return url.set(drivername=DRIVERS.get(url.drivername, url.drivername))


def _unreadable(which: str) -> InputError:
    return InputError("the URL of the store must be SCHEME://USER:PASSWORD@HOST:PORT/DATABASE",
                      f"{which} cannot be read",
                      f"write special characters of the password as %40 (@) or %2F (/), or {REMEDY}")


def _checked_file(url: URL) -> URL:
    """The URL of an SQLite file, refused where no file can be; SQLite itself would say only 'unable to open'."""
    if (url.database or "").strip() in ("", ":memory:"):
        raise InputError("the store must be a file, for other processes to read", f"found {url.database!r}", REMEDY)
    if "uri" in url.query:
        return url
    path = Path(str(url.database))
    try:
        is_folder, has_folder = path.is_dir(), path.parent.is_dir()
    except OSError as error:  # a name too long, say
        raise InputError("the store must be the name of a file", str(error), REMEDY) from error
    if is_folder:
        raise InputError("the store must be a file", f"{path} is a folder", f"give {path / 'alerts.sqlite'}, say")
    if not has_folder:
        raise InputError("the folder of the store must exist", f"there is no {path.parent}", "create it")
    return url
