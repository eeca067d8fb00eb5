"""Dispatch: addresses news of incidents to receivers, as the routes say, in one transaction.

Ingest writes one row for each piece of news; dispatch makes one row for each receiver of it, and the steps of
escalation that follow. Both become durable together with "dispatched", so that a crash neither loses nor doubles
anything. Of one incident the news is dispatched in order.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from frostline_cloud.alerts import Gate
from frostline_cloud.alerts.event import EventType
from frostline_cloud.notify import health, outbox
from frostline_cloud.notify.escalation import is_needed as escalation_is_needed
from frostline_cloud.notify.health import HealthState
from frostline_cloud.notify.outbox import UNADDRESSED, RowState
from frostline_cloud.notify.routing import Choice, EscalateConfig, RouteConfig, choose, facts_of
from frostline_cloud.notify.stage import Stage
from frostline_cloud.sql.tables import escalation
from frostline_cloud.sql.tables import outbox as rows_of
from frostline_core.rules import Severity

AT_ONCE: Final = 200
"""Pieces of news that one transaction dispatches."""

CANARY_RULE: Final = "frostline-canary"
"""The canary's alert goes to the receiver that it tries, whatever the routes say."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Who is told of what.

    Attributes:
        receivers: Names of all receivers.
        routes: In the order of the file; none: every receiver is told of everything.
        fallbacks: Receiver to the one that stands in for it when it is gone.
        canary: The receiver that the canary tries; "" for none.
    """

    receivers: tuple[str, ...] = ()
    routes: tuple[RouteConfig, ...] = ()
    fallbacks: tuple[tuple[str, str], ...] = ()
    canary: str = ""

    def fallback(self, receiver: str) -> str:
        """Who stands in for a receiver; "" for nobody."""
        return dict(self.fallbacks).get(receiver, "")

    def others(self, receiver: str) -> tuple[str, ...]:
        """Who is told about a receiver: its fallback, or everybody else."""
        fallback = self.fallback(receiver)
        return (fallback,) if fallback else tuple(name for name in self.receivers if name != receiver)


@dataclass(slots=True)
class Dispatched:
    """What one transaction did: pieces of news, those that nobody gets, those that are not told, and rows written."""

    news: int = 0
    unrouted: int = 0
    muted: int = 0
    written: int = 0


def dispatch(connection: Connection, plan: Plan, now_ms: int) -> Dispatched:
    """Addresses what is due; in a transaction that may write."""
    done = Dispatched()
    found = outbox.due(connection, UNADDRESSED, now_ms, AT_ONCE)
    gone = {each.receiver for each in health.all_health(connection) if each.state is HealthState.GONE}
    mine = [row for row in found if _take(connection, row, now_ms)]  # of the others another process was faster
    muted = _muted(connection, mine, now_ms)
    if muted:
        held = update(rows_of).where(rows_of.c.id == bindparam("b_id")).values(state=RowState.MUTED.value)
        connection.execute(held, [{"b_id": each} for each in sorted(muted)])
    done.news, done.muted = len(mine), len(muted)
    for row in mine:
        if row.id in muted:
            continue
        made = _address(connection, row, plan, gone, now_ms)
        done.written += made
        done.unrouted += made == 0
    return done


def _take(connection: Connection, row: Row[Any], now_ms: int) -> bool:
    mine = (rows_of.c.id == row.id, rows_of.c.state == RowState.WAITING.value)
    ended = {"state": RowState.DISPATCHED.value, "done_ms": now_ms}
    return connection.execute(update(rows_of).where(*mine).values(**ended)).rowcount == 1


def _muted(connection: Connection, news: Sequence[Row[Any]], now_ms: int) -> set[str]:
    """The news that is not told: of alerts that are shelved, silenced or follow from another.

    The end of an alert goes to whoever was told of it; the canary's alert is there to be told.
    """
    asked = [row for row in news if row.type != EventType.RESOLVED]
    gate = Gate.read(connection, [row.alert for row in asked], now_ms)
    asked = [row for row in asked if gate.subjects[row.alert].rule != CANARY_RULE]
    told = gate.pass_news(connection, [row.alert for row in asked])
    return {row.id for row in asked if row.alert not in told}


def _address(connection: Connection, row: Row[Any], plan: Plan, gone: set[str], now_ms: int) -> int:
    body = json.loads(row.body)
    told = _told(connection, row.alert)
    choice = _choice(body, plan, now_ms)
    receivers = _receivers(body, told, choice, plan)
    new = []
    for name, route in _standing_in(receivers, plan, gone).items():
        said = body
        if body["type"] == EventType.UPDATED and name not in told:
            said = body | {"type": EventType.FIRING.value}  # the first that it hears of the incident
        new.append(outbox.addressed(row, (name, route), now_ms, said))
    if new:
        connection.execute(insert(rows_of), new)
    if facts_of(body).stage not in (Stage.RESOLVED, Stage.RETROACTIVE):
        _plan_steps(connection, row.alert, choice.routes, now_ms)
    return len(new)


def _choice(body: dict[str, Any], plan: Plan, now_ms: int) -> Choice:
    """What the routes say. Something critical that no route takes goes to everybody: it must not end in silence."""
    facts = facts_of(body)
    if facts.rule == CANARY_RULE:
        return Choice((), {plan.canary: ""} if plan.canary else {})
    if not plan.routes:
        return Choice((), dict.fromkeys(plan.receivers, ""))
    choice = choose(plan.routes, facts, now_ms)
    if not choice.routes and facts.severity == Severity.CRITICAL:
        return Choice((), dict.fromkeys(plan.receivers, ""))
    return choice


def _receivers(
    body: dict[str, Any], told: dict[str, set[str | None]], choice: Choice, plan: Plan
) -> dict[str, str | None]:
    """Receiver to route. Who was told of an incident is told how it goes on; only they are told that it is over."""
    stage = facts_of(body).stage
    excluding = {route.name for route in plan.routes if route.stages and stage not in route.stages}
    going_on: dict[str, str | None] = {}
    for name, routes in told.items():
        wanted = [route for route in routes if route not in excluding]
        if wanted:
            going_on[name] = wanted[0]
    if stage is Stage.RESOLVED:
        return going_on
    return going_on | {name: route for name, route in choice.receivers.items() if name not in going_on}


def _standing_in(receivers: dict[str, str | None], plan: Plan, gone: set[str]) -> dict[str, str | None]:
    """The fallback in the place of a receiver that is gone."""
    found: dict[str, str | None] = {}
    for name, route in receivers.items():
        fallback = plan.fallback(name)
        found.setdefault(fallback if name in gone and fallback else name, route)
    return found


def _told(connection: Connection, alert: str) -> dict[str, set[str | None]]:
    """Receivers that were told of an incident, and by which routes."""
    query = select(rows_of.c.receiver, rows_of.c.route).where(
        rows_of.c.alert == alert, rows_of.c.receiver != UNADDRESSED
    )
    found: dict[str, set[str | None]] = {}
    for row in connection.execute(query.distinct().order_by(rows_of.c.receiver)):
        found.setdefault(row.receiver, set()).add(row.route)
    return found


def _plan_steps(connection: Connection, alert: str, routes: Sequence[RouteConfig], now_ms: int) -> None:
    """Writes the steps of escalation that are not there yet; those that somebody's note stopped begin anew.

    News comes after a note only where the severity rose, or where the alert was not told for a while.
    """
    if not any(route.escalate for route in routes):
        return
    _resume_steps(connection, alert, routes, now_ms)
    known = {
        (row.route, row.step)
        for row in connection.execute(select(escalation.c.route, escalation.c.step).where(escalation.c.alert == alert))
    }
    steps = [
        {
            "alert": alert,
            "route": route.name,
            "step": number,
            "receivers": list(step.to),
            "due_ms": now_ms + round(step.after_minutes * 60_000),
            "state": "waiting",
        }
        for route in routes
        for number, step in _numbered(route)
        if (route.name, number) not in known
    ]
    if steps:
        connection.execute(insert(escalation), steps)


def _resume_steps(connection: Connection, alert: str, routes: Sequence[RouteConfig], now_ms: int) -> None:
    if not escalation_is_needed(connection, alert):
        return
    stopped = select(escalation).where(escalation.c.alert == alert, escalation.c.state == "stopped")
    minutes = {(route.name, number): step.after_minutes for route in routes for number, step in _numbered(route)}
    for row in connection.execute(stopped).all():
        if (row.route, row.step) in minutes:
            due_ms = now_ms + round(minutes[row.route, row.step] * 60_000)
            again = {"state": "waiting", "due_ms": due_ms, "done_ms": None}
            connection.execute(update(escalation).where(escalation.c.id == row.id).values(**again))


def _numbered(route: RouteConfig) -> list[tuple[int, EscalateConfig]]:
    return list(enumerate(route.escalate, 1))
