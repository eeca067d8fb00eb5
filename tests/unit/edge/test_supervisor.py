"""The supervisor starts tasks again, waits longer each time, and says things once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from frostline_core.errors import ConfigError, ProtocolError, UnavailableError
from frostline_edge.supervisor import Health, Surroundings, Waits, supervise


class World:
    """A clock that moves when somebody sleeps, and a task that does what a list says."""

    def __init__(self, plan: list[Exception | float], random: float = 1.0) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self.plan = plan
        self.starts = 0
        self.watches: list[tuple[float, asyncio.Event]] = []
        self.surroundings = Surroundings(clock=lambda: self.now, sleep=self.sleep, random=lambda: random)

    async def sleep(self, seconds: float) -> None:
        if seconds == WATCH:  # the note of a recovery: wakes when the run has lasted that long
            self.watches.append((self.now + seconds, asyncio.Event()))
            await self.watches[-1][1].wait()
            return
        self.slept.append(seconds)
        self.pass_time(seconds)
        await asyncio.sleep(0)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        for until, event in self.watches:
            if self.now >= until:
                event.set()

    async def run(self) -> None:
        self.starts += 1
        await asyncio.sleep(0)  # lets the watch begin, as a task that connects does
        if not self.plan:
            raise asyncio.CancelledError
        step = self.plan.pop(0)
        if isinstance(step, Exception):
            raise step
        self.pass_time(step)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        raise UnavailableError("gone")


WATCH = 61.0
WAITS = Waits(first_s=1, most_s=8, healthy_after_s=WATCH)


async def supervised(world: World, run: Callable[[], Awaitable[None]] | None = None) -> Health:
    health = Health()
    with pytest.raises(asyncio.CancelledError):
        await supervise("bus", run or world.run, waits=WAITS, surroundings=world.surroundings, health=health)
    return health


async def test_the_wait_doubles_up_to_its_bound() -> None:
    world = World([UnavailableError("no") for _ in range(6)])
    await supervised(world)
    assert world.slept == [1, 2, 4, 8, 8, 8]


async def test_the_wait_is_spread_over_the_upper_half_of_its_range() -> None:
    world = World([UnavailableError("no") for _ in range(3)], random=0.0)
    await supervised(world)
    assert world.slept == [0.5, 1, 2]


async def test_a_healthy_spell_makes_the_wait_small_again() -> None:
    world = World([UnavailableError("no"), UnavailableError("no"), 100.0, UnavailableError("no")])
    await supervised(world)
    assert world.slept == [1, 2, 1, 2]


async def test_restarts_are_counted_and_the_error_is_kept() -> None:
    health = await supervised(World([UnavailableError("no"), ProtocolError("garbage")]))
    assert (health.restarts, health.error) == (2, "ProtocolError: garbage")


async def test_an_error_is_logged_when_it_is_new_and_not_when_it_repeats(caplog: pytest.LogCaptureFixture) -> None:
    plan: list[Exception | float] = [UnavailableError("a"), UnavailableError("a"), UnavailableError("b")]
    await supervised(World(plan))
    assert [r.getMessage() for r in caplog.records] == ["bus: a; starting it again", "bus: b; starting it again"]
    assert {r.levelno for r in caplog.records} == {logging.WARNING}


async def test_the_end_of_an_outage_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await supervised(World([UnavailableError("a"), 200.0]))
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.INFO] == ["bus: works again"]


async def test_an_outage_after_a_recovery_is_news_again(caplog: pytest.LogCaptureFixture) -> None:
    await supervised(World([UnavailableError("gone"), 200.0, UnavailableError("gone")]))
    assert len([r for r in caplog.records if r.levelno == logging.WARNING]) == 2


async def test_a_defect_is_logged_with_its_traceback_and_retried(caplog: pytest.LogCaptureFixture) -> None:
    world = World([ZeroDivisionError("oops")])
    await supervised(world)
    (record,) = caplog.records
    assert (record.levelno, world.starts) == (logging.ERROR, 2)
    assert record.exc_info is not None


async def test_a_wrong_config_is_not_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    world, health = World([ConfigError("no such profile")]), Health()
    await supervise("bus", world.run, waits=WAITS, surroundings=world.surroundings, health=health)
    assert (world.starts, health.given_up, world.slept) == (1, True, [])
    assert "no such profile" in caplog.text


async def test_a_wrong_config_inside_a_task_group_is_not_tried_again() -> None:
    group = ExceptionGroup("tasks", [UnavailableError("x"), ConfigError("no such profile")])
    world, health = World([group]), Health()
    await supervise("bus", world.run, waits=WAITS, surroundings=world.surroundings, health=health)
    assert health.error == "ConfigError: no such profile"


async def test_a_task_that_ends_by_itself_is_started_again() -> None:
    starts = 0

    async def ends() -> None:
        nonlocal starts
        starts += 1
        if starts > 2:
            raise asyncio.CancelledError

    health = await supervised(World([]), ends)
    assert (starts, health.error) == (3, "UnavailableError: it ended by itself")


async def test_cancelling_stops_the_task_and_the_supervision() -> None:
    stopped = asyncio.Event()

    async def waits_for_ever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    task = asyncio.create_task(supervise("bus", waits_for_ever))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stopped.is_set()
