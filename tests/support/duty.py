"""A duty whose route groups: tests of groups tell it things, let time go by, and look at what it was told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select

from frostline_cloud.alerts import Doing, acknowledge, shelve
from frostline_cloud.notify import UNADDRESSED, Plan, RouteConfig
from frostline_cloud.notify.desk import Desk
from frostline_cloud.sql import read_only
from frostline_cloud.sql.tables import alert, escalation, notice_group, outbox
from frostline_core.config import parse
from tests.support.office import HOUR, MINUTE, Inbox, Office, drain

SECOND = 1000
WAIT, INTERVAL, REPEAT = 30 * SECOND, 5 * MINUTE, HOUR  # the defaults
PARTS = ("fired", "worse", "escalated", "resolved", "firing")


def route(group: dict[str, Any] | None = None, **keys: Any) -> RouteConfig:
    made = {"name": "all", "to": ["duty"], "group": {} if group is None else group, **keys}
    return parse(made, RouteConfig, "test")


@dataclass(slots=True)
class Duty:
    """An office with one receiver, whose route groups."""

    office: Office
    plan: Plan
    inbox: Inbox = field(default_factory=lambda: Inbox("duty"))
    budget: dict[str, Any] = field(default_factory=dict)

    @property
    def desk(self) -> Desk:
        return self.office.desk(self.inbox, self.plan, **self.budget)

    def tell(self, rule: str, change: Any, *devices: str, **where: Any) -> None:
        self.office.tell(rule, change, devices, [UNADDRESSED], **where)
        self.office.dispatch(self.plan)
        drain(self.desk)

    def wait(self, length_ms: int) -> None:
        """Lets time go by, from one moment at which something is due to the next."""
        until = self.office.now + length_ms
        self.office.dispatch(self.plan)
        while self.office.now < until:
            self.office.now = min([until, *self._due()])
            self.office.dispatch(self.plan)
            drain(self.desk)

    def _due(self) -> list[int]:
        now = self.office.now
        times = (notice_group.c.next_ms, notice_group.c.lease_ms, outbox.c.due_ms, escalation.c.due_ms)
        held = outbox.c.held_ms + round(self.budget.get("digest_every_s", 300) * 1000)
        with read_only(self.office.engine).connect() as connection:
            queries = [select(func.min(time)).where(time > now) for time in (*times, held)]
            found = [connection.scalar(query) for query in queries]
        return [time for time in found if time is not None]

    @property
    def told(self) -> list[dict[str, list[str]]]:
        """Of each message the devices in each part that is not empty."""
        return [
            {part: [each["series"]["device"] for each in message[part]] for part in PARTS if message[part]}
            for message in self.inbox.taken
        ]

    def take_note(self, device: str) -> None:
        known = self.alert_of(device)
        with self.office.engine.begin() as connection:
            acknowledge(connection, known, "anna", self.office.now)

    def shelve(self, device: str, length_ms: int) -> None:
        known, now = self.alert_of(device), self.office.now
        with self.office.engine.begin() as connection:
            shelve(connection, known, now + length_ms, "known", Doing("anna", now))

    def alert_of(self, device: str) -> str:
        with read_only(self.office.engine).connect() as connection:
            newest = select(alert.c.id).where(alert.c.device == device).order_by(alert.c.opened_ms.desc()).limit(1)
            return str(connection.scalar(newest))


def duty(office: Office, group: dict[str, Any] | None = None, inbox: Inbox | None = None, **keys: Any) -> Duty:
    made = inbox or Inbox("duty")
    return Duty(office, Plan(("duty", "boss"), (route(group, **keys),)), made)
