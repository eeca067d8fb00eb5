"""A reading that hangs costs its own sensor, and nobody else."""

from __future__ import annotations

import asyncio
import threading

import pytest

from frostline_core.errors import ProtocolError, UnavailableError
from frostline_edge.drivers.sensors.worker import Worker
from tests.support.services import PATIENCE_S


async def test_it_returns_what_the_reading_gave() -> None:
    worker = Worker("probe")
    assert [await worker.call(lambda: 21.5, PATIENCE_S), await worker.call(lambda: 22.0, PATIENCE_S)] == [21.5, 22.0]


async def test_it_raises_what_the_reading_raised() -> None:
    def wrong() -> float:
        raise ProtocolError("wrong check sum")

    with pytest.raises(ProtocolError, match="wrong check sum"):
        await Worker("probe").call(wrong, PATIENCE_S)


async def test_a_hang_is_unavailable_and_the_next_call_does_not_wait_for_it() -> None:
    release = threading.Event()
    worker = Worker("probe")
    with pytest.raises(UnavailableError, match=r"within 0\.01 s"):
        await worker.call(lambda: release.wait(PATIENCE_S), 0.01)
    with pytest.raises(UnavailableError, match="still hangs"):
        await worker.call(lambda: True, PATIENCE_S)
    release.set()
    await asyncio.to_thread(_join_idle, worker)
    assert await worker.call(lambda: "again", PATIENCE_S) == "again"


def _join_idle(worker: Worker) -> None:
    while worker.is_busy:
        threading.Event().wait(0.001)


async def test_two_sensors_do_not_wait_for_each_other() -> None:
    release = threading.Event()
    hung = asyncio.create_task(Worker("a").call(lambda: release.wait(PATIENCE_S), PATIENCE_S))
    assert await Worker("b").call(lambda: "b", PATIENCE_S) == "b"
    release.set()
    assert await hung
