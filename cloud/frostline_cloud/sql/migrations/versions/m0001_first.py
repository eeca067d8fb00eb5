"""0001: every table of the first release."""

from __future__ import annotations

from alembic import op
from alembic.util import CommandError
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Text,
    UniqueConstraint,
)

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ID = BigInteger().with_variant(Integer(), "sqlite")


def upgrade() -> None:
    """Creates everything."""
    _registry()
    _commits()
    _rules()
    _alerts()
    _notifications()
    _access()


def downgrade() -> None:
    """Refused: the first migration has nothing to go back to."""
    raise CommandError("0001 is the first state of the database; restore a backup instead")


def _registry() -> None:
    op.create_table(
        "site",
        Column("site", String(length=200), nullable=False),
        Column("first_seen_ms", BigInteger(), nullable=False),
        PrimaryKeyConstraint("site", name=op.f("pk_site")),
    )
    op.create_table(
        "node",
        Column("site", String(length=200), nullable=False),
        Column("node", String(length=200), nullable=False),
        Column("online", Boolean(), nullable=False),
        Column("proved", Boolean(), nullable=False),
        Column("bd_seq", Integer(), nullable=False),
        Column("spool", String(length=16)),
        Column("held", JSON()),
        Column("birth_ms", BigInteger(), nullable=False),
        Column("death_ms", BigInteger()),
        Column("birth", LargeBinary()),
        PrimaryKeyConstraint("site", "node", name=op.f("pk_node")),
    )
    op.create_table(
        "device",
        Column("site", String(length=200), nullable=False),
        Column("node", String(length=200), nullable=False),
        Column("device", String(length=200), nullable=False),
        Column("kind", String(length=100), nullable=False),
        Column("zone", String(length=200), nullable=False),
        Column("labels", JSON(), nullable=False),
        Column("online", Boolean(), nullable=False),
        Column("birth_ms", BigInteger(), nullable=False),
        Column("death_ms", BigInteger()),
        Column("birth", LargeBinary()),
        PrimaryKeyConstraint("site", "node", "device", name=op.f("pk_device")),
    )
    op.create_table(
        "metric",
        Column("site", String(length=200), nullable=False),
        Column("node", String(length=200), nullable=False),
        Column("device", String(length=200), nullable=False),
        Column("metric", String(length=200), nullable=False),
        Column("datatype", Integer(), nullable=False),
        Column("unit", String(length=40), nullable=False),
        Column("low", Float()),
        Column("high", Float()),
        Column("writable", Boolean(), nullable=False),
        PrimaryKeyConstraint("site", "node", "device", "metric", name=op.f("pk_metric")),
    )


def _commits() -> None:
    op.create_table(
        "run",
        Column("run", String(length=16), nullable=False),
        Column("site", String(length=200), nullable=False),
        Column("node", String(length=200), nullable=False),
        Column("stream", Integer(), nullable=False),
        Column("committed", BigInteger(), nullable=False),
        Column("announced", BigInteger(), nullable=False),
        Column("at_ms", BigInteger(), nullable=False),
        PrimaryKeyConstraint("run", name=op.f("pk_run")),
    )
    op.create_index("ix_run_node", "run", ["site", "node"], unique=False)
    op.create_table(
        "loss",
        Column("id", _ID, nullable=False),
        Column("site", String(length=200), nullable=False),
        Column("node", String(length=200), nullable=False),
        Column("run", String(length=16)),
        Column("first", BigInteger()),
        Column("last", BigInteger()),
        Column("reason", Text(), nullable=False),
        Column("samples", BigInteger()),
        Column("from_ms", BigInteger()),
        Column("to_ms", BigInteger()),
        Column("at_ms", BigInteger(), nullable=False),
        PrimaryKeyConstraint("id", name=op.f("pk_loss")),
    )
    op.create_index("ix_loss_node", "loss", ["site", "node", "at_ms"], unique=False)
    op.create_table(
        "dead_letter",
        Column("id", _ID, nullable=False),
        Column("site", String(length=200), nullable=False),
        Column("node", String(length=200), nullable=False),
        Column("device", String(length=200), nullable=False),
        Column("topic", Text(), nullable=False),
        Column("reason", Text(), nullable=False),
        Column("raw", LargeBinary(), nullable=False),
        Column("at_ms", BigInteger(), nullable=False),
        Column("replayed_ms", BigInteger()),
        PrimaryKeyConstraint("id", name=op.f("pk_dead_letter")),
    )


def _rules() -> None:
    op.create_table(
        "series_clock",
        Column("site", String(length=200), nullable=False),
        Column("node", String(length=200), nullable=False),
        Column("device", String(length=200), nullable=False),
        Column("clock", LargeBinary(), nullable=False),
        PrimaryKeyConstraint("site", "node", "device", name=op.f("pk_series_clock")),
    )
    op.create_table(
        "rule_state",
        Column("rule", String(length=200), nullable=False),
        Column("site", String(length=200), nullable=False),
        Column("node", String(length=200), nullable=False),
        Column("device", String(length=200), nullable=False),
        Column("metric", String(length=200), nullable=False),
        Column("state", JSON(), nullable=False),
        Column("at_ms", BigInteger(), nullable=False),
        PrimaryKeyConstraint("rule", "site", "node", "device", "metric", name=op.f("pk_rule_state")),
    )


