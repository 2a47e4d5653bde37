"""An explained record on the screen; record content is data, and shown as text."""

from __future__ import annotations

from datetime import datetime

from rich.markup import escape
from rich.table import Table

from anomaly_cl.batch.explain import Found
from anomaly_cl.cli.screen import output, say, say_columns
from anomaly_cl.detectors.clauses import printable, told
from anomaly_cl.detectors.explanation import Explanation

MOST_SHOWN = 10  # columns; --json has all


def say_explained(found: Found) -> None:
    """The sentence, contributions, pairs, nearest normal records beside the record, and the counterfactual."""
    explained = found.explanation
    names = " ".join(f"{printable(name)} {_cell(found.record[name], True)}" for name in found.naming)
    output.print(f"[bold]{escape(f'row {found.row_number} {names}'.strip())}[/bold]", highlight=False, soft_wrap=True)
    say(explained.sentence)
    say(f"score {explained.score:.4g}, p-value {explained.p_value:.2g}; unusual from a score of "
        f"{explained.threshold:.4g} on (p-value {explained.level:g})")
    if explained.contributions:
        say_columns("What adds to the score, in nats", ["column", "contribution", "value", "typical"], [
            [printable(each.column), f"{each.contribution:.3g}", printable(each.value or "none"),
             printable(each.typical or "none")] for each in explained.contributions[:MOST_SHOWN]])
    if explained.pairs:
        say_columns("Two columns together", ["columns", "contribution"], [
            [f"{printable(pair.a)} and {printable(pair.b)}", f"{pair.contribution:.3g}"] for pair in explained.pairs])
    if explained.neighbours:
        _say_neighbours(found)
    if explained.counterfactual is not None:
        say(explained.counterfactual.sentence)
    elif explained.unusual:
        say("No change of its columns to what normal records have makes it ordinary")
    say("")


def _say_neighbours(found: Found) -> None:
    """Columns down, records across: those that add to the score first, marked where they differ."""
    explained = found.explanation
    table = Table(box=None, pad_edge=False)
    for heading in ("column", "this record", *(f"normal {i + 1}" for i in range(len(explained.neighbours)))):
        table.add_column(heading, overflow="fold")
    for name in _order(found, explained):
        named = name in found.naming
        cells = [escape(printable(name)), escape(_cell(found.record[name], named))]
        for each in explained.neighbours:
            text = escape(_cell(each.record[name], named))
            cells.append(f"[bold yellow]{text} *[/bold yellow]" if name in each.differing else text)
        table.add_row(*cells)
    output.print("[bold]Beside the nearest normal records[/bold]", highlight=False)
    output.print(table, highlight=False)


def _order(found: Found, explained: Explanation) -> list[str]:
    reasons = [each.column for each in explained.contributions if each.column in found.record]
    return list(dict.fromkeys([*found.naming, *reasons, *found.record]))[:MOST_SHOWN + len(found.naming)]


def _cell(value: object, named: bool = False) -> str:
    """A cell on one line; keys and entities keep their digits as they are."""
    if isinstance(value, datetime):
        return value.isoformat(" ", "minutes")
    return printable(str(value)) if named and value is not None else told(value)
