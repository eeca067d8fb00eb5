"""What rules were, and what they remember."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text

from frostline_cloud.sql.tables.shape import COUNTED, key, metadata

series_clock = Table(  # event time of the newest sample that the rules saw, per metric: decides live or retroactive;
    # a row of no site has what one flush has moved (ingest/clocks.py)
    "series_clock",
    metadata,
    *key("site", "node", "device"),
    Column("clock", LargeBinary, nullable=False),
)

rule_state = Table(
    "rule_state",
    metadata,
    *key("rule", "site", "node", "device", "metric"),
    Column("state", JSON, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
)

rule_version = Table(  # what each rule was, and when
    "rule_version",
    metadata,
    Column("rule", String(200), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("hash", String(16), nullable=False),
    Column("content", JSON, nullable=False),
    Column("effective_ms", BigInteger, nullable=False),
    Column("retired_ms", BigInteger),  # null: in force
    Column("author", String(200), nullable=False),  # "": a file
)

gateway_rules = Table(  # what gateways say of the rules that they were sent: the newest word of each
    "gateway_rules",
    metadata,
    *key("site", "node"),
    Column("version", String(40), nullable=False),  # in use; "" for none
    Column("refused", String(40), nullable=False),  # "": could not even be read
    Column("reason", Text, nullable=False),  # "": nothing is refused
    Column("at_ms", BigInteger, nullable=False),  # by the gateway's clock
    Column("noted_ms", BigInteger, nullable=False),
)

pause = Table(  # when devices are not in service
    "pause",
    metadata,
    Column("id", COUNTED, primary_key=True),
    Column("state", String(20), nullable=False),  # idle, maintenance
    Column("site", String(200), nullable=False),
    Column("node", String(200), nullable=False),  # "": all of the site
    Column("device", String(200), nullable=False),  # "": all of the gateway
    Column("from_ms", BigInteger, nullable=False),  # event time
    Column("to_ms", BigInteger, nullable=False),  # event time
    Column("reason", Text, nullable=False),
    Column("author", String(200), nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),  # the highest says whether anything has changed
    Index("ix_pause_to", "to_ms"),
    Index("ix_pause_revision", "revision"),
)
