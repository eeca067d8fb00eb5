"""Reads incidents and their timelines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, func, select

from frostline_cloud.alerts.incident import Incident
from frostline_cloud.sql.tables import alert, alert_event, handling
from frostline_core.rules import Phase

NEEDS_SOMEBODY = (Phase.FIRING.value, Phase.CLEARING.value)
"""States of an incident that people should know of; pending is not yet one."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Which incidents to read; None is any.

    Attributes:
        states: For example `("firing", "clearing")`.
        site: The site.
        node: The gateway.
        device: The device.
        severity: The severity.
        is_closed: Whether somebody has closed it.
        category: Of the rule, as it was when the alert opened.
        limit: The most to return, 1 to 1000.
        before: Only incidents that opened before this (opened_ms, id); the last of one page begins the next.
    """

    states: tuple[str, ...] | None = None
    site: str | None = None
    node: str | None = None
    device: str | None = None
    severity: str | None = None
    is_closed: bool | None = None
    category: str | None = None
    limit: int = 100
    before: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One change of an incident.

    Attributes:
        revision: The incident's revision after it.
        before: State before.
        after: State after.
        at_ms: Event time.
        noted_ms: When the cloud knew.
        value: The value then.
        note: Anything else.
        act: What somebody did; "" where it was the rule, or the cloud itself.
        who: Who.
    """

    revision: int
    before: str
    after: str
    at_ms: int
    noted_ms: int
    value: float | None
    note: str
    act: str = ""
    who: str = ""


def open_alerts(connection: Connection, limit: int = 1000) -> list[Incident]:
    """The incidents that need somebody, newest first; `limit` is the most."""
    return alerts(connection, Filters(states=NEEDS_SOMEBODY, limit=limit))


def alerts(connection: Connection, filters: Filters) -> list[Incident]:
    """Incidents by when they opened, newest first."""
    query = _where(select(alert), filters).order_by(alert.c.opened_ms.desc(), alert.c.id.desc())
    if filters.before is not None:
        opened, alert_id = filters.before
        earlier = (alert.c.opened_ms == opened) & (alert.c.id < alert_id)
        query = query.where((alert.c.opened_ms < opened) | earlier)
    rows = connection.execute(query.limit(max(1, min(filters.limit, 1000)))).mappings()
    return [Incident.from_row(row) for row in rows]


def count_alerts(connection: Connection, filters: Filters) -> int:
    """How many incidents there are, whatever `limit` and `before` say."""
    return connection.scalar(_where(select(func.count()).select_from(alert), filters)) or 0


def _where(query: Select[Any], filters: Filters) -> Select[Any]:
    if filters.states is not None:
        query = query.where(alert.c.state.in_(filters.states))
    for column in ("site", "node", "device", "severity"):
        wanted = getattr(filters, column)
        if wanted is not None:
            query = query.where(alert.c[column] == wanted)
    if filters.is_closed is not None:
        closed = select(handling.c.id).where(handling.c.id == alert.c.id, handling.c.closed_ms.is_not(None)).exists()
        query = query.where(closed if filters.is_closed else ~closed)
    if filters.category is not None:
        query = query.where(alert.c.evidence["rule"]["category"].as_string() == filters.category)
    return query


def one_alert(connection: Connection, alert_id: str) -> Incident | None:
    """The incident with that id."""
    row = connection.execute(select(alert).where(alert.c.id == alert_id)).mappings().one_or_none()
    return None if row is None else Incident.from_row(row)


def timeline(connection: Connection, alert_id: str) -> list[TimelineEntry]:
    """Every change of an incident in order, the newest 500."""
    query = select(alert_event).where(alert_event.c.alert == alert_id).order_by(alert_event.c.id.desc()).limit(500)
    rows = connection.execute(query).all()
    return [
        TimelineEntry(
            row.revision, row.before, row.after, row.at_ms, row.noted_ms, row.value, row.note, row.act, row.who
        )
        for row in reversed(rows)
    ]
