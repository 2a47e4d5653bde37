"""A small table as HTML: every value is text, numbers stand to the right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from formats import MISSING, in_html


def plain_table(heads: Sequence[str], rows: Iterable[Sequence[str | None]], numbers: Iterable[int] = ()) -> str:
    """`numbers` are the positions of columns of numbers; the first column heads its row; None is a missing value.

    >>> plain_table(["column", "rows"], [["<b>", "3"]], [1]).count("<b>")
    0
    """
    right = set(numbers)
    head = "".join(f"<th scope='col'{_side(i, right)}>{in_html(text)}</th>" for i, text in enumerate(heads))
    body = "".join(f"<tr>{''.join(_cell(i, value, right) for i, value in enumerate(row))}</tr>" for row in rows)
    return f"<div class='wide'><table class='plain'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _cell(position: int, value: str | None, right: set[int]) -> str:
    text = in_html(MISSING if value is None else value)
    name = "td" if position else "th scope='row'"
    return f"<{name}{_side(position, right)}>{text}</{name.split()[0]}>"


def _side(position: int, right: set[int]) -> str:
    return " class='number'" if position in right else ""
