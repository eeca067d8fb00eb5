"""A reading that hangs costs its own sensor, and nobody else."""

from __future__ import annotations

import asyncio
import threading

import pytest

from frostline_core.errors import ProtocolError, UnavailableError
from frostline_edge.drivers.sensors.worker import Worker


async def test_it_returns_what_the_reading_gave() -> None:
    worker = Worker("probe")
    assert [await worker.call(lambda: 21.5, 5), await worker.call(lambda: 22.0, 5)] == [21.5, 22.0]


async def test_it_raises_what_the_reading_raised() -> None:
    def wrong() -> float:
        raise ProtocolError("wrong check sum")

    with pytest.raises(ProtocolError, match="wrong check sum"):
        await Worker("probe").call(wrong, 5)


async def test_a_hang_is_unavailable_and_the_next_call_does_not_wait_for_it() -> None:
    release = threading.Event()
    worker = Worker("probe")
    with pytest.raises(UnavailableError, match=r"within 0\.01 s"):
        await worker.call(lambda: release.wait(10), 0.01)
    with pytest.raises(UnavailableError, match="still hangs"):
        await worker.call(lambda: True, 5)
    release.set()
    await asyncio.to_thread(_join_idle, worker)
    assert await worker.call(lambda: "again", 5) == "again"


def _join_idle(worker: Worker) -> None:
    while worker.is_busy:
        threading.Event().wait(0.001)


async def test_two_sensors_do_not_wait_for_each_other() -> None:
    release = threading.Event()
    hung = asyncio.create_task(Worker("a").call(lambda: release.wait(10), 10))
    assert await Worker("b").call(lambda: "b", 5) == "b"
    release.set()
    assert await hung
