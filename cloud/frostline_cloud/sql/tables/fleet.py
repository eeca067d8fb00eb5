"""What births told of, and devices whose history came from files."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, Integer, LargeBinary, String, Table

from frostline_cloud.sql.tables.shape import key, metadata

site = Table("site", metadata, *key("site"), Column("first_seen_ms", BigInteger, nullable=False))

node = Table(
    "node",
    metadata,
    *key("site", "node"),
    Column("online", Boolean, nullable=False),
    Column("proved", Boolean, nullable=False),  # speaks the commit protocol
    Column("bd_seq", Integer, nullable=False),
    Column("spool", String(16)),  # hex, of the newest birth
    Column("held", JSON),  # runs of the newest birth (hex), and runs seen since; null = not known
    Column("birth_ms", BigInteger, nullable=False),
    Column("death_ms", BigInteger),
    Column("birth", LargeBinary),  # NBIRTH as received: alias table after a restart
)

device = Table(
    "device",
    metadata,
    *key("site", "node", "device"),
    Column("kind", String(100), nullable=False),
    Column("zone", String(200), nullable=False),
    Column("labels", JSON, nullable=False),
    Column("online", Boolean, nullable=False),
    Column("birth_ms", BigInteger, nullable=False),
    Column("death_ms", BigInteger),
    Column("birth", LargeBinary),  # DBIRTH as received
)

metric = Table(
    "metric",
    metadata,
    *key("site", "node", "device", "metric"),
    Column("datatype", Integer, nullable=False),
    Column("unit", String(40), nullable=False),
    Column("low", Float),
    Column("high", Float),
    Column("writable", Boolean, nullable=False),
)

imported = Table(  # history that came from files: no birth told of it, and no gateway's account has it
    "imported",
    metadata,
    *key("site", "node", "device", "metric"),
    Column("source", String(400), primary_key=True),  # the file
    Column("from_ms", BigInteger, nullable=False),  # event time
    Column("to_ms", BigInteger, nullable=False),  # event time
    Column("written", BigInteger, nullable=False),
    Column("known", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    Column("imported_ms", BigInteger, nullable=False),
)
