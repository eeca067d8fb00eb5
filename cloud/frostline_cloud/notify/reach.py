"""Whom the escalation of an alert would reach, if its steps were taken now, and when they are due."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from frostline_cloud.alerts import handlings
from frostline_cloud.notify import health
from frostline_cloud.notify.oncall.rows import staffed
from frostline_cloud.notify.plan import Plan
from frostline_cloud.notify.steps import unnoted
from frostline_cloud.sql.tables import escalation


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a route's escalation.

    Attributes:
        route: The route.
        step: Its number; 1 is the first.
        due_ms: When it is taken, UTC.
        state: `waiting`, `sent` or `stopped`.
        to: Receivers and rotations that it names.
        now: Receivers that it would reach now, each with the rotation that it comes by; "" for none.
        then: Those that it will reach when it is due, as far as is known now.
    """

    route: str
    step: int
    due_ms: int
    state: str
    to: Sequence[str]
    now: Mapping[str, str]
    then: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reach:
    """What the escalation of an alert does.

    Attributes:
        steps: By when they are due.
        held: Why none is taken now: `noted`, somebody took note or it is over; `muted`, it is not told; "" for no
            reason.
    """

    steps: Sequence[Step]
    held: str


def reach_of(connection: Connection, plan: Plan, alert_id: str, now_ms: int) -> Reach:
    """The steps of an alert's escalation.

    Args:
        connection: Only reads.
        plan: Without the overrides that were made since.
        alert_id: An alert that exists.
        now_ms: UTC.
    """
    plan, gone = staffed(connection, plan, now_ms), health.gone(connection)

    def told(names: Sequence[str], at_ms: int) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, by in plan.on_call(names, at_ms).items():
            found.setdefault(plan.standing_in(name, gone), by)
        return found

    query = select(escalation).where(escalation.c.alert == alert_id)
    steps = [
        Step(
            row.route,
            row.step,
            row.due_ms,
            row.state,
            tuple(row.receivers),
            told(row.receivers, now_ms),
            told(row.receivers, max(now_ms, row.due_ms)),
        )
        for row in connection.execute(query.order_by(escalation.c.due_ms, escalation.c.id))
    ]
    return Reach(steps, _held(connection, alert_id))


def _held(connection: Connection, alert_id: str) -> str:
    if not unnoted(connection, [alert_id]):
        return "noted"
    return "muted" if handlings(connection, [alert_id])[alert_id].muted is not None else ""
