"""What Alembic runs for each command: on the connection, and in the transaction, that `upgrade.py` hands over."""

from alembic import context

from anomaly_cl.alerts.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite changes a column only by copying the table
)
with context.begin_transaction():
    context.run_migrations()
