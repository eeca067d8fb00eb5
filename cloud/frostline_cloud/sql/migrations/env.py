"""Run by alembic: applies migrations on the connection, and inside the transaction, that `migrate` opened."""

from __future__ import annotations

from alembic import context

from frostline_cloud.sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite cannot ALTER much
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
