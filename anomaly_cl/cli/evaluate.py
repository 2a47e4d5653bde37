"""anomaly-cl evaluate"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anomaly_cl.cli.options import Json
from anomaly_cl.cli.screen import say, say_columns, say_json, say_pairs
from anomaly_cl.errors import UsageError

if TYPE_CHECKING:
    from anomaly_cl.cli.judged import Judged
    from anomaly_cl.cli.judged_series import FoundSpans, SpanFigures


def evaluate(
    scored: Annotated[Path, typer.Argument(metavar="SCORED", show_default=False, help="Scored file.")],
    label: Annotated[str, typer.Option(metavar="COLUMN", help="Column of labels, 1 = anomaly and 0 = normal.")],
    labels: Annotated[Path | None, typer.Option(
        metavar="FILE", help="File with the labels and other columns, joined by key; without it the scored file must "
        "have kept them.")] = None,
    key: Annotated[str | None, typer.Option(metavar="COLUMN", help="Column that both files share.")] = None,
    time: Annotated[str | None, typer.Option(
        metavar="COLUMN", help="Column of times: adds alerts a day. Days are those of the clock as written.")] = None,
    budget: Annotated[int | None, typer.Option(
        metavar="N", help="Alerts a day that people can work through: adds what the N strangest rows of each day give. "
        "Equal scores come in file order.")] = None,
    entity: Annotated[str | None, typer.Option(
        metavar="COLUMN", help="Column of cards or customers: adds Card Precision at the budget.")] = None,
    kind: Annotated[str | None, typer.Option(
        metavar="COLUMN", help="Column that names the kind of an anomaly: adds recall by kind.")] = None,
    costs: Annotated[str | None, typer.Option(
        metavar="FALSE_ALARM:MISSED", help="Cost of a false alarm and of a missed anomaly: adds the money saved. With "
        "--amount one number, the cost of each alert.")] = None,
    amount: Annotated[str | None, typer.Option(
        metavar="COLUMN", help="Column of amounts: a missed anomaly costs its amount.")] = None,
    spans: Annotated[Path | None, typer.Option(
        metavar="FILE", show_default="SCORED.spans.parquet, if there is one",
        help="Spans of series: adds how they meet the spans of labels, and volumes under the curves (VUS).")] = None,
    html: Annotated[Path | None, typer.Option(
        metavar="FILE", help="Write the curves (precision and recall, budgets, money) as one page.")] = None,
    json: Json = False,
) -> None:
    """Compare a scored file with labels that are known afterwards.

    Example: `anomaly-cl evaluate july.parquet --label is_fraud --labels july_labels.csv`

    As fraud teams do: `anomaly-cl evaluate july.parquet --label is_fraud --entity customer_id --time booked_at
    --budget 100 --kind fraud_kind --costs 5 --amount amount --html july.html`

    Series: `anomaly-cl evaluate sensors.parquet --label is_anomaly --kind anomaly_kind`
    """
    from anomaly_cl.cli.judged import Questions, judge
    from anomaly_cl.cli.judged_series import judge_series
    from anomaly_cl.cli.labelled_rows import read_labelled

    _check(time, budget, entity, costs, amount)
    found = _spans_of(scored, spans)
    columns = [name for name in (time, entity, kind, amount) if name]
    rows = read_labelled(scored, labels, label, key, [*columns, *(found.columns if found else [])])
    judged = judge(rows, Questions(time, budget, entity, kind, costs, amount))
    series = None if found is None else judge_series(rows, found, kind)
    if html is not None:
        from anomaly_cl.cli.evaluation_page import page
        from anomaly_cl.table.write import write_text

        write_text(html, page(f"{scored} against {label}", judged))
    if json:
        return say_json(judged.as_dict() | ({"spans": series.as_dict()} if series else {}))
    _say(f"{scored} against {label}", judged)
    if series is not None:
        _say_series(series, kind)
    if html is not None:
        say(f"curves in {html}")
    return None


def _spans_of(scored: Path, spans: Path | None) -> FoundSpans | None:
    """The spans of a file, or those beside the scored one; None if there are none."""
    from anomaly_cl.batch.outputs import spans_beside
    from anomaly_cl.cli.judged_series import read_spans

    beside = spans_beside(scored)
    if spans is None and not beside.exists():
        return None
    return read_spans(spans or beside)


def _check(time: str | None, budget: int | None, entity: str | None, costs: str | None, amount: str | None) -> None:
    """Refuse options that mean nothing without another."""
    if budget is not None and budget < 1:
        raise UsageError("a budget is a whole number of alerts a day, 1 or more", f"it is {budget}",
                         "write for example --budget 100")
    for given, option, needed, lacking in (
        (budget, "--budget counts alerts a day and", "--time COLUMN", time is None),
        (entity, "--entity asks for Card Precision and", "--time COLUMN", time is None),
        (entity, "--entity asks for Card Precision and", "--budget N", budget is None),
        (amount, "--amount is what a missed anomaly costs and", "--costs N, the cost of each alert", costs is None),
    ):
        if given is not None and lacking:
            raise UsageError(f"{option} needs {needed}", "it is not given", "add it")


def _say(title: str, judged: Judged) -> None:
    say_pairs(title, asdict(judged.whole))
    for heading, pairs in judged.tables().items():
        say("")
        say_pairs(heading, pairs)
    if judged.kinds is not None:
        say("")
        say_columns(f"Recall by {judged.questions.kind}", judged.kind_headings(), judged.kind_rows())
    for note in judged.notes():
        say(note)


def _say_series(series: SpanFigures, kind: str | None) -> None:
    say("")
    say_pairs("Spans of alerts against spans of labels", series.pairs())
    if series.recall_by_kind:
        say("")
        say_columns(f"Recall of spans by {kind}", ("kind", "recall"),
                    [(name or "(no kind)", f"{share:.4g}") for name, share in series.recall_by_kind.items()])
