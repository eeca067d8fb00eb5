"""Dispatch: addresses news of incidents to receivers, as the routes say, in one transaction.

Ingest writes one row for each piece of news; dispatch makes one row for each receiver of it, and the steps of
escalation that follow. Both become durable together with "dispatched", so that a crash neither loses nor doubles
anything. Of one incident the news is dispatched in order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Row, insert, select, update

from frostline_cloud.alerts import Gate
from frostline_cloud.alerts.event import EventType
from frostline_cloud.notify import health, outbox
from frostline_cloud.notify.grouping import Group, labels_of
from frostline_cloud.notify.grouping.joining import Joining
from frostline_cloud.notify.outbox import UNADDRESSED, RowState
from frostline_cloud.notify.plan import CANARY_RULE, Plan
from frostline_cloud.notify.routing import Choice, RouteConfig, facts_of
from frostline_cloud.notify.stage import Stage
from frostline_cloud.notify.steps import plan_steps
from frostline_cloud.sql.tables import outbox as rows_of

AT_ONCE: Final = 500
"""Pieces of news that one transaction dispatches."""


@dataclass(slots=True)
class Dispatched:
    """What one transaction did: pieces of news, those that nobody gets, those that are not told, and rows written."""

    news: int = 0
    unrouted: int = 0
    muted: int = 0
    written: int = 0


@dataclass(frozen=True, slots=True)
class _Told:
    """What receivers were told of an incident: by which routes, and in which group, if in one."""

    routes: dict[str, set[str | None]] = field(default_factory=dict)
    groups: dict[str, str | None] = field(default_factory=dict)


def dispatch(connection: Connection, plan: Plan, now_ms: int) -> Dispatched:
    """Addresses what is due, in a few statements for all; in a transaction that may write."""
    found = outbox.due(connection, UNADDRESSED, now_ms, AT_ONCE)
    taken = _take(connection, [row.id for row in found], now_ms)  # of the others another process was faster
    mine = [row for row in found if row.id in taken]
    muted = _muted(connection, mine, now_ms)
    if muted:
        held = update(rows_of).where(rows_of.c.id.in_(sorted(muted)))
        connection.execute(held.values(state=RowState.MUTED.value))
    addressed = [row for row in mine if row.id not in muted]
    post = _Post(plan, health.gone(connection), _told(connection, [row.alert for row in addressed]), now_ms)
    unrouted = sum(not post.address(row) for row in addressed)
    post.write(connection)
    return Dispatched(len(mine), unrouted, len(muted), len(post.new))


@dataclass(slots=True)
class _Post:
    """What one transaction addresses: the new rows, the groups that they join, and the steps that follow."""

    plan: Plan
    gone: set[str]
    told: Mapping[str, _Told]
    now_ms: int
    new: list[dict[str, Any]] = field(default_factory=list)
    joining: Joining = field(default_factory=Joining)
    steps: dict[str, Sequence[RouteConfig]] = field(default_factory=dict)

    def address(self, row: Row[Any]) -> int:
        """Adds the rows of one piece of news; returns how many."""
        body = orjson.loads(row.body)
        facts = facts_of(body)
        stage, choice = facts.stage, self.plan.choice(facts, self.now_ms)
        told = self.told.get(row.alert) or _Told()
        receivers = _receivers(stage, told.routes, choice, self.plan)
        made = 0
        for name, route in _standing_in(receivers, self.plan, self.gone).items():
            said = body
            if body["type"] == EventType.UPDATED and name not in told.routes:
                said = _first_heard(body)
            new = outbox.addressed(row, (name, route), self.now_ms, said)
            self.new.append(new | {"grouping": self._join(new, body, told)})
            made += 1
        if stage not in (Stage.RESOLVED, Stage.RETROACTIVE):
            self.steps[row.alert] = choice.routes
        return made

    def write(self, connection: Connection) -> None:
        """Writes everything, table by table."""
        if self.new:
            connection.execute(insert(rows_of), self.new)
        self.joining.write(connection, self.now_ms)
        plan_steps(connection, self.steps, self.now_ms)

    def _join(self, new: Mapping[str, Any], body: dict[str, Any], told: _Told) -> str | None:
        """The group that tells it; None where it is told by itself. An alert stays where it was told first."""
        receiver, route = new["receiver"], new["route"] or ""
        config = self.plan.groups.get(route)
        if receiver in told.groups and told.groups[receiver] is None:
            return None
        if config is None:
            return None
        group = Group.of(receiver, route, labels_of(config, body))
        urgent = new["critical"] and new["type"] != EventType.RESOLVED
        self.joining.add(group, config, critical=urgent)
        return group.id


def _first_heard(body: dict[str, Any]) -> dict[str, Any]:
    """News of an incident that goes on, for who has not heard of it: it fires, now, however it was found."""
    return body | {"type": EventType.FIRING.value, "incident": body["incident"] | {"retroactive": False}}


def _take(connection: Connection, ids: Sequence[str], now_ms: int) -> set[str]:
    mine = (rows_of.c.id.in_(ids), rows_of.c.state == RowState.WAITING.value)
    ended = update(rows_of).where(*mine).values(state=RowState.DISPATCHED.value, done_ms=now_ms)
    return set(connection.scalars(ended.returning(rows_of.c.id)))


def _muted(connection: Connection, news: Sequence[Row[Any]], now_ms: int) -> set[str]:
    """The news that is not told: of alerts that are shelved, silenced or follow from another.

    The end of an alert goes to whoever was told of it; the canary's alert is there to be told.
    """
    asked = [row for row in news if row.type != EventType.RESOLVED]
    gate = Gate.read(connection, [row.alert for row in asked], now_ms)
    asked = [row for row in asked if gate.subjects[row.alert].rule != CANARY_RULE]
    told = gate.pass_news(connection, [row.alert for row in asked])
    return {row.id for row in asked if row.alert not in told}


def _receivers(stage: Stage, told: dict[str, set[str | None]], choice: Choice, plan: Plan) -> dict[str, str | None]:
    """Receiver to route. Who was told of an incident is told how it goes on; only they are told that it is over."""
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
        found.setdefault(plan.standing_in(name, gone), route)
    return found


def _told(connection: Connection, alerts: Sequence[str]) -> dict[str, _Told]:
    """Who was told of each of these incidents; nothing of those of which nobody was."""
    columns = (rows_of.c.alert, rows_of.c.receiver, rows_of.c.route, rows_of.c.grouping)
    query = select(*columns).where(rows_of.c.alert.in_(alerts), rows_of.c.receiver != UNADDRESSED)
    found: dict[str, _Told] = {}
    for row in connection.execute(query.distinct().order_by(rows_of.c.receiver)):
        told = found.setdefault(row.alert, _Told())
        told.routes.setdefault(row.receiver, set()).add(row.route)
        told.groups[row.receiver] = told.groups.get(row.receiver) or row.grouping
    return found
