"""Whatever happens, a group tells each piece of news once, and no end before its beginning."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frostline_cloud.notify import UNADDRESSED, Plan, RouteConfig
from frostline_cloud.notify.receivers.receiver import Attempt, Message
from frostline_cloud.sql import open_engine
from frostline_cloud.sql.tables import metadata
from frostline_core.config import parse
from tests.support.office import ENDS, FIRES, MINUTE, NO, Inbox, Office, ProcessDiedError, drain

PLAN = Plan(("duty",), (parse({"name": "all", "to": ["duty"], "group": {}}, RouteConfig, "test"),))
ROOMS = ("room-1", "room-2", "room-3")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.sampled_from(ROOMS), st.sampled_from(["warning", "critical"])),
        st.tuples(st.just("wait"), st.sampled_from([1, 29, 31, 120, 400, 4000]), st.just("")),
        st.tuples(st.just("fail"), st.integers(1, 3), st.just("")),
        st.tuples(st.just("die"), st.just(0), st.just("")),
    ),
    max_size=14,
)


class Dies(Inbox):
    """The process dies while the message is under way; whether it arrived nobody knows."""

    async def send(self, message: Message, now_s: int) -> Attempt:
        raise ProcessDiedError


@dataclass(slots=True)
class Life:
    """An office in which things happen by chance."""

    office: Office
    inbox: Inbox = field(default_factory=lambda: Inbox("duty"))
    firing: dict[str, str] = field(default_factory=dict)
    expected: int = 0

    def go(self, length_s: int) -> None:
        """Time goes by, and what is due is done."""
        self.office.now += length_s * 1000
        self.office.dispatch(PLAN)
        drain(self.office.desk(self.inbox, PLAN))

    def step(self, kind: str, what: Any, severity: str) -> None:
        if kind == "change":
            self.change(what, severity)
            self.go(0)
        elif kind == "wait":
            self.go(what)
        elif kind == "fail":
            self.inbox.script = [NO] * what
        else:
            with suppress(ProcessDiedError):
                asyncio.run(self.office.desk(Dies("duty"), PLAN).work())

    def change(self, room: str, severity: str) -> None:
        rule = self.firing.pop(room, None)
        self.office.tell(rule or severity, FIRES if rule is None else ENDS, [room], [UNADDRESSED])
        self.expected += 1
        if rule is None:
            self.firing[room] = severity

    def news(self) -> Iterator[tuple[str, str]]:
        """What was told, in order; an end that is told with its beginning is both."""
        for message in self.inbox.taken:
            for part in ("fired", "resolved"):
                for entry in message[part]:
                    if part == "resolved" and not entry["was_told"]:
                        yield entry["incident"]["id"], "fired"
                    yield entry["incident"]["id"], part


@given(STEPS)
@settings(max_examples=40, deadline=None)
def test_each_piece_of_news_is_told_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Any]
) -> None:
    engine = open_engine(f"sqlite:///{tmp_path_factory.mktemp('groups')}/frostline.db")
    metadata.create_all(engine)
    life = Life(Office(engine))
    for step in steps:
        life.step(*step)
    life.inbox.script = []
    for _ in range(12):
        life.go(10 * MINUTE // 1000)
    states = life.office.states()
    engine.dispose()

    news = list(life.news())
    assert len(news) == len(set(news)) == life.expected
    assert all(part == "fired" or (incident, "fired") in news[:at] for at, (incident, part) in enumerate(news))
    assert set(states) <= {"delivered"}
