"""The notify worker, with real receivers over HTTP and a real outbox: attempts, and who makes them."""

from __future__ import annotations

import asyncio
from threading import Event

import pytest
from sqlalchemy import Engine, text

from frostline_cloud.notify.receivers.webhook import verify
from tests.support.hook import Answer, Hook
from tests.support.post import FIRES, NOW, SECRET, Post, once
from tests.support.services import eventually_async


async def test_a_notification_is_delivered_and_genuine(post: Post) -> None:
    post.tell(FIRES)
    with Hook() as hook:
        await once(post.worker(post.receiver(hook)))

    (request,) = hook.requests
    verify(request.headers, request.body, [SECRET], NOW // 1000)
    assert (request.path, request.content["type"], request.content["id"]) == ("/alerts", "alert.firing", request.id)
    assert post.states() == [("firing", "delivered")]
    assert post.attempts() == [(204, "")]


async def test_a_failure_is_tried_again_with_the_same_id_and_body(post: Post) -> None:
    post.tell(FIRES)
    with Hook(Answer(500, body=b"out of order")) as hook:
        notify = post.worker(post.receiver(hook))
        await notify.run_once()
        assert await notify.run_once() == 0
        post.now += 6_000
        await once(notify)

    assert [request.id for request in hook.requests] == [hook.requests[0].id] * 2
    assert hook.requests[0].body == hook.requests[1].body
    assert hook.requests[0].headers["webhook-timestamp"] != hook.requests[1].headers["webhook-timestamp"]
    assert post.attempts() == [(500, "HTTP 500 out of order"), (204, "")]
    assert notify.counters()["delivered"] == 1


async def test_a_receiver_may_ask_for_a_later_attempt(post: Post) -> None:
    post.tell(FIRES)
    with Hook(Answer(429, {"retry-after": "120"})) as hook:
        notify = post.worker(post.receiver(hook))
        await notify.run_once()
        post.now += 119_000
        assert await notify.run_once() == 0
        post.now += 2_000
        await once(notify)

    assert post.states() == [("firing", "delivered")]


async def test_a_hung_receiver_holds_up_no_other(post: Post) -> None:
    post.tell(FIRES, to=["slow", "ops"])
    held = Event()
    with Hook(Answer(wait=held)) as slow, Hook() as quick:
        notify = post.worker(post.receiver(slow, name="slow", timeout_s=60), post.receiver(quick))
        working = asyncio.create_task(notify.run_once())
        await eventually_async(lambda: notify.counters()["delivered"] == 1)
        assert not working.done()
        assert len(quick.requests) == 1
        held.set()
        await working
        await notify.close()


async def test_a_hung_receiver_times_out(post: Post) -> None:
    post.tell(FIRES)
    never = Event()
    with Hook(Answer(wait=never)) as hook:
        await once(post.worker(post.receiver(hook, timeout_s=6)))
        never.set()

    assert post.states() == [("firing", "waiting")]
    assert post.attempts() == [(None, "no answer within 6 s")]


async def test_a_receiver_that_is_down_is_tried_again(post: Post) -> None:
    post.tell(FIRES)
    with Hook() as hook:
        config = post.receiver(hook)
    await once(post.worker(config))

    assert post.states() == [("firing", "waiting")]
    assert "ConnectError" in post.attempts()[0][1]


async def test_what_was_under_way_when_the_worker_died_is_sent_again_with_the_same_id(post: Post) -> None:
    post.tell(FIRES)
    held = Event()
    with Hook(Answer(wait=held)) as hook:
        first = post.worker(post.receiver(hook))
        dying = asyncio.create_task(first.run_once())
        await eventually_async(lambda: hook.requests)
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)
        await first.close()
        held.set()
        second = post.worker(post.receiver(hook))
        assert await second.run_once() == 0  # the lease still holds
        post.now += 41_000
        await once(second)

    assert [request.id for request in hook.requests] == [hook.requests[0].id] * 2
    assert post.states() == [("firing", "delivered")]


async def test_two_workers_send_each_notification_once(post: Post) -> None:
    for number in range(12):
        post.tell(FIRES, device=f"room-{number}")
    with Hook() as hook:
        pair = [post.worker(post.receiver(hook)) for _ in range(2)]
        while sum(await asyncio.gather(*(each.run_once() for each in pair))):
            pass
        for each in pair:
            await each.close()

    assert len({request.id for request in hook.requests}) == len(hook.requests) == 12


async def test_the_running_worker_picks_up_what_comes(post: Post) -> None:
    with Hook() as hook:
        running = asyncio.create_task(post.worker(post.receiver(hook)).run())
        post.tell(FIRES)
        await eventually_async(lambda: post.states() == [("firing", "delivered")])
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    assert hook.types == ["alert.firing"]


async def test_an_outage_of_sql_is_said_once_and_waited_out(post: Post, caplog: pytest.LogCaptureFixture) -> None:
    post.tell(FIRES)
    _rename(post.engine, "outbox", "elsewhere")
    with Hook() as hook:
        running = asyncio.create_task(post.worker(post.receiver(hook)).run())
        await eventually_async(lambda: "cannot read the outbox" in caplog.text)
        _rename(post.engine, "elsewhere", "outbox")
        await eventually_async(lambda: post.states() == [("firing", "delivered")])
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    assert [record.levelname for record in caplog.records] == ["WARNING"]


def _rename(engine: Engine, before: str, after: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {before} RENAME TO {after}"))
