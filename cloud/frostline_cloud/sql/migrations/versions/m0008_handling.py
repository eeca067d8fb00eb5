"""0008: what people make of alerts, silences, and evidence."""

from __future__ import annotations

from alembic import op
from alembic.util import CommandError
from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Integer, String, Text

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_Id = BigInteger().with_variant(Integer, "sqlite")


def upgrade() -> None:
    """Adds the tables and columns; who acknowledged before is in the notes of the timeline."""
    op.add_column("alert_event", Column("act", String(20), nullable=False, server_default=""))
    op.add_column("alert_event", Column("who", String(200), nullable=False, server_default=""))
    op.create_table(
        "handling",
        Column("id", String(36), ForeignKey("alert.id"), primary_key=True),
        Column("assignee", String(200)),
        Column("shelved_until_ms", BigInteger),
        Column("shelved_severity", String(20)),
        Column("shelved_by", String(200)),
        Column("shelve_reason", Text),
        Column("muted", String(20)),
        Column("muted_by", Text),
        Column("muted_ms", BigInteger),
        Column("closed_ms", BigInteger),
        Column("closed_by", String(200)),
        Column("cause", Text),
        Column("disposition", String(20)),
    )
    op.create_table(
        "alert_evidence",
        Column("id", String(36), ForeignKey("alert.id"), primary_key=True),
        Column("content", JSON, nullable=False),
        Column("frozen_ms", BigInteger, nullable=False),
    )
    op.create_table(
        "silence",
        Column("id", _Id, primary_key=True),
        Column("matchers", JSON, nullable=False),
        Column("reason", Text, nullable=False),
        Column("author", String(200), nullable=False),
        Column("created_ms", BigInteger, nullable=False),
        Column("from_ms", BigInteger, nullable=False),
        Column("to_ms", BigInteger, nullable=False),
        Column("ended_by", String(200)),
    )
    op.create_index("ix_silence_to", "silence", ["to_ms"])


def downgrade() -> None:
    """Refused: what people did would be lost."""
    raise CommandError("restore the backup from before the update")
