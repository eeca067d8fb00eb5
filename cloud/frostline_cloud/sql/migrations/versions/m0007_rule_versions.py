"""0007: versions of rules, and when devices are not in service."""

from __future__ import annotations

from alembic import op
from alembic.util import CommandError
from sqlalchemy import JSON, BigInteger, Column, Integer, PrimaryKeyConstraint, String, Text

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_Id = BigInteger().with_variant(Integer, "sqlite")


def upgrade() -> None:
    """Adds the tables; the rules that are in force get their first version at the next start."""
    op.create_table(
        "rule_version",
        Column("rule", String(200), nullable=False),
        Column("number", Integer, nullable=False),
        Column("hash", String(16), nullable=False),
        Column("content", JSON, nullable=False),
        Column("effective_ms", BigInteger, nullable=False),
        Column("retired_ms", BigInteger),
        Column("author", String(200), nullable=False),
        PrimaryKeyConstraint("rule", "number", name=op.f("pk_rule_version")),
    )
    op.create_table(
        "pause",
        Column("id", _Id, nullable=False),
        Column("state", String(20), nullable=False),
        Column("site", String(200), nullable=False),
        Column("node", String(200), nullable=False),
        Column("device", String(200), nullable=False),
        Column("from_ms", BigInteger, nullable=False),
        Column("to_ms", BigInteger, nullable=False),
        Column("reason", Text, nullable=False),
        Column("author", String(200), nullable=False),
        Column("changed_ms", BigInteger, nullable=False),
        Column("revision", BigInteger, nullable=False),
        PrimaryKeyConstraint("id", name=op.f("pk_pause")),
    )
    op.create_index("ix_pause_to", "pause", ["to_ms"])
    op.create_index("ix_pause_revision", "pause", ["revision"])


def downgrade() -> None:
    """Refused: what was in force when would be lost."""
    raise CommandError("restore the backup from before the update")
