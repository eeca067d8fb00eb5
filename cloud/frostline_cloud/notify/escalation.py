"""Escalation: the steps that are due, until somebody takes note or the incident is over.

The steps were written when the alert was dispatched, so that a restart neither forgets nor repeats one. A step and the
notifications that it makes become durable together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Row, func, insert, select, update

from frostline_cloud.alerts import handlings
from frostline_cloud.alerts.event import EventType
from frostline_cloud.alerts.message import instant
from frostline_cloud.notify import health, outbox
from frostline_cloud.notify.grouping import Group, labels_of
from frostline_cloud.notify.grouping.joining import Joining
from frostline_cloud.notify.outbox import UNADDRESSED
from frostline_cloud.notify.plan import Plan
from frostline_cloud.notify.steps import unnoted
from frostline_cloud.sql.tables import escalation
from frostline_cloud.sql.tables import outbox as rows_of

AT_ONCE: Final = 200
"""Steps that one transaction takes."""

_MUTED_WAIT_MS: Final = 60_000  # a step of an alert that is not told is looked at again after this


def is_due(connection: Connection, now_ms: int) -> bool:
    """Whether a step is due."""
    return connection.execute(_due(now_ms).limit(1)).first() is not None


def escalate(connection: Connection, plan: Plan, now_ms: int) -> int:
    """Takes the steps that are due, in a few statements for all; returns how many notifications that made.

    A rotation in a step is whoever is on call now, not when the alert fired. Steps of routes that group are told
    together, at once.

    Args:
        connection: In a transaction that may write.
        plan: Who is on call, who stands in, and which routes group.
        now_ms: UTC.
    """
    due = connection.execute(_due(now_ms).limit(AT_ONCE)).all()
    alerts = list(dict.fromkeys(step.alert for step in due))
    needed = unnoted(connection, alerts)
    handled = handlings(connection, sorted(needed))
    muted = {alert_id for alert_id in needed if handled[alert_id].muted is not None}
    _end(connection, [step.id for step in due if step.alert not in needed], state="stopped", done_ms=now_ms)
    _end(connection, [step.id for step in due if step.alert in muted], due_ms=now_ms + _MUTED_WAIT_MS)
    ready = [step for step in due if step.alert in needed and step.alert not in muted]
    sent = _end(connection, [step.id for step in ready], state="sent", done_ms=now_ms)
    return _tell(connection, plan, [step for step in ready if step.id in sent], now_ms)


def _due(now_ms: int) -> Any:
    ready = (escalation.c.state == "waiting", escalation.c.due_ms <= now_ms)
    return select(escalation).where(*ready).order_by(escalation.c.due_ms, escalation.c.id)


def _end(connection: Connection, ids: Sequence[int], **values: Any) -> set[int]:
    """Changes steps that still wait; returns which."""
    if not ids:
        return set()
    mine = update(escalation).where(escalation.c.id.in_(ids), escalation.c.state == "waiting").values(**values)
    return set(connection.scalars(mine.returning(escalation.c.id)))


@dataclass(frozen=True, slots=True)
class _News:
    """What is known of alerts: the newest that was said of each, and when each was told to somebody first."""

    newest: Mapping[str, Row[Any]]
    began_ms: Mapping[str, int]

    @classmethod
    def read(cls, connection: Connection, alerts: Sequence[str]) -> _News:
        mine = rows_of.c.alert.in_(alerts)
        news = select(rows_of).where(mine, rows_of.c.receiver == UNADDRESSED).order_by(rows_of.c.revision)
        first = select(rows_of.c.alert, func.min(rows_of.c.created_ms).label("began_ms"))
        told = first.where(mine, rows_of.c.receiver != UNADDRESSED).group_by(rows_of.c.alert)
        newest = {row.alert: row for row in connection.execute(news)}
        return cls(newest, {row.alert: row.began_ms for row in connection.execute(told)})


def _tell(connection: Connection, plan: Plan, steps: Sequence[Row[Any]], now_ms: int) -> int:
    news = _News.read(connection, list({step.alert for step in steps})) if steps else _News({}, {})
    gone, groups = health.gone(connection) if steps else set(), plan.groups
    rows, joining = [], Joining()
    for step in steps:
        newest = news.newest.get(step.alert)
        if newest is None:
            continue
        after_s = max(0, (step.due_ms - news.began_ms.get(step.alert, step.due_ms)) // 1000)
        body = orjson.loads(newest.body) | {
            "type": EventType.ESCALATED.value,
            "noted_at": instant(now_ms),
            "escalation": {"route": step.route, "step": step.step, "after_s": after_s},
        }
        for name in dict.fromkeys(plan.standing_in(each, gone) for each in plan.on_call(step.receivers, now_ms)):
            made = outbox.addressed(newest, (name, step.route), now_ms, body, f"{step.alert}/{step.route}/{step.step}")
            config, group = groups.get(step.route), None
            if config is not None:
                group = Group.of(name, step.route, labels_of(config, body))
                joining.add(group, config, critical=True)
            rows.append(made | {"grouping": None if group is None else group.id})
    if rows:
        connection.execute(insert(rows_of), rows)
    joining.write(connection, now_ms)
    return len(rows)
