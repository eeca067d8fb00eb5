"""Notify on a real PostgreSQL: processes share an outbox, nobody is told twice, and a note is taken once."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from frostline_cloud.alerts import record
from frostline_cloud.notify import UNADDRESSED, NotifyWorker, Plan, RouteConfig
from frostline_cloud.notify.desk import Desk
from frostline_cloud.notify.dispatch import dispatch
from frostline_cloud.notify.links import Links, LinkState, link_key
from frostline_cloud.notify.links.token import token_of
from frostline_cloud.notify.links.using import use
from frostline_cloud.notify.receivers.receiver import Attempt, Message, Verdict
from frostline_cloud.notify.receivers.settings import BudgetConfig
from frostline_cloud.notify.tools import Tools
from frostline_cloud.sql.tables import alert, alert_event, bundle_link, outbox
from frostline_core.config import parse
from frostline_core.rules import Phase, RuleSet, Series, Transition
from frostline_core.rules import parse as parse_rule
from tests.support.postgresql import PostgreSQL

NOW = 1_770_000_000_000
_RULE = {"type": "threshold", "id": "warm", "title": "Too warm", "select": {"metric": "*"}, "above": 8}
RULES = RuleSet.of([parse_rule(_RULE, "test")])
STEPS = [{"after_minutes": 10, "to": ["duty"]}]


@dataclass(slots=True)
class Inbox:
    """A receiver in memory."""

    name: str = "duty"
    types: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    timeout_s: float = 1.0
    taken: list[Any] = field(default_factory=list)

    async def send(self, message: Message, now_s: int) -> Attempt:
        self.taken.append(json.loads(message.body))
        await asyncio.sleep(0)
        return Attempt(Verdict.DELIVERED, 200)

    async def close(self) -> None:
        pass


@pytest.fixture
def engine(postgresql: PostgreSQL) -> Iterator[Engine]:
    engine = postgresql.database()
    yield engine
    engine.dispose()


def tell(engine: Engine, count: int, to: str) -> None:
    steps = [
        Transition(
            "warm",
            Series("hamburg", "gw", f"room-{n}", "cold_room", "", "t"),
            Phase.OK,
            Phase.FIRING,
            NOW,
            9.0,
            8.0,
            "",
        )
        for n in range(count)
    ]
    with engine.begin() as connection:
        record(connection, steps, RULES, [to], NOW)


async def test_two_workers_share_an_outbox(engine: Engine) -> None:
    inbox, now = Inbox(), NOW
    plan = Plan(("duty",), (parse({"name": "r", "to": ["duty"], "escalate": STEPS}, RouteConfig, "test"),))
    tell(engine, 40, UNADDRESSED)
    both = [NotifyWorker(engine, [inbox], lambda: now, Random(1), plan=plan) for _ in range(2)]  # noqa: S311 - jitter
    for _ in range(30):
        await asyncio.gather(*(each.run_once() for each in both))
    now += 11 * 60_000
    for _ in range(30):
        await asyncio.gather(*(each.run_once() for each in both))

    assert Counter(each["type"] for each in inbox.taken) == {"alert.firing": 40, "alert.escalated": 40}
    assert max(Counter(each["id"] for each in inbox.taken).values()) == 1


async def test_two_desks_make_one_digest(engine: Engine) -> None:
    inbox, now = Inbox(), NOW
    tell(engine, 30, "duty")
    tools = [Tools(engine, lambda: now, Random(1), Plan(("duty",))) for _ in range(2)]  # noqa: S311 - jitter
    desks = [Desk(inbox, BudgetConfig(per_hour=5, digest_every_s=60), "here", each) for each in tools]
    for _ in range(5):
        await asyncio.gather(*(desk.work() for desk in desks))
    now += 61_000
    for _ in range(5):
        await asyncio.gather(*(desk.work() for desk in desks))

    told = Counter(each["type"] for each in inbox.taken)
    digests = [each["count"] for each in inbox.taken if each["type"] == "alert.digest"]
    assert told["alert.firing"] <= 9  # each process may go beyond the budget by what it has under way
    assert told["alert.firing"] + sum(digests) == 30
    assert len(digests) == 1
    with engine.begin() as connection:
        assert set(connection.scalars(select(outbox.c.state))) == {"delivered"}


async def test_two_links_to_the_same_alerts_used_at_once_take_note_once_and_wait_for_neither(engine: Engine) -> None:
    route = parse({"name": "r", "to": ["duty"], "group": {"wait_s": 0}}, RouteConfig, "test")
    inbox, plan = Inbox(), Plan(("duty",), (route,))
    with engine.begin() as connection:
        key = link_key(connection)
    tools = Tools(engine, lambda: NOW, Random(1), plan, Links(key, ""))  # noqa: S311 - jitter
    tell(engine, 20, UNADDRESSED)
    with engine.begin() as connection:
        dispatch(connection, plan, NOW)
    await Desk(inbox, BudgetConfig(), "here", tools).work()
    (told,) = inbox.taken
    token = told["acknowledge_url"].removeprefix("/acknowledge/")
    with engine.begin() as connection:  # a second message that lists the same
        row = connection.execute(select(bundle_link)).one()
        connection.execute(bundle_link.insert().values(**{**row._mapping, "id": "lnk_2", "alerts": row.alerts[::-1]}))

    def used(text: str) -> LinkState:
        with engine.begin() as connection:
            return use(connection, key, text, NOW).state

    states = await asyncio.gather(
        *(asyncio.to_thread(used, text) for text in (token, token_of(key, "lnk_2", NOW // 1000 + 60), token))
    )

    assert sorted(states) in (["done", "used", "valid"], ["used", "valid", "valid"], ["done", "done", "valid"])
    with engine.begin() as connection:
        assert set(connection.scalars(select(alert.c.acknowledged_by))) == {"link to duty"}
        notes = select(func.count()).select_from(alert_event).where(alert_event.c.note.like("acknowledged%"))
        assert connection.scalar(notes) == 20
