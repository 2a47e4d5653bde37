"""A scored file judged by its labels: all numbers of `anomaly-cl evaluate`, for the screen, JSON and the page."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from anomaly_cl.cli.labelled_rows import Codes, LabelledRows
from anomaly_cl.errors import UsageError
from anomaly_cl.scoring.budgets import places
from anomaly_cl.scoring.card_precision import CardPrecision, card_precision, card_precision_curve, entity_days
from anomaly_cl.scoring.daily_evaluation import (
    BudgetCurve,
    DailyAlerts,
    budget_curve,
    calendar_days,
    daily_alerts,
    shown_budgets,
)
from anomaly_cl.scoring.evaluation import Evaluation, KindRecall, evaluate, precision_recall_points, recall_by_kind
from anomaly_cl.scoring.policy import number_in
from anomaly_cl.scoring.savings import Prices, Savings

MOST_SHOWN = 300  # alerts a day up to which budgets are drawn, or three times the budget
MOST_KINDS = 20  # shown to people; JSON has all
NOT_NAMED = "(no kind)"


@dataclass(frozen=True)
class Questions:
    """What is asked for beyond the rates of the alerts: columns by role, the budget and the costs; None if not."""

    time: str | None = None
    budget: int | None = None
    entity: str | None = None
    kind: str | None = None
    costs: str | None = None
    amount: str | None = None


@dataclass(frozen=True)
class KindLine:
    """One kind of anomaly: recall by the file's alerts, and within the budget (None without one)."""

    kind: Any
    rows: int
    recall: float
    recall_within_budget: float | None


@dataclass(frozen=True)
class Curves:
    """What is drawn: precision at recall (points,), and with times the budgets; card_precision (points,) or None."""

    precision: np.ndarray
    recall: np.ndarray
    budgets: BudgetCurve | None
    card_precision: np.ndarray | None


@dataclass(frozen=True)
class Judged:
    """The answers; None for what was not asked. policy: by the file's alerts, budget: by the strangest rows a day."""

    questions: Questions
    whole: Evaluation
    policy: DailyAlerts | None
    budget: DailyAlerts | None
    cards: CardPrecision | None
    kinds: list[KindLine] | None
    saved_by_policy: Savings | None
    saved_by_budget: Savings | None
    curves: Curves
    rows_without_label: int
    rows_without_entity: int

    def as_dict(self) -> dict[str, Any]:
        """Plain data: the rates of the alerts, and under a name each what was asked for."""
        found: dict[str, Any] = {**asdict(self.whole), "rows_without_label": self.rows_without_label}
        parts = {"policy": self.policy, "budget": self.budget, "card_precision": self.cards}
        found |= {name: asdict(part) for name, part in parts.items() if part is not None}
        if self.budget is not None:
            found["budget"] = {"budget": self.questions.budget, **found["budget"]}
        if self.cards is not None:
            found["card_precision"]["rows_without_entity"] = self.rows_without_entity
        if self.kinds is not None:
            found["recall_by_kind"] = [asdict(line) for line in self.kinds]
        if self.saved_by_policy is not None:
            found["money"] = {"costs": self.price_rule(), "policy": asdict(self.saved_by_policy)}
            if self.saved_by_budget is not None:
                found["money"]["budget"] = asdict(self.saved_by_budget)
        return found

    def tables(self) -> dict[str, dict[str, Any]]:
        """Names and values under a heading each, for people."""
        shown: dict[str, dict[str, Any]] = {}
        if self.policy is not None:
            shown["The file's alerts by day"] = asdict(self.policy)
        if self.budget is not None:
            shown[f"The {self.questions.budget:,} strangest rows of each day"] = asdict(self.budget)
        if self.cards is not None:
            cards = asdict(self.cards)
            budget = cards.pop("budget")
            shown[f"Card Precision@{budget} of {self.questions.entity}"] = cards
        if self.saved_by_policy is not None:
            money = asdict(self.saved_by_policy)
            if self.saved_by_budget is not None:
                money |= {"cost_within_budget": self.saved_by_budget.cost_with_alerts,
                          "saved_within_budget": self.saved_by_budget.saved}
            shown[f"Money: {self.price_rule()}"] = {name: f"{value:,.2f}" for name, value in money.items()}
        return shown

    def kind_headings(self) -> list[str]:
        return ["kind", "rows", "recall", *(["recall within budget"] if self.budget is not None else [])]

    def kind_rows(self) -> list[list[str]]:
        """The kinds with most rows as text."""
        return [
            [NOT_NAMED if line.kind is None else str(line.kind), f"{line.rows:,}", f"{line.recall:.4g}",
             *([] if line.recall_within_budget is None else [f"{line.recall_within_budget:.4g}"])]
            for line in (self.kinds or [])[:MOST_KINDS]
        ]

    def price_rule(self) -> str:
        """What alerts and missed anomalies cost, in words."""
        if self.questions.amount is not None:
            return f"each alert costs {self.questions.costs}, a missed anomaly its {self.questions.amount}"
        false_alarm, _, missed = str(self.questions.costs).partition(":")
        return f"a false alarm costs {false_alarm}, a missed anomaly {missed}"

    def notes(self) -> list[str]:
        """What was left out, in sentences."""
        told = {"label and are left out": self.rows_without_label,
                f"{self.questions.entity} and are left out of Card Precision": self.rows_without_entity}
        notes = [f"{rows:,} rows have no {what}" for what, rows in told.items() if rows]
        if more := len((self.kinds or [])[MOST_KINDS:]):
            notes.append(f"{more:,} more kinds have fewer rows: see --json")
        return notes