def _alerts() -> None:
    op.create_table(
        "alert",
        Column("id", String(length=36), nullable=False),
        Column("rule", String(length=200), nullable=False),
        Column("site", String(length=200), nullable=False),
        Column("node", String(length=200), nullable=False),
        Column("device", String(length=200), nullable=False),
        Column("metric", String(length=200), nullable=False),
        Column("zone", String(length=200), nullable=False),
        Column("severity", String(length=20), nullable=False),
        Column("state", String(length=20), nullable=False),
        Column("revision", Integer(), nullable=False),
        Column("retroactive", Boolean(), nullable=False),
        Column("opened_ms", BigInteger(), nullable=False),
        Column("fired_ms", BigInteger()),
        Column("resolved_ms", BigInteger()),
        Column("value", Float()),
        Column("summary", Text(), nullable=False),
        Column("evidence", JSON(), nullable=False),
        Column("acknowledged_ms", BigInteger()),
        Column("acknowledged_by", String(length=200)),
        PrimaryKeyConstraint("id", name=op.f("pk_alert")),
    )
    op.create_index("ix_alert_open", "alert", ["state", "severity"], unique=False)
    op.create_index("ix_alert_opened", "alert", ["opened_ms", "id"], unique=False)
    op.create_index("ix_alert_series", "alert", ["site", "node", "device", "metric", "rule"], unique=False)
    op.create_table(
        "alert_event",
        Column("id", _ID, nullable=False),
        Column("alert", String(length=36), nullable=False),
        Column("revision", Integer(), nullable=False),
        Column("before", String(length=20), nullable=False),
        Column("after", String(length=20), nullable=False),
        Column("at_ms", BigInteger(), nullable=False),
        Column("noted_ms", BigInteger(), nullable=False),
        Column("value", Float()),
        Column("note", Text(), nullable=False),
        ForeignKeyConstraint(["alert"], ["alert.id"], name=op.f("fk_alert_event_alert_alert")),
        PrimaryKeyConstraint("id", name=op.f("pk_alert_event")),
    )
    op.create_index(op.f("ix_alert_event_alert"), "alert_event", ["alert"], unique=False)


def _notifications() -> None:
    op.create_table(
        "outbox",
        Column("id", String(length=40), nullable=False),
        Column("alert", String(length=36), nullable=False),
        Column("revision", Integer(), nullable=False),
        Column("type", String(length=40), nullable=False),
        Column("receiver", String(length=200), nullable=False),
        Column("body", Text(), nullable=False),
        Column("state", String(length=20), nullable=False),
        Column("created_ms", BigInteger(), nullable=False),
        Column("due_ms", BigInteger(), nullable=False),
        Column("attempts", Integer(), nullable=False),
        Column("done_ms", BigInteger()),
        ForeignKeyConstraint(["alert"], ["alert.id"], name=op.f("fk_outbox_alert_alert")),
        PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index(op.f("ix_outbox_alert"), "outbox", ["alert"], unique=False)
    op.create_index("ix_outbox_due", "outbox", ["state", "due_ms"], unique=False)
    op.create_table(
        "delivery",
        Column("id", _ID, nullable=False),
        Column("outbox", String(length=40), nullable=False),
        Column("at_ms", BigInteger(), nullable=False),
        Column("status", Integer()),
        Column("error", Text(), nullable=False),
        Column("took_ms", Integer(), nullable=False),
        ForeignKeyConstraint(["outbox"], ["outbox.id"], name=op.f("fk_delivery_outbox_outbox")),
        PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
    )
    op.create_index(op.f("ix_delivery_outbox"), "delivery", ["outbox"], unique=False)


def _access() -> None:
    op.create_table(
        "account",
        Column("site", String(length=200), nullable=False),
        Column("node", String(length=200), nullable=False),
        Column("day", String(length=200), nullable=False),
        Column("received", BigInteger(), nullable=False),
        Column("written", BigInteger(), nullable=False),
        Column("dead_lettered", BigInteger(), nullable=False),
        Column("duplicate", BigInteger(), nullable=False),
        PrimaryKeyConstraint("site", "node", "day", name=op.f("pk_account")),
    )
    op.create_table(
        "setting",
        Column("key", String(length=200), nullable=False),
        Column("value", Text(), nullable=False),
        PrimaryKeyConstraint("key", name=op.f("pk_setting")),
    )
    op.create_table(
        "token",
        Column("id", _ID, nullable=False),
        Column("name", String(length=200), nullable=False),
        Column("hash", String(length=64), nullable=False),
        Column("role", String(length=20), nullable=False),
        Column("created_ms", BigInteger(), nullable=False),
        Column("expires_ms", BigInteger()),
        Column("revoked_ms", BigInteger()),
        PrimaryKeyConstraint("id", name=op.f("pk_token")),
        UniqueConstraint("hash", name=op.f("uq_token_hash")),
    )
