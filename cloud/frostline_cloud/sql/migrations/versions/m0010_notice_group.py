"""0010: groups of notifications, and an order in which the outbox is read without sorting."""

from __future__ import annotations

from alembic import op
from alembic.util import CommandError
from sqlalchemy import JSON, BigInteger, Column, Integer, PrimaryKeyConstraint, String

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the table, the column and the index; what waits is told one by one, as before."""
    op.add_column("outbox", Column("grouping", String(40)))
    order = ["receiver", "state", "held_ms", "grouping", "critical", "due_ms", "id"]
    op.create_index("ix_outbox_next", "outbox", order)
    op.create_table(
        "notice_group",
        Column("id", String(40), nullable=False),
        Column("receiver", String(200), nullable=False),
        Column("route", String(200), nullable=False),
        Column("labels", JSON, nullable=False),
        Column("next_ms", BigInteger, nullable=False),
        Column("lease_ms", BigInteger, nullable=False),
        Column("told_ms", BigInteger),
        Column("firing", Integer, nullable=False),
        PrimaryKeyConstraint("id", name=op.f("pk_notice_group")),
    )
    op.create_index("ix_notice_group_next", "notice_group", ["receiver", "next_ms"])


def downgrade() -> None:
    """Refused: what waits in groups would be told by nobody."""
    raise CommandError("restore the backup from before the update")
