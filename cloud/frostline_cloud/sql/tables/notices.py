"""Who is told of alerts, and how that went."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, false

from frostline_cloud.sql.tables.shape import COUNTED, key, metadata

outbox = Table(
    "outbox",
    metadata,
    Column("id", String(40), primary_key=True),  # webhook-id: stable over retries
    Column("alert", String(36), ForeignKey("alert.id"), nullable=False, index=True),
    Column("revision", Integer, nullable=False),
    Column("type", String(40), nullable=False),  # alert.firing, alert.updated, alert.resolved
    Column("receiver", String(200), nullable=False),  # "*": news that dispatch has yet to address
    Column("body", Text, nullable=False),
    Column("state", String(20), nullable=False),  # waiting, delivered, dead, collapsed, skipped, dispatched
    Column("created_ms", BigInteger, nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("done_ms", BigInteger),
    Column("critical", Boolean, nullable=False, server_default=false()),  # goes first, past every budget
    Column("route", String(200)),  # by which dispatch chose the receiver; null = written to it directly
    Column("held_ms", BigInteger),  # since when it waits for a digest: the receiver's budget was used up
    Column("digest", String(40)),  # id of the digest or group message that carried it
    Column("grouping", String(40)),  # id of the notice_group that tells it; null = it is told by itself
    Index("ix_outbox_due", "state", "due_ms"),
    Index("ix_outbox_receiver", "receiver", "state", "due_ms"),
    Index("ix_outbox_next", "receiver", "state", "held_ms", "grouping", "critical", "due_ms", "id"),
    Index("ix_outbox_order", "alert", "receiver", "state", "revision"),  # what comes before and after a row
)

notice_group = Table(  # what one receiver is told together, from the first news until all of it is over
    "notice_group",
    metadata,
    Column("id", String(40), primary_key=True),  # made of receiver, route and labels
    Column("receiver", String(200), nullable=False),
    Column("route", String(200), nullable=False),
    Column("labels", JSON, nullable=False),  # what its alerts have in common
    Column("next_ms", BigInteger, nullable=False),  # when to look at it
    Column("lease_ms", BigInteger, nullable=False),  # until when a process works on it; 0: nobody does
    Column("told_ms", BigInteger),  # when its newest message was delivered
    Column("firing", Integer, nullable=False),  # alerts that fire, by that message
    Index("ix_notice_group_next", "receiver", "next_ms"),
)

delivery = Table(
    "delivery",
    metadata,
    Column("id", COUNTED, primary_key=True),
    Column("outbox", String(40), ForeignKey("outbox.id"), nullable=False, index=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("status", Integer),  # HTTP status; null where none came
    Column("error", Text, nullable=False),
    Column("took_ms", Integer, nullable=False),
)

receiver_health = Table(  # only of receivers that have failed since they last delivered
    "receiver_health",
    metadata,
    *key("receiver"),
    Column("target", String(64), nullable=False),  # hash of where it is reached: another target is a new chance
    Column("state", String(20), nullable=False),  # ok, resting (circuit open), gone
    Column("failures", Integer, nullable=False),  # in a row
    Column("reason", Text, nullable=False),
    Column("since_ms", BigInteger, nullable=False),
    Column("retry_ms", BigInteger, nullable=False),  # when resting: the next attempt
)

escalation = Table(
    "escalation",
    metadata,
    Column("id", COUNTED, primary_key=True),
    Column("alert", String(36), ForeignKey("alert.id"), nullable=False),
    Column("route", String(200), nullable=False),
    Column("step", Integer, nullable=False),  # 1 is the first
    Column("receivers", JSON, nullable=False),  # and rotations, as named when the alert fired
    Column("due_ms", BigInteger, nullable=False),
    Column("state", String(20), nullable=False),  # waiting, sent, stopped
    Column("done_ms", BigInteger),
    Index("ix_escalation_step", "alert", "route", "step", unique=True),
    Index("ix_escalation_due", "state", "due_ms"),
)

duty_override = Table(  # who is on call in the place of somebody; rows stay, so that one sees who wanted it
    "duty_override",
    metadata,
    Column("id", COUNTED, primary_key=True),
    Column("rotation", String(100), nullable=False),
    Column("who", String(100), nullable=False),  # a receiver
    Column("instead_of", String(100), nullable=False),  # only in turns of this one; "" = whoever's turn it is
    Column("reason", Text, nullable=False),
    Column("author", String(200), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("from_ms", BigInteger, nullable=False),
    Column("to_ms", BigInteger, nullable=False),
    Column("ended_by", String(200)),  # who ended it before its time
    Index("ix_duty_override_to", "to_ms"),
)

used_link = Table(  # acknowledge links that were used: each works once
    "used_link",
    metadata,
    *key("id"),
    Column("used_ms", BigInteger, nullable=False),
)

bundle_link = Table(  # acknowledge links of messages that tell of many alerts
    "bundle_link",
    metadata,
    *key("id"),  # made of the message and of the alerts: another listing is another link
    Column("receiver", String(200), nullable=False),
    Column("alerts", JSON, nullable=False),  # ids of those that it takes note of
    Column("unlisted", Integer, nullable=False),  # how many others the message counted
    Column("made_ms", BigInteger, nullable=False),
)

canary = Table(
    "canary",
    metadata,
    Column("id", COUNTED, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),  # when the excursion was sent
    Column("receiver", String(200), nullable=False),
    Column("took_ms", Integer),  # until it was delivered; null: not in time
    Column("error", Text, nullable=False),
    Index("ix_canary_at", "at_ms"),
)
