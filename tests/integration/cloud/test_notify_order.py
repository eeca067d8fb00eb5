"""In which order news of an incident arrives, and what of it a receiver wants."""

from __future__ import annotations

import asyncio
from threading import Event

from tests.support.hook import Answer, Hook
from tests.support.post import ENDS, FIRES, WORSENS, Post, once
from tests.support.services import eventually_async


async def test_resolved_waits_until_firing_was_delivered(post: Post) -> None:
    post.tell(FIRES)
    held = Event()
    with Hook(Answer(wait=held)) as hook:
        notify, other = post.worker(post.receiver(hook)), post.worker(post.receiver(hook))
        working = asyncio.create_task(notify.run_once())
        await eventually_async(lambda: hook.requests)
        post.tell(ENDS)
        assert await other.run_once() == 0
        held.set()
        await working
        await notify.run_once()
        await notify.close()
        await other.close()

    assert hook.types == ["alert.firing", "alert.resolved"]


async def test_a_firing_that_is_over_before_it_was_delivered_is_collapsed(post: Post) -> None:
    post.tell(FIRES, WORSENS)
    with Hook(Answer(500)) as hook:
        notify = post.worker(post.receiver(hook))
        await notify.run_once()
        post.tell(ENDS)
        post.now += 10_000
        await once(notify)

    assert hook.types == ["alert.firing", "alert.resolved"]
    assert post.states() == [("firing", "collapsed"), ("updated", "collapsed"), ("resolved", "delivered")]
    assert hook.requests[1].content["incident"]["fired_at"] is not None


async def test_of_several_updates_only_the_newest_is_sent(post: Post) -> None:
    post.tell(FIRES, WORSENS, WORSENS, WORSENS)
    with Hook() as hook:
        notify = post.worker(post.receiver(hook))
        await notify.run_once()
        await once(notify)

    assert [(request.content["type"], request.content["revision"]) for request in hook.requests] == [
        ("alert.firing", 1),
        ("alert.updated", 4),
    ]


async def test_a_receiver_gets_only_the_types_it_wants(post: Post) -> None:
    post.tell(FIRES, ENDS)
    with Hook() as hook:
        notify = post.worker(post.receiver(hook, types=["alert.firing"]))
        await notify.run_once()
        await once(notify)

    assert hook.types == ["alert.firing"]
    assert post.states() == [("firing", "delivered"), ("resolved", "skipped")]


async def test_a_receiver_gets_only_the_severities_it_wants(post: Post) -> None:
    post.tell(FIRES)
    with Hook() as hook:
        await once(post.worker(post.receiver(hook, severities=["info", "warning"])))

    assert hook.requests == []
    assert post.states() == [("firing", "skipped")]
