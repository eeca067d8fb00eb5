"""One at a time on the bus; writes overtake; nobody is forgotten."""

from __future__ import annotations

import asyncio

import pytest

from frostline_core.errors import UnavailableError
from frostline_edge.drivers.modbus.turns import Priority, Turns


class Bench:
    def __init__(self, most: int = 512) -> None:
        self.turns = Turns(most)
        self.order: list[str] = []
        self.gate = asyncio.Event()

    async def use(self, name: str, priority: Priority = Priority.POLL) -> None:
        async with self.turns.turn(priority):
            self.order.append(name)
            await self.gate.wait()

    async def queued(self, *names: tuple[str, Priority]) -> list[asyncio.Task[None]]:
        tasks = []
        for name, priority in names:
            tasks.append(asyncio.create_task(self.use(name, priority)))
            await asyncio.sleep(0)
        return tasks


async def test_polls_go_in_the_order_in_which_they_came() -> None:
    bench = Bench()
    tasks = await bench.queued(("a", Priority.POLL), ("b", Priority.POLL), ("c", Priority.POLL))
    bench.gate.set()
    await asyncio.gather(*tasks)
    assert bench.order == ["a", "b", "c"]


async def test_a_write_overtakes_waiting_polls_but_not_the_one_under_way() -> None:
    bench = Bench()
    tasks = await bench.queued(("a", Priority.POLL), ("b", Priority.POLL), ("w", Priority.WRITE))
    bench.gate.set()
    await asyncio.gather(*tasks)
    assert bench.order == ["a", "w", "b"]


async def test_only_one_holds_the_bus() -> None:
    bench = Bench()
    tasks = await bench.queued(("a", Priority.POLL), ("b", Priority.POLL))
    assert bench.order == ["a"]
    bench.gate.set()
    await asyncio.gather(*tasks)


async def test_a_cancelled_waiter_is_passed_over() -> None:
    bench = Bench()
    tasks = await bench.queued(("a", Priority.POLL), ("b", Priority.POLL), ("c", Priority.POLL))
    tasks[1].cancel()
    bench.gate.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert bench.order == ["a", "c"]


async def test_a_turn_given_to_one_that_is_just_cancelled_is_not_lost() -> None:
    bench = Bench()
    tasks = await bench.queued(("a", Priority.POLL), ("b", Priority.POLL))
    bench.gate.set()
    await asyncio.sleep(0)  # a ends and hands its turn to b, which has not run yet
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.wait_for(bench.use("c"), 1)
    assert bench.order[-1] == "c"


async def test_too_many_waiting_is_refused() -> None:
    bench = Bench(most=1)
    tasks = await bench.queued(("a", Priority.POLL), ("b", Priority.POLL))
    with pytest.raises(UnavailableError, match="1 requests wait"):
        await bench.use("c")
    bench.gate.set()
    await asyncio.gather(*tasks)
