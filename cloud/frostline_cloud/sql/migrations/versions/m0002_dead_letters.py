"""0002: dead letters know how many samples they stand for, and what their aliases meant."""

from __future__ import annotations

from alembic import op
from alembic.util import CommandError
from sqlalchemy import JSON, BigInteger, Column

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the two columns; letters from before count as nothing and have no names."""
    op.add_column("dead_letter", Column("samples", BigInteger, nullable=False, server_default="0"))
    op.add_column("dead_letter", Column("names", JSON))


def downgrade() -> None:
    """Refused: what the columns say would be lost."""
    raise CommandError("restore the backup from before the update")
