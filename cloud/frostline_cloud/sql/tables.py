"""Every SQL table: registry, commit protocol, rule state, alerts, outbox, account. SQLite or PostgreSQL.

Times are UTC milliseconds in BigInteger columns (SQLite has no time zones). Migrations in `migrations/` are what
creates them; a test says that the two agree. Only ingest writes registry, commit and rule tables; API and notify write
the rest.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    false,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
_Id = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only for INTEGER PRIMARY KEY


def _key(*names: str) -> list[Column[str]]:
    return [Column(name, String(200), primary_key=True) for name in names]


# ---- registry: what births told of ---------------------------------------------------------------------------------
site = Table("site", metadata, *_key("site"), Column("first_seen_ms", BigInteger, nullable=False))

node = Table(
    "node",
    metadata,
    *_key("site", "node"),
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
    *_key("site", "node", "device"),
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
    *_key("site", "node", "device", "metric"),
    Column("datatype", Integer, nullable=False),
    Column("unit", String(40), nullable=False),
    Column("low", Float),
    Column("high", Float),
    Column("writable", Boolean, nullable=False),
)

imported = Table(  # history that came from files: no birth told of it, and no gateway's account has it
    "imported",
    metadata,
    *_key("site", "node", "device", "metric"),
    Column("source", String(400), primary_key=True),  # the file
    Column("from_ms", BigInteger, nullable=False),  # event time
    Column("to_ms", BigInteger, nullable=False),  # event time
    Column("written", BigInteger, nullable=False),
    Column("known", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    Column("imported_ms", BigInteger, nullable=False),
)

# ---- commit protocol -----------------------------------------------------------------------------------------------
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
    Column("id", _Id, primary_key=True),
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
    Column("id", _Id, primary_key=True),
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

# ---- rules ---------------------------------------------------------------------------------------------------------
series_clock = Table(  # event time of the newest sample that the rules saw, per metric: decides live or retroactive;
    # a row of no site has what one flush has moved (ingest/clocks.py)
    "series_clock",
    metadata,
    *_key("site", "node", "device"),
    Column("clock", LargeBinary, nullable=False),
)

rule_state = Table(
    "rule_state",
    metadata,
    *_key("rule", "site", "node", "device", "metric"),
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
    *_key("site", "node"),
    Column("version", String(40), nullable=False),  # in use; "" for none
    Column("refused", String(40), nullable=False),  # "": could not even be read
    Column("reason", Text, nullable=False),  # "": nothing is refused
    Column("at_ms", BigInteger, nullable=False),  # by the gateway's clock
    Column("noted_ms", BigInteger, nullable=False),
)

pause = Table(  # when devices are not in service
    "pause",
    metadata,
    Column("id", _Id, primary_key=True),
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

# ---- alerts and their notifications --------------------------------------------------------------------------------
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
    Column("id", _Id, primary_key=True),
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
    Column("id", _Id, primary_key=True),
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
    Column("id", _Id, primary_key=True),
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
    Column("id", _Id, primary_key=True),
    Column("outbox", String(40), ForeignKey("outbox.id"), nullable=False, index=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("status", Integer),  # HTTP status; null where none came
    Column("error", Text, nullable=False),
    Column("took_ms", Integer, nullable=False),
)

receiver_health = Table(  # only of receivers that have failed since they last delivered
    "receiver_health",
    metadata,
    *_key("receiver"),
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
    Column("id", _Id, primary_key=True),
    Column("alert", String(36), ForeignKey("alert.id"), nullable=False),
    Column("route", String(200), nullable=False),
    Column("step", Integer, nullable=False),  # 1 is the first
    Column("receivers", JSON, nullable=False),  # as configured when the alert fired
    Column("due_ms", BigInteger, nullable=False),
    Column("state", String(20), nullable=False),  # waiting, sent, stopped
    Column("done_ms", BigInteger),
    Index("ix_escalation_step", "alert", "route", "step", unique=True),
    Index("ix_escalation_due", "state", "due_ms"),
)

used_link = Table(  # acknowledge links that were used: each works once
    "used_link",
    metadata,
    *_key("id"),
    Column("used_ms", BigInteger, nullable=False),
)

canary = Table(
    "canary",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),  # when the excursion was sent
    Column("receiver", String(200), nullable=False),
    Column("took_ms", Integer),  # until it was delivered; null: not in time
    Column("error", Text, nullable=False),
    Index("ix_canary_at", "at_ms"),
)

# ---- account, settings, access -------------------------------------------------------------------------------------
account = Table(  # samples per node and UTC day; received = written + dead_lettered + duplicate
    "account",
    metadata,
    *_key("site", "node", "day"),
    Column("received", BigInteger, nullable=False),
    Column("written", BigInteger, nullable=False),
    Column("dead_lettered", BigInteger, nullable=False),
    Column("duplicate", BigInteger, nullable=False),
)

gateway_account = Table(  # as gateways tell it; read = kept + filtered + rejected
    "gateway_account",
    metadata,
    *_key("site", "node", "day"),
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

setting = Table("setting", metadata, *_key("key"), Column("value", Text, nullable=False))

token = Table(
    "token",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("name", String(200), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),  # sha-256, hex
    Column("role", String(20), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger),
    Column("revoked_ms", BigInteger),
)
