"""Who may write what through the dashboard, and what leaves it as a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import decisions
import export
import pytest
import queries
from access import Actor, Forbidden
from filters import VIEWS, Filters
from masking import MASK
from sqlalchemy import select, text, update

from anomaly_cl.alerts.models import Alert, Run
from anomaly_cl.alerts.store import AlertStore
from anomaly_cl.errors import StaleError
from tests.acceptance.dashboard.believable import HOSTILE_FORMULA

VIEWER, ANALYST = Actor("v.young", "viewer"), Actor("m.keller", "analyst", sees_private=True)
ADMIN = Actor("root", "admin", sees_private=True)
TABLES = ("verdicts", "case_events", "suppressions", "saved_filters")


def written(store: AlertStore) -> list[Any]:
    with store.engine.connect() as connection:
        return [connection.scalar(text(f"SELECT count(*) FROM {table}")) for table in TABLES]


def a_suppression(store: AlertStore, author: str) -> int:
    return store.suppress("country", "BY", until=datetime.now(UTC) + timedelta(days=1), author=author)


@pytest.mark.parametrize("write", [
    lambda store, line: decisions.decide(store, VIEWER, [line.riskiest.id], "fraud", reason="", note="",
                                         versions={line.id: line.version}),
    lambda store, line: decisions.decide_cases(store, VIEWER, {line.id: line.version}, "fraud", reason="", note=""),
    lambda store, line: decisions.set_state(store, VIEWER, line.id, "closed", version=line.version),
    lambda store, line: decisions.assign(store, VIEWER, line.id, "v.young", version=line.version),
    lambda store, line: decisions.add_note(store, VIEWER, line.id, "mine", version=line.version),
    lambda store, line: decisions.suppress(store, VIEWER, "country", "BY", days=7, reason=""),
    lambda store, line: decisions.lift(store, VIEWER, 1),
    lambda store, line: decisions.save_filter(store, VIEWER, "mine", ""),
    lambda store, line: decisions.delete_filter(store, VIEWER, 1),
])
def test_a_viewer_s_write_is_refused_and_leaves_nothing(small: AlertStore, write: Callable[..., Any]) -> None:
    line = queries.cases(small.engine, ADMIN, Filters(view="cases", state="open"))[0]
    before = written(small)
    with pytest.raises(Forbidden, match="needs the role analyst or admin"):
        write(small, line)
    assert written(small) == before


def test_only_its_author_or_an_admin_lifts_a_suppression(small: AlertStore) -> None:
    others, own = a_suppression(small, "a.okafor"), a_suppression(small, ANALYST.name)
    with pytest.raises(Forbidden, match="role admin"):
        decisions.lift(small, ANALYST, others)
    decisions.lift(small, ANALYST, own)
    decisions.lift(small, ADMIN, others)
    assert not [line for line in decisions.suppressions(small.engine, ADMIN) if line.active]


def test_only_its_author_or_an_admin_deletes_a_filter(small: AlertStore) -> None:
    decisions.save_filter(small, Actor("a.okafor", "analyst"), "theirs", "state=new")
    decisions.save_filter(small, ANALYST, "mine", "state=new")
    saved = {line.name: line.id for line in queries.saved_filters(small.engine)}
    with pytest.raises(Forbidden, match="role admin"):
        decisions.delete_filter(small, ANALYST, saved["theirs"])
    decisions.delete_filter(small, ANALYST, saved["mine"])
    decisions.delete_filter(small, ADMIN, saved["theirs"])
    assert not queries.saved_filters(small.engine)


def test_a_case_that_others_closed_meanwhile_stops_the_verdict_on_all(small: AlertStore) -> None:
    first, second = queries.cases(small.engine, ADMIN, Filters(view="cases", state="open"))[:2]
    small.decide([line.id for line in queries.alerts(small.engine, ADMIN, Filters(), page_size=1_000)
                  if line.case_id == second.id], "legitimate", author="a.okafor")
    before = written(small)
    versions = {first.id: first.version, second.id: second.version}
    with pytest.raises(StaleError):
        decisions.decide_cases(small, ANALYST, versions, "fraud", reason="", note="")
    assert written(small) == before
    [changed] = decisions.changed_since(small.engine, ANALYST, versions)
    assert (changed.case_id, changed.by) == (second.id, "a.okafor")


def test_a_suppression_is_listed_while_it_is_active_or_hides_alerts(small: AlertStore) -> None:
    number = a_suppression(small, "a.okafor")
    [line] = decisions.suppressions(small.engine, ANALYST)
    with small.engine.connect() as connection:
        hidden = connection.execute(select(Alert.id).where(Alert.suppression_id == number)).all()
    assert (line.id, line.column, line.value, line.active, line.hidden) == (number, "country", "BY", True, len(hidden))
    small.lift(number, author="a.okafor")
    assert not decisions.suppressions(small.engine, ANALYST)


def rows_of(store: AlertStore, actor: Actor, filters: Filters) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(export.as_csv(store.engine, actor, filters).decode("utf-8-sig"))))


@pytest.mark.parametrize("view", VIEWS)
def test_the_file_holds_the_whole_filtered_list_in_its_order(worked: AlertStore, view: Any) -> None:
    filters = Filters(view=view, state="open", order="amount")
    read = queries.cases if view == "cases" else queries.alerts
    lines = read(worked.engine, ADMIN, filters, page_size=10_000)
    rows = rows_of(worked, ADMIN, filters)
    assert [row["case" if view == "cases" else "alert"] for row in rows] == [str(line.id) for line in lines]
    assert [row["amount"] for row in rows] == ["" if line.amount is None else str(line.amount) for line in lines]


@pytest.mark.parametrize("view", VIEWS)
def test_the_file_ends_at_its_limit(believable: AlertStore, view: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "MOST_ROWS", 7)
    assert len(rows_of(believable, ADMIN, Filters(view=view))) == 7


def test_no_cell_of_the_file_is_a_formula(small: AlertStore) -> None:
    with small.engine.begin() as connection:
        connection.execute(update(Alert).values(key=HOSTILE_FORMULA))
    for row in rows_of(small, ADMIN, Filters()):
        assert row["key"] == f"'{HOSTILE_FORMULA}"
        assert not any(value[:1] in ("=", "@", "+", "\t") for value in row.values())


@pytest.mark.parametrize(("actor", "hidden"), [(VIEWER, True), (ANALYST, True), (ADMIN, False)])
def test_private_columns_leave_in_a_file_for_admins_only(small: AlertStore, actor: Actor, hidden: bool) -> None:
    with small.engine.begin() as connection:
        connection.execute(update(Run).values(private=["customer"]))
        name = connection.scalar(select(Alert.entity))
    for view in VIEWS:
        file = export.as_csv(small.engine, actor, Filters(view=view)).decode("utf-8-sig")
        assert (str(name) not in file) == hidden
        assert (MASK in file) == hidden
