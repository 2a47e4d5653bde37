"""What another policy would have done with a run: of the stored alerts in SQL, of all rows as far as a run tells."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import policy
from queries import RunDetails, StateCounts
from sqlalchemy import ColumnElement, Engine, and_, case, func, or_, select

from anomaly_cl.alerts.models import VERDICTS, Alert
from anomaly_cl.errors import UsageError
from anomaly_cl.scoring.budgets import Budget
from anomaly_cl.scoring.costs import Cost
from anomaly_cl.scoring.fdr import Fdr, harmonic
from anomaly_cl.scoring.policy import SLACK, Policy
from anomaly_cl.scoring.thresholds import Alpha, parse_policy

PERIODS = {  # SQLite's and PostgreSQL's names for the hour, day and week (from Monday) of a time
    "sqlite": {"hour": lambda at: func.strftime("%Y-%m-%d %H", at), "day": lambda at: func.date(at),
               "week": lambda at: func.date(at, "-6 days", "weekday 1")},
    "postgresql": {name: lambda at, name=name: func.date_trunc(name, at) for name in ("hour", "day", "week")},
}


@dataclass(frozen=True)
class BackTest:
    """What a policy would have kept and left out of a run's stored alerts, and how many rows it would have alerted.

    `fewest` and `most` bound its alerts among all rows of the run; None where the run does not tell.
    """

    kept: StateCounts
    left_out: StateCounts
    fewest: int | None
    most: int | None

    @property
    def unseen(self) -> tuple[int, int] | None:
        """Bounds of the rows that it would have alerted and the store does not hold, so that nobody looked at them."""
        if self.fewest is None or self.most is None:
            return None
        return max(self.fewest - self.kept.total, 0), max(self.most - self.kept.total, 0)


def asked(text: str) -> Policy:
    """The policy of a text that can be tested on the past; UsageError for others."""
    found = parse_policy(text)
    if isinstance(found, Cost):
        raise UsageError("a back-test is of alpha, budget or fdr",
                         "a policy by cost weighs the scores of all rows, which are not in the store",
                         "score the file again with it, or write for example budget=50/day")
    return found


def backtest(engine: Engine, run: RunDetails, tested: Policy) -> BackTest:
    """Count what the policy keeps of the alerts that were stored with this run, suppressed ones too, by verdict."""
    largest = _step_up(engine, run, tested) if isinstance(tested, Fdr) else 0.0
    kept = case((_kept(engine, run, tested, largest), 1), else_=0).label("kept")
    of_run = select(func.coalesce(Alert.verdict, "open").label("state"), kept).where(Alert.run_id == run.id).subquery()
    counted = select(of_run.c.kept, of_run.c.state, func.count()).group_by(of_run.c.kept, of_run.c.state)
    with engine.connect() as store:
        found = {(bool(is_kept), state): number for is_kept, state, number in store.execute(counted)}
    inside, outside = (StateCounts(**{state: found.get((is_kept, state), 0) for state in ("open", *VERDICTS)})
                       for is_kept in (True, False))
    # alerts of an earlier run that met the same records are stored with that run
    complete = inside.total + outside.total == run.alerts_raised
    return BackTest(inside, outside, *_rows(run, tested, inside.total, complete, largest))


def _kept(engine: Engine, run: RunDetails, tested: Policy, largest: float) -> ColumnElement[bool]:
    """Condition on the run's alerts of being one under this policy, to be selected among all of them.

    `largest` is the largest p-value that a policy by the false discovery rate rejects.
    """
    if isinstance(tested, Alpha):
        return Alert.p_value <= tested.rate * SLACK
    if isinstance(tested, Fdr):
        column = Alert.p_tail if tested.tail else Alert.p_value
        return column <= largest
    assert isinstance(tested, Budget)
    of_run, order = Alert.run_id == run.id, (Alert.score.desc(), Alert.row_number)
    if tested.each is None:
        last = select(Alert.score, Alert.row_number).where(of_run).order_by(*order).limit(1).offset(tested.count - 1)
        with engine.connect() as store:
            row = store.execute(last).one_or_none()
        if row is None:  # fewer than the budget: all of them
            return Alert.score.is_not(None)
        return or_(Alert.score > row.score, and_(Alert.score == row.score, Alert.row_number <= row.row_number))
    group = (Alert.segment if tested.each == "segment"
             else PERIODS[engine.dialect.name][tested.each](Alert.occurred_at))
    return func.row_number().over(partition_by=group, order_by=order) <= tested.count


def _step_up(engine: Engine, run: RunDetails, tested: Fdr) -> float:
    """The largest p-value of the stored alerts that Benjamini and Hochberg (1995) reject among all rows of the run."""
    column = Alert.p_tail if tested.tail else Alert.p_value
    total = max(run.rows_scored, 1)
    level = tested.level / harmonic(total) if tested.arbitrary else tested.level
    as_strange = func.count().over(order_by=column)  # its own and those of a smaller or equal p-value
    ranked = select(column.label("p"), as_strange.label("k")).where(Alert.run_id == run.id).subquery()
    with engine.connect() as store:
        return store.scalar(select(func.max(ranked.c.p)).where(ranked.c.p <= level * SLACK * ranked.c.k / total)) or 0.0


def _rows(run: RunDetails, tested: Policy, kept: int, complete: bool, largest: float
          ) -> tuple[int | None, int | None]:
    """Bounds of the policy's alerts among all rows of the run, given how many of its stored ones it keeps."""
    if not run.summary.get("alerts_at"):  # not counted, or not of rows: alerts of series are spans
        return None, None
    if isinstance(tested, Budget):
        number = _within_budget(run, tested)
        return number, number
    cut = run.summary.get("cut", {})
    own = policy.rate_of(run.policy, cut)
    points = policy.known_points(run.summary.get("alerts_at", []), own, run.alerts_raised)
    if isinstance(tested, Alpha):
        if complete and own is not None and tested.rate <= own:
            return kept, kept
        return _between(points, tested.rate, run.rows_scored)
    assert isinstance(tested, Fdr)
    if tested.tail:
        return None, None
    level = tested.level / harmonic(max(run.rows_scored, 1)) if tested.arbitrary else tested.level
    passed = [(p, rows) for p, rows in points if p <= level * SLACK * rows / max(run.rows_scored, 1)]
    if complete and own is not None and (not passed or passed[-1][0] <= own) and largest < own:
        # all rows up to the run's own rate are stored, and no count beyond it lets the procedure go on
        return kept, kept
    fewest = max(passed[-1][1] if passed else 0, kept)
    after = next((rows for p, rows in points if rows > fewest), run.rows_scored)
    return fewest, max(int(after), fewest)


def _between(points: list[tuple[float, int]], rate: float, scored: int) -> tuple[int, int]:
    found = policy.alerts_at(points, rate)
    return found.fewest, found.most if rate <= points[-1][0] else scored


def _within_budget(run: RunDetails, tested: Budget) -> int | None:
    """Rows that a budget alerts; None by the hour or segment, whose rows a run does not count."""
    if tested.each is None:
        return min(tested.count, run.rows_scored)
    days: list[list[Any]] = run.summary.get("days", [])
    if tested.each not in ("day", "week") or not days:
        return None
    rows: Counter[date] = Counter()
    for text, scored, _ in days:
        day = date.fromisoformat(str(text)[:10])
        rows[day - timedelta(days=day.weekday()) if tested.each == "week" else day] += int(scored)
    without_time = run.rows_scored - rows.total()
    return sum(min(tested.count, number) for number in [*rows.values(), max(without_time, 0)])
