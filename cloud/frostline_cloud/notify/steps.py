"""The steps of escalation that follow when alerts are told, written for many alerts at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from frostline_cloud.notify.routing import EscalateConfig, RouteConfig
from frostline_cloud.sql.tables import alert, escalation
from frostline_core.rules import Phase


def plan_steps(connection: Connection, told: Mapping[str, Sequence[RouteConfig]], now_ms: int) -> None:
    """Writes the steps that are not there yet; those that somebody's note stopped begin anew.

    News comes after a note only where the severity rose, or where the alert was not told for a while.

    Args:
        connection: In a transaction that may write.
        told: The routes that took each alert.
        now_ms: When it was told.
    """
    wanted = {alert_id: routes for alert_id, routes in told.items() if any(route.escalate for route in routes)}
    if not wanted:
        return
    known = connection.execute(select(escalation).where(escalation.c.alert.in_(list(wanted)))).all()
    there = {(row.alert, row.route, row.step) for row in known}
    new = [
        {
            "alert": alert_id,
            "route": name,
            "step": number,
            "receivers": list(step.to),
            "due_ms": _due_ms(step, now_ms),
            "state": "waiting",
        }
        for alert_id, routes in wanted.items()
        for name, number, step in _numbered(routes)
        if (alert_id, name, number) not in there
    ]
    if new:
        connection.execute(insert(escalation), new)
    stopped = [row for row in known if row.state == "stopped"]
    needed = unnoted(connection, list({row.alert for row in stopped})) if stopped else set()
    again = [
        {"b_id": row.id, "b_ms": _due_ms(step, now_ms)}
        for row in stopped
        for name, number, step in _numbered(wanted[row.alert])
        if row.alert in needed and (row.route, row.step) == (name, number)
    ]
    if again:
        values: dict[str, Any] = {"state": "waiting", "due_ms": bindparam("b_ms"), "done_ms": None}
        connection.execute(update(escalation).where(escalation.c.id == bindparam("b_id")).values(**values), again)


def unnoted(connection: Connection, alert_ids: Sequence[str]) -> set[str]:
    """Of some alerts those that are not over and of which nobody took note."""
    open_ = (alert.c.acknowledged_ms.is_(None), alert.c.state != Phase.RESOLVED.value)
    return set(connection.scalars(select(alert.c.id).where(alert.c.id.in_(alert_ids), *open_)))


def _numbered(routes: Sequence[RouteConfig]) -> Iterator[tuple[str, int, EscalateConfig]]:
    for route in routes:
        for number, step in enumerate(route.escalate, 1):
            yield route.name, number, step


def _due_ms(step: EscalateConfig, now_ms: int) -> int:
    return now_ms + round(step.after_minutes * 60_000)
