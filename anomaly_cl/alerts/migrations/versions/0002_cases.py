"""Cases of alerts with what happened to them, suppressions, saved filters, and what explains an alert.

Alerts that were there before get a case each entity, which is closed if all its alerts were decided: a million alerts
take some minutes, during which nobody else writes.
A later revision that copies `verdicts`, `case_events` or `suppressions` must create their triggers again.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

APPEND_ONLY = ("case_events", "suppressions")
OLD_INDEXES = {
    "ix_alerts_by_risk": ["risk", "id", "verdict", "run_id", "occurred_at", "name"],
    "ix_alerts_by_time": ["occurred_at", "id", "verdict", "run_id", "risk", "name"],
}
QUEUE = ["risk", "occurred_at", "amount", "verdict", "suppression_id", "run_id", "case_id", "name"]
CASE_QUEUE = ["risk", "amount", "opened_at", "last_at", "state", "verdict", "assignee", "alerts_shown", "alerts_open",
              "entity"]
NEW_INDEXES = {
    **{f"ix_alerts_by_{order}": [*dict.fromkeys([column, "id", *QUEUE])]
       for order, column in (("risk", "risk"), ("time", "occurred_at"), ("amount", "amount"))},
    "ix_alerts_case": ["case_id", "occurred_at", "suppression_id", "verdict", "risk", "amount"],
    "ix_alerts_suppression": ["suppression_id"],
    "ix_alerts_run": ["run_id", "score", "row_number", "p_value", "p_tail", "verdict", "occurred_at", "case_id",
                      "segment"],
}
HIDDEN_ONLY: dict[str, Any] = {
    f"{dialect}_where": sa.text("suppression_id IS NOT NULL") for dialect in ("sqlite", "postgresql")}
ADDED = {
    "suppression_id": sa.Integer, "entity_column": sa.Text, "entity": sa.Text, "amount": sa.Double,
    "explanation": sa.JSON, "map_x": sa.Double, "map_y": sa.Double, "signal": sa.JSON,
}
CHUNK = 10_000


def upgrade() -> None:
    _create_cases()
    _create_others()
    op.add_column("runs", sa.Column("private", sa.JSON, nullable=False, server_default=sa.text("'[]'")))
    op.add_column("verdicts", sa.Column("reason", sa.Text, nullable=False, server_default=""))
    for name in OLD_INDEXES:
        op.drop_index(name, "alerts")
    op.add_column("alerts", sa.Column("case_id", sa.Integer))
    for name, kind in ADDED.items():
        op.add_column("alerts", sa.Column(name, kind))
    _put_into_cases()
    with op.batch_alter_table("alerts") as alerts:
        alerts.alter_column("case_id", existing_type=sa.Integer, nullable=False)
        alerts.create_foreign_key("fk_alerts_case", "cases", ["case_id"], ["id"])
        alerts.create_foreign_key("fk_alerts_suppression", "suppressions", ["suppression_id"], ["id"])
    for name, columns in NEW_INDEXES.items():
        if name != "ix_alerts_case":  # made before, to count by
            only = HIDDEN_ONLY if name == "ix_alerts_suppression" else {}
            op.create_index(name, "alerts", columns, **only)
    for table in APPEND_ONLY:
        _make_append_only(table)


def _create_cases() -> None:
    op.create_table(
        "cases",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("entity_column", sa.Text, nullable=False),
        sa.Column("entity", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("assignee", sa.Text),
        sa.Column("verdict", sa.String(16)),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("alerts_shown", sa.BigInteger, nullable=False),
        sa.Column("alerts_open", sa.BigInteger, nullable=False),
        sa.Column("risk", sa.Double, nullable=False),
        sa.Column("amount", sa.Double),
        sa.Column("first_at", sa.DateTime),
        sa.Column("last_at", sa.DateTime),
        sa.Column("opened_at", sa.DateTime, nullable=False),
        sa.Column("changed_what", sa.Text, nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.Column("changed_at", sa.DateTime, nullable=False),
        sa.CheckConstraint("state IN ('new', 'in review', 'closed')", name="ck_cases_state"),
    )
    op.create_index("ix_cases_entity", "cases", ["entity_column", "entity"])
    open_only = sa.text("state <> 'closed'")
    op.create_index("ix_cases_one_open", "cases", ["entity_column", "entity"], unique=True, sqlite_where=open_only,
                    postgresql_where=open_only)
    for order, column in (("risk", "risk"), ("amount", "amount"), ("age", "opened_at"), ("time", "last_at")):
        op.create_index(f"ix_cases_by_{order}", "cases", [*dict.fromkeys([column, "id", *CASE_QUEUE])])
    op.create_table(
        "case_events",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("case_id", sa.Integer, sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("value", sa.Text),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.CheckConstraint("kind IN ('state', 'assignee', 'note')", name="ck_case_events_kind"),
    )
    op.create_index("ix_case_events_case", "case_events", ["case_id", "id"])


def _create_others() -> None:
    op.create_table(
        "suppressions",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("column_name", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("until", sa.DateTime, nullable=False),
        sa.Column("lifts", sa.Integer, sa.ForeignKey("suppressions.id")),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "saved_filters",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("query", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.UniqueConstraint("author", "name", name="uq_saved_filters_name"),
    )
    op.create_table(
        "models",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "entity_pasts",
        sa.Column("run_id", sa.String(64), sa.ForeignKey("runs.id"), primary_key=True),
        sa.Column("entity_column", sa.Text, primary_key=True),
        sa.Column("entity", sa.Text, primary_key=True),
        sa.Column("records", sa.JSON, nullable=False),
        sa.Column("similar", sa.JSON, nullable=False),
    )
    op.create_table(
        "signals",
        sa.Column("run_id", sa.String(64), sa.ForeignKey("runs.id"), primary_key=True),
        sa.Column("entity", sa.Text, primary_key=True),
        sa.Column("points", sa.JSON, nullable=False),
    )


ALERTS = sa.table("alerts", *map(sa.column, ("id", "case_id", "entity_column", "entity", "verdict", "risk",
                                             "occurred_at", "created_at")), sa.column("entities", sa.JSON))
CASES = sa.table("cases", *map(sa.column, ("id", "entity_column", "entity", "state", "verdict", "version",
                                           "alerts_shown", "alerts_open", "risk", "first_at", "last_at", "opened_at",
                                           "changed_what", "changed_by", "changed_at")))


def _put_into_cases() -> None:
    """A case for each entity of the alerts that are there; an alert without entity has one of its own."""
    connection = op.get_bind()
    moved = sa.Table("moved", sa.MetaData(), sa.Column("alert", sa.String(64), primary_key=True),
                     sa.Column("entity_column", sa.Text), sa.Column("entity", sa.Text), prefixes=["TEMPORARY"])
    moved.create(connection)
    for alerts in _chunks(connection):
        connection.execute(sa.insert(moved), [
            {"alert": alert, "entity_column": column, "entity": entity}
            for alert, entities in alerts for column, entity in [_first_entity(entities)]])
    column, entity = sa.func.coalesce(moved.c.entity_column, ""), sa.func.coalesce(moved.c.entity, moved.c.alert)
    opened_at = sa.func.min(ALERTS.c.created_at)
    values = {"entity_column": column, "entity": entity, "state": sa.literal("new"), "version": sa.literal(1),
              "alerts_shown": sa.literal(0), "alerts_open": sa.literal(0), "risk": sa.literal(0.0),
              "opened_at": opened_at, "changed_what": sa.literal("opened"), "changed_by": sa.literal(""),
              "changed_at": opened_at}
    about = sa.select(*values.values()).join_from(moved, ALERTS, ALERTS.c.id == moved.c.alert).group_by(column, entity)
    connection.execute(sa.insert(CASES).from_select(list(values), about))
    connection.execute(
        sa.update(ALERTS).where(ALERTS.c.id == moved.c.alert, CASES.c.entity_column == column, CASES.c.entity == entity)
        .values(case_id=CASES.c.id, entity_column=moved.c.entity_column, entity=moved.c.entity))
    moved.drop(connection)
    op.create_index("ix_alerts_case", "alerts", NEW_INDEXES["ix_alerts_case"])
    _count()


def _chunks(connection: sa.Connection) -> Iterator[Sequence[Any]]:
    """Id and entities of all alerts, some at a time."""
    last = ""
    query = sa.select(ALERTS.c.id, ALERTS.c.entities).where(ALERTS.c.id > sa.bindparam("last"))
    while some := connection.execute(query.order_by(ALERTS.c.id).limit(CHUNK), {"last": last}).all():
        yield some
        last = some[-1].id


def _first_entity(entities: dict[str, Any]) -> tuple[str | None, str | None]:
    """Column and text of the first entity that is not missing; as `anomaly_cl.alerts.identity.entity_text` then was."""
    for column, value in entities.items():
        if value is not None and not isinstance(value, list | dict):
            text = value if isinstance(value, str) else json.dumps(value)
            if len(text) >= 500:
                text = f"{text[:467]}…{hashlib.sha256(json.dumps([text]).encode()).hexdigest()[:32]}"
            return column, text
    return None, None


def _count() -> None:
    """The numbers of the cases, as their alerts say; a decided one is closed, one of which some are is in review."""
    verdict, count = ALERTS.c.verdict, sa.func.count
    told = sa.select(
        ALERTS.c.case_id, count().label("alerts_shown"), count().filter(verdict.is_(None)).label("alerts_open"),
        sa.func.max(ALERTS.c.risk).label("risk"), sa.func.min(ALERTS.c.occurred_at).label("first_at"),
        sa.func.max(ALERTS.c.occurred_at).label("last_at"),
        sa.case(*((count().filter(verdict == each) > 0, each) for each in ("fraud", "unsure", "legitimate")),
                else_=None).label("verdict"),
        sa.case((count().filter(verdict.in_(("fraud", "legitimate"))) == count(), "closed"),
                (count(verdict) > 0, "in review"), else_="new").label("state"),
    ).group_by(ALERTS.c.case_id).subquery()
    op.get_bind().execute(sa.update(CASES).where(CASES.c.id == told.c.case_id).values(
        {column.name: column for column in told.columns if column.name != "case_id"}))


def _make_append_only(table: str) -> None:
    refusal = f"{table.replace('_', ' ')} are never changed or deleted"
    if op.get_bind().dialect.name == "sqlite":
        for name, when in (("update", f"BEFORE UPDATE ON {table}"), ("delete", f"BEFORE DELETE ON {table}"),
                           ("replace", f"BEFORE INSERT ON {table} "
                                       f"WHEN EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id)")):
            op.execute(f"CREATE TRIGGER {table}_refuse_{name} {when} BEGIN SELECT RAISE(ABORT, '{refusal}'); END")
    else:
        op.execute(f"CREATE FUNCTION {table}_refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
                   f"$$ BEGIN RAISE EXCEPTION '{refusal}'; END $$")
        op.execute(f"CREATE TRIGGER {table}_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
                   f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse_change()")


def downgrade() -> None:
    for name in NEW_INDEXES:
        op.drop_index(name, "alerts")
    with op.batch_alter_table("alerts") as alerts:
        alerts.drop_constraint("fk_alerts_case", type_="foreignkey")
        alerts.drop_constraint("fk_alerts_suppression", type_="foreignkey")
        for name in ("case_id", *ADDED):
            alerts.drop_column(name)
    for name, columns in OLD_INDEXES.items():
        op.create_index(name, "alerts", columns)
    op.drop_column("verdicts", "reason")
    op.drop_column("runs", "private")
    for table in ("signals", "entity_pasts", "models", "saved_filters", "case_events", "cases", "suppressions"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        for table in APPEND_ONLY:
            op.execute(f"DROP FUNCTION {table}_refuse_change()")
