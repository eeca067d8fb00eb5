"""What the commit protocol remembers: how far each run is, what was lost or could not be read, and the account."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text

from frostline_cloud.sql.tables.shape import COUNTED, key, metadata

run = Table(
    "run",
    metadata,
    Column("run", String(16), primary_key=True),  # hex of the 8 bytes, most significant first
    Column("site", String(200), nullable=False),
    Column("node", String(200), nullable=False),
    Column("stream", Integer, nullable=False),
    Column("committed", BigInteger, nullable=False),
    Column("announced", BigInteger, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Index("ix_run_node", "site", "node"),
)

loss = Table(
    "loss",
    metadata,
    Column("id", COUNTED, primary_key=True),
    Column("site", String(200), nullable=False),
    Column("node", String(200), nullable=False),
    Column("run", String(16)),  # null: a plain Sparkplug node, or a span of time
    Column("first", BigInteger),
    Column("last", BigInteger),
    Column("reason", Text, nullable=False),
    Column("samples", BigInteger),  # null: not known
    Column("from_ms", BigInteger),
    Column("to_ms", BigInteger),
    Column("at_ms", BigInteger, nullable=False),
    Column("entries", BigInteger, nullable=False, server_default="1"),  # more: this row stands for so many old ones
    Column("recovered_ms", BigInteger),  # when what it lists was stored after all
    Index("ix_loss_node", "site", "node", "at_ms"),
)

dead_letter = Table(
    "dead_letter",
    metadata,
    Column("id", COUNTED, primary_key=True),
    Column("site", String(200), nullable=False),
    Column("node", String(200), nullable=False),
    Column("device", String(200), nullable=False),
    Column("topic", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("replayed_ms", BigInteger),
    Column("samples", BigInteger, nullable=False, server_default="0"),  # of it counted as dead-lettered in the account
    Column("names", JSON),  # alias to [name, datatype] as births said when it came; null = nobody knew
    Column("size", BigInteger, nullable=False, server_default="0"),  # bytes of `raw`
    Column("run", String(16)),  # of the batch that is listed as lost because of it; null = none is
    Column("n", BigInteger),
    Index("ix_dead_letter_size", "replayed_ms", "id", "size"),
)

account = Table(  # samples per node and UTC day; received = written + dead_lettered + duplicate
    "account",
    metadata,
    *key("site", "node", "day"),
    Column("received", BigInteger, nullable=False),
    Column("written", BigInteger, nullable=False),
    Column("dead_lettered", BigInteger, nullable=False),
    Column("duplicate", BigInteger, nullable=False),
)

gateway_account = Table(  # as gateways tell it; read = kept + filtered + rejected
    "gateway_account",
    metadata,
    *key("site", "node", "day"),
    Column("read", BigInteger, nullable=False),
    Column("kept", BigInteger, nullable=False),
    Column("filtered", BigInteger, nullable=False),
    Column("rejected", BigInteger, nullable=False),
    Column("committed", BigInteger, nullable=False),
    Column("lost", BigInteger, nullable=False),
    Column("pending", BigInteger),  # of the newest day only
    Column("unexplained", BigInteger, nullable=False),  # of the newest day: kept - committed - pending - lost, all days
    Column("told_ms", BigInteger, nullable=False),
)
