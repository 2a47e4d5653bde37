"""What another policy would have kept, against the policies themselves applied to the same rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

import backtest
import numpy as np
import policy
import pytest
import queries
from queries import RunDetails

from anomaly_cl.alerts.models import VERDICTS, Alert, Run
from anomaly_cl.alerts.store import AlertStore, open_store
from anomaly_cl.errors import UsageError
from anomaly_cl.scoring.policy import ScoredRows
from anomaly_cl.scoring.thresholds import parse_policy

ROWS, OWN = 2_000, 0.05
START = datetime(2018, 8, 8, 22)


class Scored(NamedTuple):
    """All rows of a run, of which the store has those with p <= OWN, with the verdict of each (None: open)."""

    store: AlertStore
    run: RunDetails
    rows: ScoredRows
    verdicts: list[str | None]
    stored: np.ndarray


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def scored(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scored]:
    from tests.databases import new_database

    url = (str(tmp_path_factory.mktemp("run") / "alerts.sqlite") if request.param == "sqlite"
           else new_database(request.getfixturevalue("server")))
    rng = np.random.default_rng(3)
    p = np.concatenate([rng.integers(1, 1_001, ROWS - 40) / 1_000, np.full(40, 0.001)])
    score = np.round(-np.log(p) + rng.integers(0, 3, ROWS) / 10, 1)  # with ties
    hours = rng.integers(0, 24 * 12, ROWS)
    times = np.array([START + timedelta(hours=int(hour)) for hour in hours], "datetime64[us]")
    times[rng.random(ROWS) < 0.02] = np.datetime64("NaT")
    segments = rng.choice(np.array(["chip", "online", None], object), ROWS)
    rows = ScoredRows(p, score, p_tail=np.where(p <= 0.001, 1e-5, p), times=times, segments=segments)
    stored = p <= OWN
    verdicts: list[str | None] = [str(rng.choice(VERDICTS)) if rng.random() < 0.6 else None for _ in range(ROWS)]
    days = Counter(str(day) for day in times.astype("datetime64[D]") if not np.isnat(day))
    grid = [0.001, 0.01, 0.1, 0.3, 1.0]
    run = Run(id="run", model_id="model", input_name="rows", input_hash="h", where_clause="", policy=f"alpha={OWN}",
              rows_in=ROWS, rows_scored=ROWS, rows_rejected=0, alerts_raised=int(stored.sum()), created_at=START,
              summary={"alerts_at": [[level, int((p <= level).sum())] for level in grid],
                       "days": [[day, rows, 0] for day, rows in sorted(days.items())]})
    alerts = [_alert(rows, i) for i in np.flatnonzero(stored)]
    with open_store(url) as store:
        store.add_run(run, alerts)
        for verdict in VERDICTS:
            store.decide([f"{i}" for i in np.flatnonzero(stored) if verdicts[i] == verdict], verdict, author="ann")
        details = queries.run(store.engine, "run")
        assert details is not None
        yield Scored(store, details, rows, verdicts, stored)


def _alert(rows: ScoredRows, i: int) -> Alert:
    assert rows.times is not None
    assert rows.segments is not None
    assert rows.p_tail is not None
    return Alert(id=f"{i}", row_number=int(i), key=None, name="", score=float(rows.scores[i]),
                 occurred_at=None if np.isnat(rows.times[i]) else rows.times[i].item(), p_value=float(rows.p_values[i]),
                 p_tail=float(rows.p_tail[i]), risk=10.0, segment=rows.segments[i], entities={}, record={}, typical={},
                 reasons=[], neighbours=[], created_at=START)


TIGHTER = ["alpha=0.05", "alpha=0.01", "alpha=0.0005", "fdr=0.05", "fdr=0.3", "fdr=0.9,arbitrary", "fdr=0.05,tail",
           "budget=1", "budget=40", "budget=2/day", "budget=3/week", "budget=1/hour", "budget=5/segment"]


@pytest.mark.parametrize("text", TIGHTER)
def test_kept_alerts_are_those_of_the_policy_itself(scored: Scored, text: str) -> None:
    """Of all rows, since each of these policies stays within what the run stored."""
    mask = parse_policy(text).alerts(scored.rows)
    if text.startswith("budget"):  # groups of few rows reach beyond what is stored
        mask = mask & scored.stored
        mask_of_stored = parse_policy(text).alerts(scored.rows.take(np.flatnonzero(scored.stored)))
        assert mask_of_stored.sum() >= mask.sum()
        expected_rows = np.flatnonzero(scored.stored)[mask_of_stored]
    else:
        expected_rows = np.flatnonzero(mask)
    found = backtest.backtest(scored.store.engine, scored.run, backtest.asked(text))
    expected = Counter(scored.verdicts[i] or "open" for i in expected_rows)
    assert {state: getattr(found.kept, state) for state in ("open", *VERDICTS)} == {
        state: expected[state] for state in ("open", *VERDICTS)}
    assert found.kept.total + found.left_out.total == scored.stored.sum()


@pytest.mark.parametrize("text", [*TIGHTER, "alpha=0.1", "alpha=0.07", "alpha=0.5", "fdr=0.99", "budget=2500",
                                  "budget=40/day", "budget=300/week"])
def test_the_rows_it_flags_lie_within_the_bounds(scored: Scored, text: str) -> None:
    flagged = int(parse_policy(text).alerts(scored.rows).sum())
    found = backtest.backtest(scored.store.engine, scored.run, backtest.asked(text))
    if found.fewest is None or found.most is None:
        assert "/hour" in text or "/segment" in text or "tail" in text
        return
    assert found.fewest <= flagged <= found.most
    if text in ("alpha=0.05", "alpha=0.01", "alpha=0.1", "fdr=0.05") or text.startswith("budget"):
        assert found.fewest == found.most == flagged


def test_looser_than_the_run_says_how_many_nobody_looked_at(scored: Scored) -> None:
    found = backtest.backtest(scored.store.engine, scored.run, backtest.asked("alpha=0.1"))
    unseen = int((scored.rows.p_values <= 0.1).sum() - scored.stored.sum())
    assert found.unseen == (unseen, unseen)
    assert found.kept.total == scored.stored.sum()


@pytest.mark.parametrize("text", ["cost=1:50", "alpha=2", "odd=1", "", "budget=x", "<b>"])
def test_a_policy_that_cannot_be_tested_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        backtest.asked(text)


def test_a_run_without_counts_leaves_the_rows_unknown(scored: Scored) -> None:
    from dataclasses import replace

    run = replace(scored.run, summary={}, policy="budget=5")
    found = backtest.backtest(scored.store.engine, run, backtest.asked("alpha=0.01"))
    assert (found.fewest, found.unseen) == (None, None)
    assert found.kept.total == (scored.rows.p_values <= 0.01).sum()
    assert policy.rate_of(run.policy, {}) is None
