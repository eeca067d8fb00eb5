"""Receivers that are gone, and notifications that were given up."""

from __future__ import annotations

import asyncio
import logging

import pytest

from frostline_cloud.notify import Plan
from frostline_cloud.notify.dead_letters import revive
from frostline_cloud.notify.health import enable
from tests.support.hook import Answer, Hook
from tests.support.post import ENDS, FIRES, HOUR, NOW, Post, once
from tests.support.services import eventually_async


async def test_a_receiver_that_is_gone_is_left_alone_over_a_restart_too(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    post.tell(FIRES)
    with Hook(Answer(410)) as hook:
        notify = post.worker(post.receiver(hook))
        await notify.run_once()
        post.tell(FIRES, device="room-2")
        post.now += HOUR
        assert await notify.run_once() == 0
        await once(post.worker(post.receiver(hook)))

    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert len(hook.requests) == 1


async def test_a_receiver_that_was_gone_is_told_again_once_it_is_enabled(post: Post) -> None:
    post.tell(FIRES)
    with Hook(Answer(410)) as hook:
        await once(post.worker(post.receiver(hook)))
        with post.engine.begin() as connection:
            assert enable(connection, "ops")
        post.now += HOUR
        await once(post.worker(post.receiver(hook)))

    assert post.states() == [("firing", "delivered")]


async def test_a_receiver_that_was_gone_is_told_at_another_address(post: Post) -> None:
    post.tell(FIRES)
    with Hook(Answer(410)) as before, Hook() as after:
        await once(post.worker(post.receiver(before)))
        post.now += HOUR
        await once(post.worker(post.receiver(after)))

    assert after.types == ["alert.firing"]


async def test_after_a_day_a_notification_is_dead_and_the_log_says_so(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    post.tell(FIRES)
    with Hook(*(Answer(500) for _ in range(1000))) as hook:
        notify = post.worker(post.receiver(hook))
        while post.states() == [("firing", "waiting")]:
            post.now += 60_000
            await notify.run_once()
        await notify.close()

    assert 24 * HOUR <= post.now - NOW <= 25 * HOUR
    assert 90 <= len(hook.requests) <= 140
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]


async def test_what_was_given_up_can_be_sent_again(post: Post) -> None:
    post.tell(FIRES)
    post.now += 25 * HOUR
    with Hook(Answer(500)) as hook:
        notify = post.worker(post.receiver(hook))
        await notify.run_once()
        assert post.states() == [("firing", "dead")]
        with post.engine.begin() as connection:
            assert revive(connection, post.now, "ops") == 1
        await once(notify)

    assert post.states() == [("firing", "delivered")]


async def test_what_was_given_up_and_overtaken_stays_so(post: Post) -> None:
    post.tell(FIRES)
    post.now += 25 * HOUR
    with Hook(Answer(500)) as hook:
        notify = post.worker(post.receiver(hook))
        await notify.run_once()
        post.tell(ENDS)
        await once(notify)

    with post.engine.begin() as connection:
        assert revive(connection, post.now) == 0


async def test_what_waited_a_day_for_a_receiver_that_is_down_goes_to_its_fallback(post: Post) -> None:
    devices = [f"room-{number}" for number in range(12)]
    for device in devices:
        post.tell(FIRES, device=device)
    plan = Plan(("ops", "boss"), fallbacks=(("ops", "boss"),))
    with Hook(*(Answer(503) for _ in range(1000))) as down, Hook() as boss:
        both = (post.receiver(down), post.receiver(boss, name="boss"))
        first = post.worker(*both, plan=plan)
        for _ in range(3):  # after five failures it rests, and is tried with one at a time
            await first.run_once()
            post.now += 60_000
        await first.close()
        post.now += 25 * HOUR
        running = asyncio.create_task(post.worker(*both, plan=plan).run())
        await eventually_async(lambda: {state for _, state in post.states()} == {"dead", "delivered"})
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    assert {each.content["series"]["device"] for each in boss.requests} >= set(devices)


async def test_what_nobody_serves_is_given_up_after_a_day(post: Post, caplog: pytest.LogCaptureFixture) -> None:
    post.tell(FIRES, to=["removed"])
    post.now += 25 * HOUR
    running = asyncio.create_task(post.worker().run())
    await eventually_async(lambda: post.states() == [("firing", "dead")])
    await eventually_async(lambda: "were given up" in caplog.text)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
