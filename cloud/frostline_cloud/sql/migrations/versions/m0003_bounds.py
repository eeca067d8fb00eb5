"""0003: dead letters know their size and the batch they are listed for; losses may be recovered, and stand for many."""

from __future__ import annotations

from alembic import op
from alembic.util import CommandError
from sqlalchemy import BigInteger, Column, String

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the columns; which loss a letter from before belongs to is not known."""
    op.add_column("dead_letter", Column("size", BigInteger, nullable=False, server_default="0"))
    op.add_column("dead_letter", Column("run", String(length=16)))
    op.add_column("dead_letter", Column("n", BigInteger))
    op.execute("UPDATE dead_letter SET size = length(raw)")
    op.create_index("ix_dead_letter_size", "dead_letter", ["replayed_ms", "id", "size"], unique=False)
    op.add_column("loss", Column("entries", BigInteger, nullable=False, server_default="1"))
    op.add_column("loss", Column("recovered_ms", BigInteger))


def downgrade() -> None:
    """Refused: what the columns say would be lost."""
    raise CommandError("restore the backup from before the update")
