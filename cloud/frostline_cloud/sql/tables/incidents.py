"""Alerts, what people make of them, and what is not told."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from frostline_cloud.sql.tables.shape import COUNTED, metadata

alert = Table(
    "alert",
    metadata,
    Column("id", String(36), primary_key=True),  # incident id: stable from firing to resolved
    Column("rule", String(200), nullable=False),
    Column("site", String(200), nullable=False),
    Column("node", String(200), nullable=False),
    Column("device", String(200), nullable=False),
    Column("metric", String(200), nullable=False),
    Column("zone", String(200), nullable=False),
    Column("severity", String(20), nullable=False),
    Column("state", String(20), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("retroactive", Boolean, nullable=False),
    Column("opened_ms", BigInteger, nullable=False),  # event time at which it became pending
    Column("fired_ms", BigInteger),  # event time
    Column("resolved_ms", BigInteger),  # event time
    Column("value", Float),
    Column("summary", Text, nullable=False),
    Column("evidence", JSON, nullable=False),
    Column("acknowledged_ms", BigInteger),
    Column("acknowledged_by", String(200)),
    Index("ix_alert_open", "state", "severity"),
    Index("ix_alert_opened", "opened_ms", "id"),
    Index("ix_alert_series", "site", "node", "device", "metric", "rule"),
)

alert_event = Table(
    "alert_event",
    metadata,
    Column("id", COUNTED, primary_key=True),
    Column("alert", String(36), ForeignKey("alert.id"), nullable=False, index=True),
    Column("revision", Integer, nullable=False),
    Column("before", String(20), nullable=False),
    Column("after", String(20), nullable=False),
    Column("at_ms", BigInteger, nullable=False),  # event time
    Column("noted_ms", BigInteger, nullable=False),  # when the cloud knew
    Column("value", Float),
    Column("note", Text, nullable=False),
    Column("act", String(20), nullable=False, server_default=""),  # what somebody did; "" = the rule, or we ourselves
    Column("who", String(200), nullable=False, server_default=""),  # "": nobody
)

handling = Table(  # what people make of an alert, and why it is not told
    "handling",
    metadata,
    Column("id", String(36), ForeignKey("alert.id"), primary_key=True),  # of the alert
    Column("assignee", String(200)),
    Column("shelved_until_ms", BigInteger),
    Column("shelved_severity", String(20)),  # a higher one ends the shelf
    Column("shelved_by", String(200)),
    Column("shelve_reason", Text),
    Column("muted", String(20)),  # shelved, silenced, inhibited; null = it is told
    Column("muted_by", Text),  # by what, for people
    Column("muted_ms", BigInteger),
    Column("closed_ms", BigInteger),
    Column("closed_by", String(200)),
    Column("cause", Text),
    Column("disposition", String(20)),  # release, quarantine, destroy
)

alert_evidence = Table(  # what was measured around an alert, as it was when it was closed
    "alert_evidence",
    metadata,
    Column("id", String(36), ForeignKey("alert.id"), primary_key=True),  # of the alert
    Column("content", JSON, nullable=False),
    Column("frozen_ms", BigInteger, nullable=False),
)

silence = Table(  # what is not told for a while; rows stay, so that one sees who wanted it
    "silence",
    metadata,
    Column("id", COUNTED, primary_key=True),
    Column("matchers", JSON, nullable=False),
    Column("reason", Text, nullable=False),
    Column("author", String(200), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("from_ms", BigInteger, nullable=False),
    Column("to_ms", BigInteger, nullable=False),
    Column("ended_by", String(200)),  # who ended it before its time
    Index("ix_silence_to", "to_ms"),
)

local_action = Table(  # what a gateway's local rule did to an output
    "local_action",
    metadata,
    Column("id", COUNTED, primary_key=True),
    Column("site", String(200), nullable=False),
    Column("node", String(200), nullable=False),
    Column("device", String(200), nullable=False),
    Column("metric", String(200), nullable=False),
    Column("rule", String(200), nullable=False),
    Column("at_ms", BigInteger, nullable=False),  # event time of the rule's transition
    Column("written_ms", BigInteger, nullable=False),  # by the gateway's clock
    Column("noted_ms", BigInteger, nullable=False),  # when the cloud knew
    Column("is_on", Boolean, nullable=False),
    Column("note", Text, nullable=False),
    Index("ix_local_action_series", "site", "node", "device", "metric", "rule", "at_ms"),
    Index("ix_local_action_noted", "noted_ms"),
)
