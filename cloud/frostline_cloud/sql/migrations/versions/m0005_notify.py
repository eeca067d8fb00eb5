"""0005: routing, budgets, health of receivers, escalation, acknowledge links, the canary."""

from __future__ import annotations

from alembic import op
from alembic.util import CommandError
from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Integer, String, Text, false

revision = "0005"
down_revision = "0003"
branch_labels = None
depends_on = None

_Id = BigInteger().with_variant(Integer, "sqlite")


def upgrade() -> None:
    """Adds the tables and columns; notifications from before belong to the receivers that they name."""
    op.add_column("outbox", Column("critical", Boolean, nullable=False, server_default=false()))
    op.add_column("outbox", Column("route", String(200)))
    op.add_column("outbox", Column("held_ms", BigInteger))
    op.add_column("outbox", Column("digest", String(40)))
    op.create_index("ix_outbox_receiver", "outbox", ["receiver", "state", "due_ms"])
    op.create_index("ix_outbox_order", "outbox", ["alert", "receiver", "state", "revision"])
    op.create_table(
        "receiver_health",
        Column("receiver", String(200), primary_key=True),
        Column("target", String(64), nullable=False),
        Column("state", String(20), nullable=False),
        Column("failures", Integer, nullable=False),
        Column("reason", Text, nullable=False),
        Column("since_ms", BigInteger, nullable=False),
        Column("retry_ms", BigInteger, nullable=False),
    )
    op.create_table(
        "escalation",
        Column("id", _Id, primary_key=True),
        Column("alert", String(36), ForeignKey("alert.id"), nullable=False),
        Column("route", String(200), nullable=False),
        Column("step", Integer, nullable=False),
        Column("receivers", JSON, nullable=False),
        Column("due_ms", BigInteger, nullable=False),
        Column("state", String(20), nullable=False),
        Column("done_ms", BigInteger),
    )
    op.create_index("ix_escalation_step", "escalation", ["alert", "route", "step"], unique=True)
    op.create_index("ix_escalation_due", "escalation", ["state", "due_ms"])
    op.create_table(
        "used_link",
        Column("id", String(200), primary_key=True),
        Column("used_ms", BigInteger, nullable=False),
    )
    op.create_table(
        "canary",
        Column("id", _Id, primary_key=True),
        Column("at_ms", BigInteger, nullable=False),
        Column("receiver", String(200), nullable=False),
        Column("took_ms", Integer),
        Column("error", Text, nullable=False),
    )
    op.create_index("ix_canary_at", "canary", ["at_ms"])


def downgrade() -> None:
    """Refused: what the columns say would be lost."""
    raise CommandError("restore the backup from before the update")
