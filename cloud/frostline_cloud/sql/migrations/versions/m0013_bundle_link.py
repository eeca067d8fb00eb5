"""0013: which alerts the acknowledge link of a message of many takes note of."""

from __future__ import annotations

from alembic import op
from sqlalchemy import JSON, BigInteger, Column, Integer, PrimaryKeyConstraint, String

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the table."""
    op.create_table(
        "bundle_link",
        Column("id", String(200), nullable=False),
        Column("receiver", String(200), nullable=False),
        Column("alerts", JSON, nullable=False),
        Column("unlisted", Integer, nullable=False),
        Column("made_ms", BigInteger, nullable=False),
        PrimaryKeyConstraint("id", name=op.f("pk_bundle_link")),
    )


def downgrade() -> None:
    """Removes the table: links of groups that were sent lead nowhere, and the console takes note."""
    op.drop_table("bundle_link")
