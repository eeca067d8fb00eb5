"""Ticks are aligned to UTC and spread; a clock that jumps costs one period at most."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from frostline_edge.schedule import Alarm, missed, phase_s, until_tick_s
from tests.support.services import PATIENCE_S


def test_units_are_spread_over_a_long_period() -> None:
    assert [phase_s(i, 4, 60) for i in range(4)] == [0, 10, 30, 40]


def test_units_that_are_read_often_are_read_together() -> None:
    assert [phase_s(i, 4, 10) for i in range(4)] == [0, 0, 0, 0]
    assert [phase_s(i, 4, 0.1) for i in range(4)] == [0, 0, 0, 0]


def test_ticks_are_aligned_to_the_clock() -> None:
    assert until_tick_s(1_000_003.0, 10, 0) == 7
    assert until_tick_s(1_000_003.0, 10, 2.5) == 9.5


def test_on_a_tick_the_next_one_is_a_whole_period_away() -> None:
    assert until_tick_s(1_000_000.0, 10, 0) == 10


def test_ticks_that_passed_are_counted() -> None:
    assert [missed(0, ended, 10) for ended in (0.2, 9.9, 10, 35)] == [0, 0, 1, 3]


@given(now=st.floats(0, 4e9), period=st.floats(0.1, 86_400), index=st.integers(0, 246))
def test_the_wait_is_never_longer_than_a_period(now: float, period: float, index: int) -> None:
    assert 0 < until_tick_s(now, period, phase_s(index, 247, period)) <= period


async def test_an_alarm_that_rang_before_ends_the_wait_at_once() -> None:
    alarm = Alarm()
    alarm.ring()
    await asyncio.wait_for(alarm.wait(3600), PATIENCE_S)


async def test_an_alarm_ends_the_wait_under_way_and_only_that() -> None:
    alarm = Alarm()
    waiting = asyncio.create_task(alarm.wait(3600))
    await asyncio.sleep(0)
    alarm.ring()
    await asyncio.wait_for(waiting, PATIENCE_S)
    again = asyncio.create_task(alarm.wait(3600))
    await asyncio.sleep(0)
    assert not again.done()
    again.cancel()


async def test_an_alarm_that_does_not_ring_waits_for_its_time() -> None:
    await asyncio.wait_for(Alarm().wait(0), PATIENCE_S)
