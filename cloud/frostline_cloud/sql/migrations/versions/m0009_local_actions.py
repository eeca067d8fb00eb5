"""0009: what local rules of gateways did to their outputs."""

from __future__ import annotations

from alembic import op
from alembic.util import CommandError
from sqlalchemy import BigInteger, Boolean, Column, Integer, PrimaryKeyConstraint, String, Text

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_Id = BigInteger().with_variant(Integer, "sqlite")


def upgrade() -> None:
    """Adds the table."""
    op.create_table(
        "local_action",
        Column("id", _Id, nullable=False),
        Column("site", String(200), nullable=False),
        Column("node", String(200), nullable=False),
        Column("device", String(200), nullable=False),
        Column("metric", String(200), nullable=False),
        Column("rule", String(200), nullable=False),
        Column("at_ms", BigInteger, nullable=False),
        Column("written_ms", BigInteger, nullable=False),
        Column("noted_ms", BigInteger, nullable=False),
        Column("is_on", Boolean, nullable=False),
        Column("note", Text, nullable=False),
        PrimaryKeyConstraint("id", name=op.f("pk_local_action")),
    )
    op.create_index("ix_local_action_series", "local_action", ["site", "node", "device", "metric", "rule", "at_ms"])
    op.create_index("ix_local_action_noted", "local_action", ["noted_ms"])


def downgrade() -> None:
    """Refused: what was switched when would be lost."""
    raise CommandError("restore the backup from before the update")
