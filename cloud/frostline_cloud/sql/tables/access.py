"""Settings of the whole, and who may come in."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, String, Table, Text

from frostline_cloud.sql.tables.shape import COUNTED, key, metadata

setting = Table("setting", metadata, *key("key"), Column("value", Text, nullable=False))

token = Table(
    "token",
    metadata,
    Column("id", COUNTED, primary_key=True),
    Column("name", String(200), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),  # sha-256, hex
    Column("role", String(20), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger),
    Column("revoked_ms", BigInteger),
)
