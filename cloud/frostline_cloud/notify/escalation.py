"""Escalation: the steps that are due, until somebody takes note or the incident is over.

The steps were written when the alert was dispatched, so that a restart neither forgets nor repeats one. A step and the
notifications that it makes become durable together.
"""

from __future__ import annotations

import json
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select, update

from frostline_cloud.alerts import handlings
from frostline_cloud.alerts.event import EventType
from frostline_cloud.alerts.message import instant
from frostline_cloud.notify import outbox
from frostline_cloud.notify.outbox import UNADDRESSED
from frostline_cloud.sql.tables import alert, escalation
from frostline_cloud.sql.tables import outbox as rows_of
from frostline_core.rules import Phase

AT_ONCE: Final = 200
"""Steps that one transaction takes."""

_MUTED_WAIT_MS: Final = 60_000  # a step of an alert that is not told is looked at again after this


def is_due(connection: Connection, now_ms: int) -> bool:
    """Whether a step is due."""
    return connection.execute(_due(now_ms).limit(1)).first() is not None


def escalate(connection: Connection, now_ms: int) -> int:
    """Takes the steps that are due; returns how many notifications that made. In a transaction that may write."""
    made = 0
    for step in connection.execute(_due(now_ms).limit(AT_ONCE)).all():
        state = "sent" if is_needed(connection, step.alert) else "stopped"
        mine = (escalation.c.id == step.id, escalation.c.state == "waiting")
        if state == "sent" and handlings(connection, [step.alert])[step.alert].muted is not None:
            connection.execute(update(escalation).where(*mine).values(due_ms=now_ms + _MUTED_WAIT_MS))
            continue
        ended = {"state": state, "done_ms": now_ms}
        if connection.execute(update(escalation).where(*mine).values(**ended)).rowcount == 1 and state == "sent":
            made += _tell(connection, step, now_ms)
    return made


def _due(now_ms: int) -> Any:
    ready = (escalation.c.state == "waiting", escalation.c.due_ms <= now_ms)
    return select(escalation).where(*ready).order_by(escalation.c.due_ms, escalation.c.id)


def is_needed(connection: Connection, alert_id: str) -> bool:
    """Whether an alert is open and nobody has taken note of it."""
    row = connection.execute(select(alert.c.state, alert.c.acknowledged_ms).where(alert.c.id == alert_id)).one()
    return row.acknowledged_ms is None and row.state != Phase.RESOLVED.value


def _tell(connection: Connection, step: Row[Any], now_ms: int) -> int:
    news = (rows_of.c.alert == step.alert, rows_of.c.receiver == UNADDRESSED)
    newest = connection.execute(select(rows_of).where(*news).order_by(rows_of.c.revision.desc()).limit(1)).first()
    if newest is None:
        return 0
    after_s = _waited_s(connection, step)
    body = json.loads(newest.body) | {
        "type": EventType.ESCALATED.value,
        "noted_at": instant(now_ms),
        "escalation": {"route": step.route, "step": step.step, "after_s": after_s},
    }
    rows = []
    for name in step.receivers:
        made = outbox.addressed(newest, (name, step.route), now_ms, body)
        made["id"] = outbox.new_id(f"{step.alert}/{step.route}/{step.step}", name)
        rows.append(made | {"body": json.dumps(body | {"id": made["id"]}, ensure_ascii=False, separators=(",", ":"))})
    connection.execute(insert(rows_of), rows)
    return len(rows)


def _waited_s(connection: Connection, step: Row[Any]) -> int:
    """How long the alert has been told to people by then."""
    first = select(rows_of.c.created_ms).where(rows_of.c.alert == step.alert, rows_of.c.receiver != UNADDRESSED)
    began_ms = connection.scalar(first.order_by(rows_of.c.created_ms).limit(1))
    return 0 if began_ms is None else max(0, (step.due_ms - began_ms) // 1000)
