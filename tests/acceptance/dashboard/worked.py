"""The made-up store after some days of work: cases in every state, of several people, and suppressed alerts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from anomaly_cl.alerts.models import Alert, Case
from anomaly_cl.alerts.store import AlertStore
from tests.acceptance.dashboard.believable import fill


def fill_and_work(store: AlertStore) -> None:
    fill(store, scored=4_000)
    _leave_out(store)
    with Session(store.engine) as session:
        unsure = [case.alerts[0].id for case in session.scalars(select(Case)) if case.id % 3 == 0]
    store.decide(unsure, "unsure", author="a.okafor")
    with Session(store.engine) as session:
        cases = [(case.id, case.version) for case in session.scalars(select(Case).order_by(Case.id))]
        terminal = session.scalars(select(Alert).order_by(Alert.id.desc())).first()
    for number, version in cases:
        if number % 4 == 0:
            store.assign(number, "m.keller" if number % 8 else "a.okafor", author="m.keller", version=version)
        elif number % 5 == 0:
            store.set_state(number, "closed", author="m.keller", version=version, note="nothing to see")
    until = datetime.now(UTC) + timedelta(days=7)
    assert terminal is not None
    store.suppress("terminal", terminal.entities["terminal"], until=until, author="m.keller", reason="a test terminal")
    store.suppress("merchant", "Lucky Spin Club", until=until, author="a.okafor")


def _leave_out(store: AlertStore) -> None:
    """Some records without a time and an amount, and some of equal risk."""
    with store.engine.begin() as connection:
        ids = list(connection.scalars(select(Alert.id).order_by(Alert.id)))
        connection.execute(update(Alert).where(Alert.id.in_(ids[::7])).values(occurred_at=None, amount=None))
        connection.execute(update(Alert).where(Alert.id.in_(ids[::5])).values(risk=25.0))