def judge(rows: LabelledRows, asked: Questions) -> Judged:
    """Answer the questions about labelled rows; raises InputError or UsageError where a column or cost cannot be."""
    whole = evaluate(rows.labels, rows.scores, rows.alerts)
    days = calendar_days(rows.times(asked.time)) if asked.time else None
    place = places(rows.scores, days) if days is not None else None
    within = place < asked.budget if place is not None and asked.budget else None
    prices = _prices(rows, asked)
    entities = rows.codes(asked.entity).numbers if asked.entity else None
    budgets = cards = card_curve = None
    if place is not None:
        most = max(MOST_SHOWN, 3 * (asked.budget or 0))
        budgets = budget_curve(rows.labels, place, shown_budgets(min(most, int(place.max()) + 1)),
                               prices.worth if prices else None)
    if entities is not None and days is not None and asked.budget and budgets is not None:
        named = entities >= 0
        about = (rows.labels[named], rows.scores[named], entities[named], days[named])
        cards = card_precision(*about, asked.budget)
        card_curve = card_precision_curve(entity_days(*about), budgets.budgets)
    return Judged(
        questions=asked, whole=whole,
        policy=daily_alerts(rows.labels, rows.alerts, days) if days is not None else None,
        budget=daily_alerts(rows.labels, within, days) if within is not None and days is not None else None,
        cards=cards,
        kinds=_kinds(rows, rows.codes(asked.kind), within) if asked.kind else None,
        saved_by_policy=prices.savings(rows.alerts) if prices else None,
        saved_by_budget=prices.savings(within) if prices and within is not None else None,
        curves=Curves(*precision_recall_points(rows.labels, rows.scores), budgets, card_curve),
        rows_without_label=rows.unknown,
        rows_without_entity=0 if entities is None else int((entities < 0).sum()),
    )


def _prices(rows: LabelledRows, asked: Questions) -> Prices | None:
    if asked.costs is None:
        return None
    first, colon, second = asked.costs.partition(":")
    if asked.amount is not None:
        if colon:
            raise UsageError("with --amount a missed anomaly costs its amount, and --costs is the cost of each alert",
                             f"it is {asked.costs!r}", "write for example --costs 5, or leave out --amount")
        return Prices.by_amount(rows.labels, rows.amounts(asked.amount), number_in(float, first, "costs=5"))
    if not colon:
        raise UsageError("--costs needs two numbers, false alarm : missed anomaly, or --amount COLUMN",
                         f"it is {asked.costs!r}", "write for example --costs 5:100")
    return Prices.fixed(rows.labels, number_in(float, first, "costs=5:100"), number_in(float, second, "costs=5:100"))


def _kinds(rows: LabelledRows, kinds: Codes, within: np.ndarray | None) -> list[KindLine]:
    """Recall of each kind, the most frequent first, equal ones by name; anomalies without a kind as kind None."""
    by_alerts = recall_by_kind(rows.labels, kinds.numbers, rows.alerts)
    by_budget: dict[int, KindRecall] = {}
    if within is not None:
        by_budget = recall_by_kind(rows.labels, kinds.numbers, within)
    return [
        KindLine(None if number < 0 else kinds.values[number], found.rows, found.recall,
                 by_budget[number].recall if by_budget else None)
        for number, found in sorted(by_alerts.items(), key=lambda item: (-item[1].rows, item[0]))
    ]
