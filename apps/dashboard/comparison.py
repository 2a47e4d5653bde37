"""The record beside what is typical and its nearest normal rows: one table, cells that differ are marked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from case_queries import AlertDetails, HistoryLine
from formats import MISSING, cell, in_html, when

from anomaly_cl.detectors.differing import FAR, HOURS_APART, differs, is_number

RULE = (f"Marked cells differ from this record: another category, a number more than {FAR:.0%} apart, or a time of day "
        f"more than {HOURS_APART:.0f} hours away. Keys and entities are not compared.")


def columns_in_order(alert: AlertDetails) -> list[str]:
    """Key and entities first, then the columns that stand out, strongest first, then the others in file order."""
    names = [name for name in alert.record if is_name(alert, name)]
    reasons = [reason["column"] for reason in alert.reasons]
    return list(dict.fromkeys([*names, *(name for name in reasons if name in alert.record), *alert.record]))


def is_name(alert: AlertDetails, column: str) -> bool:
    """Whether the column names the record or its entities, so that comparing it says nothing."""
    return column in alert.entities or (alert.key is not None and str(alert.record[column]) == alert.key)


def comparison_table(alert: AlertDetails, columns: Sequence[str]) -> str:
    """HTML of the comparison; every value is escaped."""
    heads = ["This record", "Typical", *(f"Normal {i}" for i in range(1, len(alert.neighbours) + 1))]
    rows = [_row(alert, column) for column in columns]
    head = "".join(f"<th scope='col' class='{'this' if i == 0 else ''}'>{text}</th>" for i, text in enumerate(heads))
    return (f"<div class='wide'><table class='comparison'><thead><tr><th scope='col'>Column</th>{head}</tr></thead>"
            f"<tbody>{''.join(rows)}</tbody></table></div>")


def _row(alert: AlertDetails, column: str) -> str:
    value, named = alert.record[column], is_name(alert, column)
    others = [alert.typical.get(column), *(row.get(column) for row in alert.neighbours)]
    number = any(map(is_number, (value, *others))) and not named
    # "Typical" may have nothing to say of a column; that is not a difference.
    marks = [not named and differs(value, other) for other in others]
    marks[0] = marks[0] and column in alert.typical and alert.typical[column] is not None
    stands_out = any(reason["column"] == column for reason in alert.reasons)
    cells = [_cell(value, named, number, "this reason" if stands_out else "this")]
    cells += [_cell(other, named, number, "differs" if mark else "") for other, mark in zip(others, marks, strict=True)]
    return f"<tr><th scope='row'>{in_html(column)}</th>{''.join(cells)}</tr>"


def _cell(value: Any, named: bool, number: bool, classes: str) -> str:
    text = in_html(cell(value, name=named))
    shade = "missing" if text == MISSING else ""
    return f"<td class='{classes} {'number' if number else ''} {shade}' title='{text}'>{text}</td>"


def history_table(lines: Iterable[HistoryLine]) -> str:
    """HTML of what people did, newest first; every value is escaped."""
    return f"<ol class='history'>{''.join(map(_event, lines))}</ol>"


def _event(line: HistoryLine) -> str:
    value = in_html(line.value or "nobody")
    what = {
        "verdict": f"<span class='verdict {value}'>{value}</span>",
        "state": f"<span class='verdict {value.replace(' ', '-')}'>{value}</span>",
        "assignee": f"<span class='event'>assigned to <b>{value}</b></span>",
        "note": "<span class='event'>note</span>",
    }[line.kind]
    on = f" on {in_html(line.alert)}" if line.alert else ""
    told = "".join(f"<p{classes}>{in_html(text)}</p>" for text, classes in (
        (line.reason, " class='reason'"), (line.note, "")) if text)
    return f"<li>{what}<span class='who'>{in_html(line.author)}{on} · {when(line.created_at)} UTC</span>{told}</li>"
