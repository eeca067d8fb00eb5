"""0006: what gateways tell of their own account, by UTC day."""

from __future__ import annotations

from alembic import op
from alembic.util import CommandError
from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, String

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_COUNTS = ("read", "kept", "filtered", "rejected", "committed", "lost")


def upgrade() -> None:
    """Adds the table; gateways fill it within minutes."""
    op.create_table(
        "gateway_account",
        Column("site", String(length=200), nullable=False),
        Column("node", String(length=200), nullable=False),
        Column("day", String(length=200), nullable=False),
        *(Column(name, BigInteger(), nullable=False) for name in _COUNTS),
        Column("pending", BigInteger()),
        Column("unexplained", BigInteger(), nullable=False),
        Column("told_ms", BigInteger(), nullable=False),
        PrimaryKeyConstraint("site", "node", "day", name=op.f("pk_gateway_account")),
    )


def downgrade() -> None:
    """Refused: what gateways told would be lost."""
    raise CommandError("restore the backup from before the update")
