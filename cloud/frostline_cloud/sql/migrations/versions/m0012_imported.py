"""0012: history that came from files."""

from __future__ import annotations

from alembic import op
from alembic.util import CommandError
from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, String

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the table."""
    op.create_table(
        "imported",
        Column("site", String(200), nullable=False),
        Column("node", String(200), nullable=False),
        Column("device", String(200), nullable=False),
        Column("metric", String(200), nullable=False),
        Column("source", String(400), nullable=False),
        Column("from_ms", BigInteger, nullable=False),
        Column("to_ms", BigInteger, nullable=False),
        Column("written", BigInteger, nullable=False),
        Column("known", BigInteger, nullable=False),
        Column("refused", BigInteger, nullable=False),
        Column("imported_ms", BigInteger, nullable=False),
        PrimaryKeyConstraint("site", "node", "device", "metric", "source", name=op.f("pk_imported")),
    )


def downgrade() -> None:
    """Refused: where history came from would be lost."""
    raise CommandError("restore the backup from before the update")
