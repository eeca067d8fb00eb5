"""0011: which rules gateways have in use, and why they refuse others."""

from __future__ import annotations

from alembic import op
from alembic.util import CommandError
from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, String, Text

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the table."""
    op.create_table(
        "gateway_rules",
        Column("site", String(200), nullable=False),
        Column("node", String(200), nullable=False),
        Column("version", String(40), nullable=False),
        Column("refused", String(40), nullable=False),
        Column("reason", Text, nullable=False),
        Column("at_ms", BigInteger, nullable=False),
        Column("noted_ms", BigInteger, nullable=False),
        PrimaryKeyConstraint("site", "node", name=op.f("pk_gateway_rules")),
    )


def downgrade() -> None:
    """Refused: what gateways said would be lost."""
    raise CommandError("restore the backup from before the update")
