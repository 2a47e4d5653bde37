"""When, where and with what the results of a report were measured, in the words that all reports share."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib.metadata import version

import pandas as pd


def measured(frame: pd.DataFrame) -> str:
    """The first and last day of the results' column date."""
    days = sorted(frame["date"].unique())
    return f"measured {' to '.join(dict.fromkeys([days[0], days[-1]]))}"


def seeds(frame: pd.DataFrame) -> str:
    return "seeds " + ", ".join(map(str, sorted(frame["seed"].unique())))


def programs(names: Iterable[str]) -> str:
    """Versions of Python and of installed packages."""
    return f"Python {platform.python_version()}; " + ", ".join(f"{name} {version(name)}" for name in names)


def machine() -> str:
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"


def mixed_programs(frame: pd.DataFrame, remedy: str = "--again mends it") -> list[str]:
    """A line that names the models measured with several states of the program, if there are any, and what helps."""
    states = frame.groupby("model")["code"].nunique()
    mixed = sorted(states[states > 1].index)
    return [f"measured with more than one state of the program: {', '.join(mixed)} ({remedy})"] if mixed else []
