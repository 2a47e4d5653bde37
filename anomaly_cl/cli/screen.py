"""What the commands print with: results on standard output, progress and errors on standard error."""

from __future__ import annotations

import json
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from anomaly_cl.errors import PolicyWarning

CONTROL = ("Cc", "Cs")  # Unicode's categories of control characters and surrogates
# what turns the direction of text
TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class DataConsole(Console):
    """A console for texts from data: what would steer the terminal is written out, as \\x1b."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(written_out(text), **options)


def written_out(text: str) -> str:
    r"""The text with what controls a terminal, or turns the direction of text, as escapes; line breaks and tabs stay.

    >>> print(written_out("a\x1b[31mb"))
    a\x1b[31mb
    """
    return "".join(character if character in "\n\t" or not (
        character in TURNING or unicodedata.category(character) in CONTROL)
        else character.encode("unicode_escape").decode() for character in text)


output = DataConsole()
errors = DataConsole(stderr=True)


@contextmanager
def progress(text: str) -> Iterator[Callable[[int], None]]:
    """Show a growing number of rows on a terminal, nothing in a pipe."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,} rows"),
               TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task(text, total=None)
        yield lambda rows: bar.update(task, completed=rows)


@contextmanager
def policy_warnings() -> Iterator[None]:
    """Say warnings about the policy as plain lines on standard error; others stay as they are."""
    with warnings.catch_warnings():
        warnings.filterwarnings("always", category=PolicyWarning)
        shown = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, PolicyWarning):
                note(str(message))
            else:
                shown(message, category, *where, **more)

        warnings.showwarning = show
        yield


@contextmanager
def steps(text: str) -> Iterator[Callable[[str], None]]:
    """Show the step of a long task on a terminal, nothing in a pipe."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task(text, total=None)
        yield lambda step: bar.update(task, description=f"{text}: {escape(step)}")


def note(text: str) -> None:
    """A line beside the result, on standard error."""
    errors.print(f"note: {text}", markup=False, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """A line of result; its text is never read as markup."""
    output.print(text, markup=False, highlight=False, soft_wrap=True)


def say_json(content: Any) -> None:
    """A result for other programs."""
    print(json.dumps(content, indent=2, ensure_ascii=False, default=str))


def say_pairs(title: str, pairs: Mapping[str, Any]) -> None:
    """A title, then names and values in two columns; four significant digits, counts with separators."""
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in pairs.items():
        table.add_row(name.replace("_", " "), escape(shown(value)))
    output.print(f"[bold]{escape(title)}[/bold]", highlight=False, soft_wrap=True)
    output.print(table, highlight=False)


def say_columns(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A title, then lines of cells under headings; all but the first column are numbers."""
    table = Table(box=None, pad_edge=False)
    for place, heading in enumerate(headings):
        table.add_column(escape(heading), justify="right" if place else "left")
    for row in rows:
        table.add_row(*map(escape, row))
    output.print(f"[bold]{escape(title)}[/bold]", highlight=False, soft_wrap=True)
    output.print(table, highlight=False)


def shown(value: Any) -> str:
    """A number with four significant digits, a count with separators, other values as text."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
