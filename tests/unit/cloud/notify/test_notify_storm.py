"""Storms and failing receivers: nothing is lost, nothing critical waits, and somebody else hears of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, update

from frostline_cloud.alerts import record
from frostline_cloud.notify import UNADDRESSED, NotifyWorker, Plan
from frostline_cloud.notify.dead_letters import dead_letters, revive
from frostline_cloud.notify.desk import Desk, Tools
from frostline_cloud.notify.dispatch import dispatch
from frostline_cloud.notify.receivers.receiver import Attempt, Message, Verdict
from frostline_cloud.notify.receivers.settings import BudgetConfig
from frostline_cloud.sql import open_engine
from frostline_cloud.sql.tables import alert, delivery, metadata, outbox
from frostline_core.rules import Phase, RuleSet, Series, Transition
from frostline_core.rules import parse as parse_rule

NOW = 1_770_000_000_000
MINUTE = 60_000
HOUR = 60 * MINUTE
FIRES, ENDS = (Phase.OK, Phase.FIRING), (Phase.FIRING, Phase.RESOLVED)
RULES = RuleSet.of(
    [
        parse_rule(
            {"type": "threshold", "id": name, "title": name, "severity": name, "select": {"metric": "*"}, "above": 8},
            "t",
        )
        for name in ("warning", "critical")
    ]
)


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
        self.asked += 1
        attempt = self.script.pop(0) if self.script else self.then
        if attempt.verdict is Verdict.DELIVERED:
            self.taken.append(json.loads(message.body))
        return attempt

    async def close(self) -> None:
        pass

    @property
    def types_taken(self) -> list[str]:
        return [each["type"].removeprefix("alert.") for each in self.taken]


NO = Attempt(Verdict.RETRY, 503, "HTTP 503")


@dataclass(slots=True)
class Office:
    """SQL, a clock, and who is told."""

    engine: Engine
    now: int = NOW

    def tell(self, rule: str, change: tuple[Phase, Phase], devices: Sequence[str], to: Sequence[str]) -> None:
        before, after = change
        steps = [
            Transition(rule, Series("hamburg", "gw", each, "cold_room", "", "t"), before, after, self.now, 9.0, 8.0, "")
            for each in devices
        ]
        with self.engine.begin() as connection:
            record(connection, steps, RULES, to, self.now)

    def desk(self, inbox: Inbox, plan: Plan | None = None, **budget: Any) -> Desk:
        tools = Tools(self.engine, lambda: self.now, Random(1), plan or Plan((inbox.name,)))  # noqa: S311 - jitter
        return Desk(inbox, BudgetConfig(**budget), "here", tools)

    def states(self, receiver: str = "duty") -> dict[str, int]:
        query = select(outbox.c.state, func.count()).where(outbox.c.receiver == receiver).group_by(outbox.c.state)
        with self.engine.connect() as connection:
            return {state: count for state, count in connection.execute(query)}  # noqa: C416 - rows are no tuples


def drain(desk: Desk) -> None:
    while asyncio.run(desk.work()):
        pass


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    engine = open_engine(f"sqlite:///{tmp_path}/frostline.db")
    metadata.create_all(engine)
    yield Office(engine)
    engine.dispose()


ROOMS = [f"room-{number}" for number in range(30)]


def test_what_is_beyond_the_budget_comes_as_one_digest(office: Office) -> None:
    inbox = Inbox("duty")
    desk = office.desk(inbox, per_minute=6, digest_every_s=300)
    office.tell("warning", FIRES, ROOMS, ["duty"])

    drain(desk)
    assert inbox.types_taken == ["firing"] * 6
    office.now += 299_999
    drain(desk)
    assert len(inbox.taken) == 6
    office.now += 1
    drain(desk)

    digest = inbox.taken[6]
    assert (digest["type"], digest["count"], digest["incidents"]) == ("alert.digest", 24, 24)
    assert digest["by_site"] == [{"name": "hamburg", "count": 24}]
    assert {item["series"]["device"] for item in digest["items"]} | {
        each["series"]["device"] for each in inbox.taken[:6]
    } == set(ROOMS)
    assert office.states() == {"delivered": 30}


def test_critical_ones_pass_the_budget_at_once(office: Office) -> None:
    inbox = Inbox("duty")
    desk = office.desk(inbox, per_minute=1)
    office.tell("warning", FIRES, ROOMS, ["duty"])
    drain(desk)
    office.tell("critical", FIRES, ROOMS, ["duty"])

    drain(desk)

    assert [each["incident"]["severity"] for each in inbox.taken] == ["warning"] + ["critical"] * 30


def test_critical_ones_go_before_thousands_of_others(office: Office) -> None:
    inbox = Inbox("duty")
    office.tell("warning", FIRES, [f"room-{number}" for number in range(3_000)], ["duty"])
    office.tell("critical", FIRES, ["room-x"], ["duty"])

    asyncio.run(office.desk(inbox).work())

    assert inbox.taken[0]["incident"]["severity"] == "critical"


def test_an_incident_that_becomes_critical_does_not_wait_behind_its_own_digest(office: Office) -> None:
    inbox = Inbox("duty")
    desk = office.desk(inbox, per_minute=1)
    office.tell("warning", FIRES, ["room-1", "room-2"], ["duty"])
    drain(desk)
    with office.engine.begin() as connection:  # as a later revision of the incident that is held
        held = connection.execute(select(outbox).where(outbox.c.held_ms.is_not(None))).mappings().one()
        body = json.loads(held["body"]) | {"type": "alert.updated", "id": "msg_up"}
        body["incident"]["severity"] = "critical"
        more = {"id": "msg_up", "type": "alert.updated", "revision": held["revision"] + 1, "critical": True}
        connection.execute(outbox.insert().values({**held, **more, "body": json.dumps(body), "held_ms": None}))

    drain(desk)

    assert inbox.types_taken == ["firing", "firing", "updated"]
    assert inbox.taken[1]["incident"]["id"] == inbox.taken[2]["incident"]["id"]


def test_what_is_over_before_its_digest_is_told_as_over_in_it(office: Office) -> None:
    inbox = Inbox("duty")
    desk = office.desk(inbox, per_minute=1, digest_every_s=60)
    office.tell("warning", FIRES, ROOMS, ["duty"])
    drain(desk)
    office.tell("warning", ENDS, ROOMS, ["duty"])
    office.now += 60_001

    drain(desk)

    digest = next(each for each in inbox.taken if each["type"] == "alert.digest")
    assert {item["type"] for item in digest["items"]} == {"alert.resolved"}
    assert digest["count"] == 2 * digest["incidents"]
    told = [each["type"] for each in inbox.taken]
    assert told.index("alert.firing") == 0
    assert set(office.states()) == {"delivered"}


def test_the_end_of_an_incident_is_not_told_before_the_digest_with_its_beginning(office: Office) -> None:
    inbox = Inbox("duty", then=NO)
    desk = office.desk(inbox, per_minute=1, digest_every_s=60)
    inbox.script = [Attempt(Verdict.DELIVERED)]
    office.tell("warning", FIRES, ["room-1", "room-2"], ["duty"])
    drain(desk)
    office.now += 61_000
    drain(desk)  # the digest fails
    held = office.engine.connect()
    with held:
        waits = held.scalar(select(outbox.c.alert).where(outbox.c.state == "waiting"))
        device = held.scalar(select(alert.c.device).where(alert.c.id == waits))
    office.tell("warning", ENDS, [str(device)], ["duty"])
    drain(desk)
    assert inbox.types_taken == ["firing"]
    inbox.then = Attempt(Verdict.DELIVERED)
    for _ in range(10):
        office.now += 15 * MINUTE
        drain(desk)

    ours = [each for each in inbox.taken[1:] if each["type"] == "alert.digest" or each["incident"]["id"] == waits]
    assert ours[0]["type"] == "alert.digest"
    assert office.states() == {"delivered": 3}


def test_a_digest_that_is_tried_again_has_the_same_id(office: Office) -> None:
    ids = []

    class Watching(Inbox):
        async def send(self, message: Message, now_s: int) -> Attempt:
            ids.append(message.id)
            return await Inbox.send(self, message, now_s)

    inbox = Watching("duty", script=[Attempt(Verdict.DELIVERED), NO])
    desk = office.desk(inbox, per_minute=1, digest_every_s=1)
    office.tell("warning", FIRES, ROOMS[:5], ["duty"])
    drain(desk)
    for _ in range(3):
        office.now += 20_000
        drain(desk)

    assert ids[1] == ids[2]
    assert ids[1].startswith("dig_")
    assert office.states() == {"delivered": 5}


def test_a_digest_that_was_under_way_when_the_process_died_is_sent_again(office: Office) -> None:
    class Dies(Inbox):
        async def send(self, message: Message, now_s: int) -> Attempt:
            raise KeyError(message.id)

    office.tell("warning", FIRES, ROOMS[:5], ["duty"])
    first = office.desk(Inbox("duty"), per_minute=1, digest_every_s=1)
    drain(first)
    office.now += 2_000
    with pytest.raises(KeyError):
        asyncio.run(office.desk(Dies("duty"), per_minute=1, digest_every_s=1).work())
    office.now += 32_000

    inbox = Inbox("duty")
    drain(office.desk(inbox, per_minute=1, digest_every_s=1))

    assert inbox.taken[0]["count"] == 4
    assert office.states() == {"delivered": 5}


def test_the_budget_is_not_fresh_after_a_restart(office: Office) -> None:
    office.tell("warning", FIRES, ROOMS, ["duty"])
    drain(office.desk(Inbox("duty"), per_hour=10))
    inbox = Inbox("duty")

    drain(office.desk(inbox, per_hour=10))

    assert inbox.taken == []


def test_an_hour_later_there_is_a_new_budget(office: Office) -> None:
    inbox = Inbox("duty")
    desk = office.desk(inbox, per_hour=10, digest_every_s=600)
    office.tell("warning", FIRES, ROOMS[:15], ["duty"])
    drain(desk)
    office.now += HOUR + 1
    drain(desk)
    office.now += HOUR + 1
    office.tell("warning", ENDS, ROOMS[:8], ["duty"])

    drain(desk)

    assert inbox.types_taken == ["firing"] * 10 + ["digest"] + ["resolved"] * 8


def test_a_digest_leaves_out_what_the_receiver_does_not_want(office: Office) -> None:
    inbox = Inbox("duty", types=("alert.firing",))
    desk = office.desk(inbox, per_minute=1, digest_every_s=1)
    office.tell("warning", FIRES, ROOMS[:3], ["duty"])
    drain(desk)
    office.tell("warning", ENDS, ROOMS[:3], ["duty"])
    office.now += 2_000
    drain(desk)

    assert inbox.types_taken == ["firing", "digest"]
    assert office.states() == {"delivered": 3, "skipped": 3}


# ---- health --------------------------------------------------------------------------------------------------------


def test_a_receiver_that_fails_again_and_again_is_tried_with_one_notification_at_a_time(office: Office) -> None:
    inbox = Inbox("duty", then=NO)
    desk = office.desk(inbox)
    office.tell("warning", FIRES, [f"room-{number}" for number in range(200)], ["duty"])
    drain(desk)
    before = inbox.asked
    for _ in range(60):
        office.now += 10_000
        asyncio.run(desk.work())

    assert before <= 8
    assert inbox.asked - before < 15


def test_all_that_waited_is_sent_when_it_delivers_again(office: Office) -> None:
    inbox = Inbox("duty", script=[NO] * 9)
    desk = office.desk(inbox)
    office.tell("warning", FIRES, ROOMS, ["duty"])
    for _ in range(40):
        office.now += MINUTE
        drain(desk)

    assert office.states() == {"delivered": 30}


def test_others_hear_of_a_receiver_that_cannot_be_reached_and_of_its_recovery(office: Office) -> None:
    inbox = Inbox("duty", then=NO)
    desk = office.desk(inbox, Plan(("duty", "boss", "other")))
    office.tell("warning", FIRES, ROOMS, ["duty"])
    for _ in range(10):
        office.now += MINUTE
        drain(desk)
    inbox.then = Attempt(Verdict.DELIVERED)
    for _ in range(20):
        office.now += MINUTE
        drain(desk)

    with office.engine.connect() as connection:
        rows = connection.execute(select(outbox).where(outbox.c.receiver == "boss").order_by(outbox.c.revision)).all()
        fault = connection.execute(select(alert).where(alert.c.rule == "frostline-receiver")).one()
    assert [row.type for row in rows] == ["alert.firing", "alert.resolved"]
    assert (fault.device, fault.state, fault.severity) == ("duty", "resolved", "critical")
    assert "HTTP 503" in json.loads(rows[0].body)["summary"]


def test_what_waits_for_a_receiver_that_is_gone_goes_to_its_fallback_which_hears_why(office: Office) -> None:
    plan = Plan(("duty", "boss", "other"), fallbacks=(("duty", "boss"),))
    office.tell("warning", FIRES, ROOMS[:6], ["duty"])
    drain(office.desk(Inbox("duty", then=Attempt(Verdict.GONE, 410, "410: gone")), plan))
    boss = Inbox("boss")
    drain(office.desk(boss, plan))

    assert {each["series"]["device"] for each in boss.taken} == {*ROOMS[:6], "duty"}
    assert office.states("other") == {}
    assert office.states() == {}


def test_a_message_that_is_rejected_is_a_dead_letter_at_once_and_the_fallback_gets_it(office: Office) -> None:
    plan = Plan(("duty", "boss"), fallbacks=(("duty", "boss"),))
    inbox = Inbox("duty", script=[Attempt(Verdict.REJECTED, 550, "550 no such user")])
    office.tell("critical", FIRES, ["room-1"], ["duty"])
    drain(office.desk(inbox, plan))
    boss = Inbox("boss")
    drain(office.desk(boss, plan))

    with office.engine.connect() as connection:
        (letter,) = dead_letters(connection, "duty")
    assert (letter.attempts, letter.error) == (1, "550 no such user")
    assert boss.types_taken == ["firing"]


def test_a_dead_letter_can_be_replayed_by_its_id(office: Office) -> None:
    inbox = Inbox("duty", script=[Attempt(Verdict.REJECTED, 550, "no")] * 2)
    office.tell("critical", FIRES, ["room-1", "room-2"], ["duty"])
    desk = office.desk(inbox)
    drain(desk)
    with office.engine.begin() as connection:
        first, second = dead_letters(connection)
        assert revive(connection, office.now, ids=[first.id]) == 1

    drain(desk)

    with office.engine.connect() as connection:
        assert [each.id for each in dead_letters(connection)] == [second.id]
    assert [each["id"] for each in inbox.taken] == [first.id]


def test_every_attempt_is_in_the_log(office: Office) -> None:
    inbox = Inbox("duty", script=[NO, Attempt(Verdict.DELIVERED, 204)])
    desk = office.desk(inbox)
    office.tell("critical", FIRES, ["room-1"], ["duty"])
    drain(desk)
    office.now += 10_000
    drain(desk)

    with office.engine.connect() as connection:
        rows = connection.execute(select(delivery).order_by(delivery.c.id)).all()
    assert [(row.at_ms, row.status, row.error) for row in rows] == [(NOW, 503, "HTTP 503"), (NOW + 10_000, 204, "")]


def test_ten_thousand_alerts_at_once_reach_a_receiver_without_loss(office: Office) -> None:
    """Ten thousand incidents: some one by one, the rest in digests that count every one of them."""
    inbox = Inbox("duty")
    plan = Plan(("duty",))
    office.tell("warning", FIRES, [f"room-{number}" for number in range(10_000)], [UNADDRESSED])
    news = 1
    while news:
        with office.engine.begin() as connection:
            news = dispatch(connection, plan, office.now).news
    desk = office.desk(inbox, plan, per_minute=6, digest_every_s=60)
    for _ in range(5):
        drain(desk)
        office.now += 61_000

    told = sum(each["count"] if each["type"] == "alert.digest" else 1 for each in inbox.taken)
    assert told == 10_000
    assert len(inbox.taken) < 20
    assert office.states() == {"delivered": 10_000}


async def test_the_worker_dispatches_and_delivers_in_one_go(office: Office) -> None:
    inbox = Inbox("duty")
    office.tell("warning", FIRES, ["room-1"], [UNADDRESSED])
    worker = NotifyWorker(office.engine, [inbox], lambda: office.now, Random(1))  # noqa: S311 - jitter

    assert await worker.run_once() == 1

    assert inbox.types_taken == ["firing"]
    assert worker.counters()["dispatched"] == 1


def test_a_row_that_is_twice_as_old_as_a_day_is_dead_in_a_digest_too(office: Office) -> None:
    inbox = Inbox("duty", script=[Attempt(Verdict.DELIVERED)], then=NO)
    desk = office.desk(inbox, per_minute=1, digest_every_s=1)
    office.tell("warning", FIRES, ROOMS[:3], ["duty"])
    drain(desk)
    with office.engine.begin() as connection:
        old = update(outbox).where(outbox.c.state == "waiting")
        connection.execute(old.values(created_ms=NOW - 25 * HOUR))
    office.now += 2_000
    drain(desk)

    assert office.states() == {"delivered": 1, "dead": 2}
