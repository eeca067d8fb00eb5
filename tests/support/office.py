"""Notify in memory: a clock, SQL, receivers that answer by a script, and desks that serve them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from sqlalchemy import Engine, func, select

from frostline_cloud.alerts import record
from frostline_cloud.notify import Plan
from frostline_cloud.notify.desk import Desk
from frostline_cloud.notify.dispatch import dispatch
from frostline_cloud.notify.escalation import escalate
from frostline_cloud.notify.receivers.receiver import Attempt, Message, Verdict
from frostline_cloud.notify.receivers.settings import BudgetConfig
from frostline_cloud.notify.tools import Tools
from frostline_cloud.sql.tables import outbox
from frostline_core.rules import Phase, RuleSet, Series, Transition
from frostline_core.rules import parse as parse_rule

NOW = 1_770_000_000_000
MINUTE = 60_000
HOUR = 60 * MINUTE
FIRES, ENDS = (Phase.OK, Phase.FIRING), (Phase.FIRING, Phase.RESOLVED)
NO = Attempt(Verdict.RETRY, 503, "HTTP 503")
ROOMS = [f"room-{number}" for number in range(30)]
RULES = RuleSet.of(
    [
        parse_rule(
            {"type": "threshold", "id": name, "title": name, "severity": name, "select": {"metric": "*"}, "above": 8},
            "t",
        )
        for name in ("warning", "critical")
    ]
)


class ProcessDiedError(BaseException):
    """Nothing of the process's own goes on after it."""


@dataclass(slots=True)
class Inbox:
    """A receiver in memory that answers by a script; after it, as `then` says."""

    name: str
    script: list[Attempt] = field(default_factory=list)
    then: Attempt = field(default_factory=lambda: Attempt(Verdict.DELIVERED, 200))
    types: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    timeout_s: float = 1.0
    taken: list[Any] = field(default_factory=list)
    asked: int = 0

    async def send(self, message: Message, now_s: int) -> Attempt:
        """Answers as the script says, and keeps what it takes."""
        self.asked += 1
        attempt = self.script.pop(0) if self.script else self.then
        if attempt.verdict is Verdict.DELIVERED:
            self.taken.append(json.loads(message.body))
        return attempt

    async def close(self) -> None:
        """Nothing to let go of."""

    @property
    def types_taken(self) -> list[str]:
        """Types without their beginning."""
        return [each["type"].removeprefix("alert.") for each in self.taken]


@dataclass(slots=True)
class Office:
    """SQL, a clock, and who is told."""

    engine: Engine
    now: int = NOW

    def tell(
        self,
        rule: str,
        change: tuple[Phase, Phase],
        devices: Sequence[str],
        to: Sequence[str],
        *,
        site: str = "hamburg",
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """Rule "warning" or "critical" changes for devices; news for `to` is written."""
        before, after = change
        steps = [
            Transition(
                rule, Series(site, "gw", each, "cold_room", "", "t", dict(labels or {})),
                before, after, self.now, 9.0, 8.0, "",
            )
            for each in devices
        ]  # fmt: skip
        with self.engine.begin() as connection:
            record(connection, steps, RULES, to, self.now)

    def dispatch(self, plan: Plan) -> None:
        """Addresses all news, and takes the steps that are due."""
        news = 1
        while news:
            with self.engine.begin() as connection:
                news = dispatch(connection, plan, self.now).news
                escalate(connection, plan, self.now)

    def desk(self, inbox: Inbox, plan: Plan | None = None, **budget: Any) -> Desk:
        """The desk that serves an inbox."""
        tools = Tools(self.engine, lambda: self.now, Random(1), plan or Plan((inbox.name,)))  # noqa: S311 - jitter
        return Desk(inbox, BudgetConfig(**budget), "here", tools)

    def states(self, receiver: str = "duty") -> dict[str, int]:
        """A receiver's rows by state."""
        query = select(outbox.c.state, func.count()).where(outbox.c.receiver == receiver).group_by(outbox.c.state)
        with self.engine.connect() as connection:
            return {state: count for state, count in connection.execute(query)}  # noqa: C416 - rows are no tuples


def drain(desk: Desk) -> None:
    """Works until there is nothing to do now."""
    while asyncio.run(desk.work()):
        pass
