"""What all tables have in common: names of their constraints, and the columns of their keys."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, String

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
COUNTED = BigInteger().with_variant(Integer, "sqlite")
"""Type of an id that counts up; SQLite does so only for INTEGER PRIMARY KEY."""


def key(*names: str) -> list[Column[str]]:
    """Columns that are the primary key together."""
    return [Column(name, String(200), primary_key=True) for name in names]
