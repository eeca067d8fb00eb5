"""What a receiver sees of incidents, whatever fails on the way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from frostline_cloud.alerts import record
from frostline_cloud.notify import NotifyWorker
from frostline_cloud.notify.receivers.receiver import Attempt, Message, Verdict
from frostline_cloud.sql import open_engine
from frostline_cloud.sql.tables import metadata, outbox
from frostline_core.rules import WORSE, Phase, RuleSet, Series, Transition, parse

NOW = 1_700_000_000_000
_TABLE = {"type": "threshold", "id": "warm", "title": "Too warm", "select": {"metric": "*"}, "above": 8}
WARM = RuleSet.of([parse(_TABLE, "test")])


@dataclass(slots=True)
class Inbox:
    """A receiver in memory that answers by a script; after it, it takes everything."""

    script: list[Verdict]
    name: str = "ops"
    types: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    timeout_s: float = 1.0
    taken: list[Any] = field(default_factory=list)

    async def send(self, message: Message, now_s: int) -> Attempt:
        verdict = self.script.pop(0) if self.script else Verdict.DELIVERED
        if verdict is Verdict.DELIVERED:
            self.taken.append(json.loads(message.body))
        return Attempt(verdict)

    async def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = open_engine(f"sqlite:///{tmp_path_factory.mktemp('sql')}/frostline.db")
    metadata.create_all(engine)
    yield engine
    engine.dispose()


class Fleet:
    """Two rooms that go in and out of range."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.firing = {"room-1": False, "room-2": False}
        with engine.begin() as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(table.delete())

    def change(self, room: str, worse: bool, now_ms: int) -> None:
        before = Phase.FIRING if self.firing[room] else Phase.OK
        after = Phase.FIRING if worse or not self.firing[room] else Phase.RESOLVED
        self.firing[room] = after is Phase.FIRING
        series = Series("hamburg", "gw-1", room, "cold_room", "", "air_temperature")
        note = WORSE if before is after else ""
        step = Transition("warm", series, before, after, now_ms, 9.0, 8.0, note)
        with self.engine.begin() as connection:
            record(connection, [step], WARM, ["ops"], now_ms)


acts = st.one_of(
    st.tuples(st.sampled_from(["room-1", "room-2"]), st.booleans()), st.integers(0, 900_000).map(lambda ms: (ms,))
)
verdicts = st.lists(st.sampled_from([Verdict.DELIVERED, Verdict.RETRY, Verdict.RETRY]), max_size=25)


@settings(max_examples=30, deadline=None)
@given(st.lists(acts, max_size=25), verdicts)
def test_each_incident_is_told_in_order_and_to_its_end(
    engine: Engine, script: list[tuple[Any, ...]], answers: list[Verdict]
) -> None:
    fleet, inbox = Fleet(engine), Inbox(answers)

    asyncio.run(play(fleet, inbox, script))

    by_incident: dict[str, list[tuple[int, str]]] = {}
    for body in inbox.taken:
        by_incident.setdefault(body["incident"]["id"], []).append((body["revision"], body["type"]))
    with engine.connect() as connection:
        rows = connection.execute(select(outbox)).all()
    assert {row.state for row in rows} <= {"delivered", "collapsed"}
    assert by_incident.keys() == {row.alert for row in rows}
    for alert, told in by_incident.items():
        newest = max((row.revision, row.type) for row in rows if row.alert == alert)
        assert told == sorted(told)
        assert told[-1] == newest
        assert [kind for _, kind in told].count("alert.firing") <= 1
        assert told[0][1] == "alert.firing" or told == [newest]


async def play(fleet: Fleet, inbox: Inbox, script: list[tuple[Any, ...]]) -> None:
    now = NOW
    worker = NotifyWorker(fleet.engine, [inbox], lambda: now, Random(1))  # noqa: S311 - jitter
    for act in script:
        if len(act) == 2:
            fleet.change(*act, now)
        else:
            now += act[0]
            await worker.run_once()
    for _ in range(40):
        now += 900_000
        await worker.run_once()
