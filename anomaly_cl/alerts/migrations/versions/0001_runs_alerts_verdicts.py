"""Runs, alerts, and verdicts that the database itself refuses to change or delete.

A later revision that copies the table `verdicts` (Alembic's batch mode on SQLite) must create its triggers again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

REFUSAL = "verdicts are never changed or deleted"
# The third one stands against INSERT OR REPLACE, which deletes without firing triggers. While SQLite is still to
# choose the id, NEW.id is -1 or NULL, which no row has.
SQLITE_TRIGGERS = {
    "verdicts_refuse_update": "BEFORE UPDATE ON verdicts",
    "verdicts_refuse_delete": "BEFORE DELETE ON verdicts",
    "verdicts_refuse_replace": "BEFORE INSERT ON verdicts WHEN EXISTS (SELECT 1 FROM verdicts WHERE id = NEW.id)",
}


def upgrade() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("model_id", sa.String(64), nullable=False),
        sa.Column("input_name", sa.Text, nullable=False),
        sa.Column("input_hash", sa.String(64), nullable=False),
        sa.Column("where_clause", sa.Text, nullable=False),
        sa.Column("policy", sa.Text, nullable=False),
        sa.Column("rows_in", sa.BigInteger, nullable=False),
        sa.Column("rows_scored", sa.BigInteger, nullable=False),
        sa.Column("rows_rejected", sa.BigInteger, nullable=False),
        sa.Column("alerts_raised", sa.BigInteger, nullable=False),
        sa.Column("summary", sa.JSON, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "alerts",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("run_id", sa.String(64), sa.ForeignKey("runs.id"), nullable=False),
        sa.Column("row_number", sa.BigInteger, nullable=False),
        sa.Column("key", sa.Text),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("occurred_at", sa.DateTime),
        sa.Column("score", sa.Double, nullable=False),
        sa.Column("p_value", sa.Double, nullable=False),
        sa.Column("p_tail", sa.Double, nullable=False),
        sa.Column("risk", sa.Double, nullable=False),
        sa.Column("segment", sa.Text),
        sa.Column("entities", sa.JSON, nullable=False),
        sa.Column("record", sa.JSON, nullable=False),
        sa.Column("typical", sa.JSON, nullable=False),
        sa.Column("reasons", sa.JSON, nullable=False),
        sa.Column("neighbours", sa.JSON, nullable=False),
        sa.Column("verdict", sa.String(16)),
        sa.Column("created_at", sa.DateTime, nullable=False),
    )
    op.create_index("ix_alerts_by_risk", "alerts", ["risk", "id", "verdict", "run_id", "occurred_at", "name"])
    op.create_index("ix_alerts_by_time", "alerts", ["occurred_at", "id", "verdict", "run_id", "risk", "name"])
    op.create_table(
        "verdicts",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("alert_id", sa.String(64), sa.ForeignKey("alerts.id"), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.CheckConstraint("verdict IN ('fraud', 'legitimate', 'unsure')", name="ck_verdicts_verdict"),
    )
    op.create_index("ix_verdicts_alert", "verdicts", ["alert_id", "id"])
    _make_append_only()


def _make_append_only() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for name, when in SQLITE_TRIGGERS.items():
            op.execute(f"CREATE TRIGGER {name} {when} BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END")
    else:
        op.execute("CREATE FUNCTION verdicts_refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
                   f"$$ BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$")
        op.execute("CREATE TRIGGER verdicts_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON verdicts "
                   "FOR EACH STATEMENT EXECUTE FUNCTION verdicts_refuse_change()")


def downgrade() -> None:
    op.drop_table("verdicts")  # and its triggers
    op.drop_table("alerts")
    op.drop_table("runs")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION verdicts_refuse_change()")
