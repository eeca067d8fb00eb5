"""0014: who is on call in the place of somebody, made over API and console."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, PrimaryKeyConstraint, String, Text

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_COUNTED = BigInteger().with_variant(Integer(), "sqlite")


def upgrade() -> None:
    """Adds the table."""
    op.create_table(
        "duty_override",
        Column("id", _COUNTED, nullable=False),
        Column("rotation", String(100), nullable=False),
        Column("who", String(100), nullable=False),
        Column("instead_of", String(100), nullable=False),
        Column("reason", Text, nullable=False),
        Column("author", String(200), nullable=False),
        Column("created_ms", BigInteger, nullable=False),
        Column("from_ms", BigInteger, nullable=False),
        Column("to_ms", BigInteger, nullable=False),
        Column("ended_by", String(200)),
        PrimaryKeyConstraint("id", name=op.f("pk_duty_override")),
    )
    op.create_index("ix_duty_override_to", "duty_override", ["to_ms"])


def downgrade() -> None:
    """Removes the table: whoever covered for somebody no longer does, and the turns of cloud.toml count."""
    op.drop_index("ix_duty_override_to", table_name="duty_override")
    op.drop_table("duty_override")
