"""Dead, late, garbled and lying devices: never a wrong number, and the neighbours keep their pace."""

from __future__ import annotations

import asyncio
import os
import random
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from pymodbus import FramerType

from frostline_core.errors import UnavailableError
from frostline_core.reading import Quality
from frostline_edge.drivers.modbus.driver import Driver
from frostline_edge.drivers.modbus.unit import UnitStatistics
from tests.integration.edge.modbus_field import (
    Asked,
    Slave,
    answer,
    bus,
    device,
    numbers,
    profile,
    rtu_server,
    serial_pair,
    tcp_server,
    truth,
)
from tests.integration.edge.recorder import Recorder, running
from tests.support.proxy import TcpProxy
from tests.support.services import eventually_async

POINTS = numbers(0, 1, 2, 100, 101, 102, 200, 300)
TEN = [(f"u{i}", i) for i in range(1, 11)]


def is_true(seen: Recorder, unit: int = 1, name: str = "d") -> bool:
    """Whether every number that was emitted is the one that stands at its address."""
    return all(reading.value == truth(unit, int(reading.metric[1:])) for reading in seen.good(name))


@asynccontextmanager
async def field(transport: str, units: list[int]) -> AsyncIterator[dict[str, object]]:
    """Devices on a bus of some kind, and the keys of the driver's config that lead there."""
    devices = [device(unit, holding={0: [unit] * 20}) for unit in units]
    async with AsyncExitStack() as stack:
        if transport == "rtu":
            ours, theirs = await stack.enter_async_context(serial_pair())
            await stack.enter_async_context(rtu_server(devices, theirs))
            yield {"transport": "rtu", "device": ours, "baud": 115200}
        else:
            framer = FramerType.SOCKET if transport == "tcp" else FramerType.RTU
            port = await stack.enter_async_context(tcp_server(devices, framer))
            yield {"transport": transport, "port": port}


def live_ones(driver: Driver) -> list[UnitStatistics]:
    return [each for name, each in driver.statistics().items() if name != "u10"]


@pytest.mark.parametrize("transport", ["tcp", "rtu-tcp", "rtu"])
async def test_one_dead_unit_beside_nine_live_ones_costs_them_little(tmp_path: Path, transport: str) -> None:
    seen = Recorder()
    async with field(transport, list(range(1, 10))) as keys:
        driver = bus(TEN, profile(tmp_path, numbers(0)), period_s=1.0, timeout_s=0.3, **keys)
        async with running(driver, seen):
            await eventually_async(lambda: seen.deaths)
            await eventually_async(lambda: all(each.polls + each.missed >= 6 for each in live_ones(driver)))
    due = sum(each.polls + each.missed for each in live_ones(driver)) - 1  # one may be under way at the end
    assert sum(each.answered for each in live_ones(driver)) >= 0.95 * due
    assert [name for name, _ in seen.deaths] == ["u10"]


async def test_a_dead_unit_is_asked_three_times_and_then_only_probed(tmp_path: Path) -> None:
    seen = Recorder()
    async with tcp_server([device(1, holding={0: [1]})]) as port:
        driver = bus([("u1", 1), ("u2", 2)], profile(tmp_path, numbers(0)), timeout_s=0.3, port=port)
        async with running(driver, seen):
            await eventually_async(lambda: seen.deaths)
            polls = driver.statistics()["u1"].polls
            await eventually_async(lambda: driver.statistics()["u1"].polls >= polls + 10)
    assert driver.statistics()["u2"].polls == 3
    assert seen.deaths == [("u2", "unit 2 did not answer within 0.3 s")]
    assert "u2" not in {born.id for born in seen.births}


async def test_a_unit_that_never_answered_is_named_after_its_first_silence(tmp_path: Path) -> None:
    seen = Recorder()
    async with tcp_server([device(1, holding={0: [1]})]) as port:
        driver = bus([("ghost", 9)], profile(tmp_path, numbers(0)), timeout_s=0.05, period_s=3600, port=port)
        async with running(driver, seen):
            await eventually_async(lambda: seen.deaths)
    assert seen.deaths == [("ghost", "unit 9 did not answer within 0.05 s")]


async def test_a_unit_with_a_long_period_is_asked_again_soon_after_a_silence(tmp_path: Path) -> None:
    lost = iter([None])
    slave = Slave(rtu=False, reply=lambda asked: next(lost, answer(asked)))
    seen = Recorder()
    async with slave.listening():
        driver = bus([("d", 1)], profile(tmp_path, numbers(0)), timeout_s=0.05, period_s=3600, port=slave.port)
        async with running(driver, seen):
            await eventually_async(lambda: seen.births)
    assert is_true(seen)


async def test_a_unit_that_falls_silent_is_bad_at_once_then_dead_then_born_again(tmp_path: Path) -> None:
    deaf = asyncio.Event()
    slave = Slave(rtu=False, reply=lambda asked: None if deaf.is_set() else answer(asked))
    seen = Recorder()
    async with slave.listening():
        driver = bus([("d", 1)], profile(tmp_path, numbers(0)), timeout_s=1.0, port=slave.port)
        async with running(driver, seen):
            await eventually_async(lambda: seen.scans)
            deaf.set()
            await eventually_async(lambda: seen.deaths)
            deaf.clear()
            await eventually_async(lambda: len(seen.births) == 2)
    assert [scan["r0"].quality for scan in seen.scans["d"]].count(Quality.BAD) == 3
    assert is_true(seen)


@pytest.mark.parametrize("transport", ["rtu-tcp", "tcp"])
async def test_late_answers_never_become_another_registers_value(tmp_path: Path, transport: str) -> None:
    chance = random.Random(7)  # noqa: S311 - a test's dice

    def delay_s() -> float:
        # Up to six times the time-out: later than the quiet time that follows it, and in the midst of the next polls.
        return chance.uniform(0.05, 0.3) if chance.random() < 0.04 else 0.0005

    slave = Slave(rtu=transport == "rtu-tcp", delay_s=delay_s)
    seen = Recorder()
    async with slave.listening():
        keys = {"transport": transport, "port": slave.port, "timeout_s": 0.05, "period_s": 0.1}
        driver = bus([("d", 1)], profile(tmp_path, POINTS, max_gap=0), **keys)
        async with running(driver, seen):
            await eventually_async(lambda: late_answers(driver, "d") >= 3 and len(seen.good("d")) >= 30)
    assert is_true(seen)


async def test_a_device_that_is_always_a_little_too_late_yields_no_number_at_all(tmp_path: Path) -> None:
    slave = Slave(rtu=True, delay_s=lambda: 0.07)
    seen = Recorder()
    async with slave.listening():
        driver = bus(
            [("d", 1)],
            profile(tmp_path, POINTS, max_gap=0),
            transport="rtu-tcp",
            port=slave.port,
            timeout_s=0.05,
            quiet_s=0.05,
        )
        async with running(driver, seen):
            await eventually_async(lambda: seen.deaths)
    assert seen.good("d") == []


def late_answers(driver: Driver, device: str) -> int:
    counted = driver.statistics()[device]
    return counted.silent + counted.garbled


async def test_late_answers_on_a_serial_line(tmp_path: Path) -> None:
    chance = random.Random(7)  # noqa: S311 - a test's dice
    slave = Slave(rtu=True, delay_s=lambda: chance.uniform(0.05, 0.3) if chance.random() < 0.04 else 0.0)
    seen = Recorder()
    async with slave.listening(), serial_pair_to(slave.port) as ours:
        driver = bus(
            [("d", 1)],
            profile(tmp_path, POINTS, max_gap=0),
            transport="rtu",
            device=ours,
            baud=115200,
            timeout_s=0.05,
        )
        async with running(driver, seen):
            await eventually_async(lambda: late_answers(driver, "d") >= 3 and len(seen.good("d")) >= 30)
    assert is_true(seen)


async def test_an_answer_to_a_run_that_was_stopped_is_not_taken_by_the_next_run(tmp_path: Path) -> None:
    slave = Slave(rtu=True, delay_s=lambda: 0.1)
    seen = Recorder()
    async with slave.listening(), serial_pair_to(slave.port) as ours:
        driver = bus(
            [("d", 1)], profile(tmp_path, numbers(0, 100, 200), max_gap=0), transport="rtu", device=ours, timeout_s=0.5
        )
        for _ in range(4):
            async with running(driver, seen):
                enough = len(slave.asked) + 2
                await eventually_async(partial(slave.has_been_asked, enough))
        async with running(driver, seen):
            await eventually_async(lambda: len(seen.good("d")) >= 3)
    assert is_true(seen)


@asynccontextmanager
async def serial_pair_to(port: int) -> AsyncIterator[str]:
    """A serial port whose other end is a TCP port: the slave sees RTU frames from a real tty."""
    async with serial_pair() as (ours, theirs):
        tty = os.open(theirs, os.O_RDWR | os.O_NOCTTY)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        loop = asyncio.get_running_loop()
        back = asyncio.create_task(_pump_back(reader, tty))
        loop.add_reader(tty, lambda: writer.write(os.read(tty, 256)))
        try:
            yield ours
        finally:
            loop.remove_reader(tty)
            os.close(tty)
            writer.transport.abort()
            back.cancel()
            await asyncio.gather(back, return_exceptions=True)


async def _pump_back(reader: asyncio.StreamReader, tty: int) -> None:
    while data := await reader.read(256):
        os.write(tty, data)


Lie = Callable[["_Framed", Asked], bytes]
LIES: dict[str, Lie] = {
    "another transaction": lambda s, a: struct.pack(">HHH", 64_000, 0, 5) + bytes([a.unit, 3, 2, 1, 1]),
    "transaction 0": lambda s, a: struct.pack(">HHH", 0, 0, 5) + bytes([a.unit, 3, 2, 1, 1]),
    "another unit": lambda s, a: s.frame(1, answer(Asked(9, 3, a.address, a.count, b""))),
    "another function": lambda s, a: s.frame(1, answer(Asked(a.unit, 4, a.address, a.count, b""))),
    "too many registers": lambda s, a: s.frame(1, answer(Asked(a.unit, 3, a.address, a.count + 1, b""))),
    "too few registers": lambda s, a: s.frame(1, bytes([a.unit, 3, 0])),
    "a length that lies": lambda s, a: s.frame(1, bytes([a.unit, 3, 200, 1, 2])),
    "noise": lambda s, a: bytes(range(37, 250, 7)),
    "half an answer": lambda s, a: s.frame(1, answer(a))[:-3],
    "a web page": lambda s, a: b"HTTP/1.1 400 Bad Request\r\n\r\n",
}


class Liar(Slave):
    """Answers the first request after each connection with a lie, raw; others rightly when `honest`."""

    def __init__(self, lie: str, *, rtu: bool) -> None:
        super().__init__(rtu=rtu)
        self.lie = lie
        self.honest = False

    def frame(self, tid: int, body: bytes) -> bytes:
        if self.honest:
            return super().frame(tid, body)
        inner = Slave(rtu=self.rtu)
        asked = self.asked[-1]
        return LIES[self.lie](_Framed(inner, tid), asked)


class _Framed:
    """Frames a body with the right transaction, whatever the lie says."""

    def __init__(self, slave: Slave, tid: int) -> None:
        self._slave, self._tid = slave, tid

    def frame(self, _: int, body: bytes) -> bytes:
        return self._slave.frame(self._tid, body)


@pytest.mark.parametrize("lie", list(LIES))
@pytest.mark.parametrize("transport", ["tcp", "rtu-tcp"])
async def test_what_is_not_the_answer_is_never_a_number_and_an_honest_device_is_read_again(
    tmp_path: Path, lie: str, transport: str
) -> None:
    slave = Liar(lie, rtu=transport == "rtu-tcp")
    seen = Recorder()
    async with slave.listening():
        driver = bus(
            [("d", 1)],
            profile(tmp_path, numbers(0)),
            transport=transport,
            port=slave.port,
            timeout_s=0.05,
            period_s=0.2,
        )
        async with running(driver, seen):
            await eventually_async(lambda: driver.statistics()["d"].silent + driver.statistics()["d"].garbled >= 2)
            assert seen.good("d") == []
            slave.honest = True
            await eventually_async(lambda: len(seen.good("d")) >= 2)
    assert is_true(seen)


async def test_a_busy_device_is_bad_but_alive(tmp_path: Path) -> None:
    slave = Slave(rtu=False, reply=lambda asked: bytes([asked.unit, asked.function | 0x80, 6]))
    seen = Recorder()
    async with slave.listening():
        driver = bus([("d", 1)], profile(tmp_path, numbers(0)), port=slave.port)
        async with running(driver, seen):
            await eventually_async(lambda: len(seen.scans.get("d", [])) >= 5)
    assert seen.good("d") == []
    assert seen.deaths == []


async def test_a_gateways_no_from_the_device_counts_as_silence(tmp_path: Path) -> None:
    slave = Slave(rtu=False, reply=lambda asked: bytes([asked.unit, asked.function | 0x80, 11]))
    seen = Recorder()
    async with slave.listening():
        driver = bus([("d", 1)], profile(tmp_path, numbers(0)), port=slave.port)
        async with running(driver, seen):
            await eventually_async(lambda: seen.deaths)
    assert seen.deaths == [("d", "unit 1: gateway target device failed to respond")]


async def test_a_lost_line_ends_the_run_and_kills_every_device_and_another_run_brings_them_back(
    tmp_path: Path,
) -> None:
    seen = Recorder()
    devices = [device(1, holding={0: [1]}), device(2, holding={0: [2]})]
    async with tcp_server(devices) as port, TcpProxy("127.0.0.1", port) as proxy:
        driver = bus([("u1", 1), ("u2", 2)], profile(tmp_path, numbers(0)), port=proxy.port)
        task = asyncio.create_task(driver.run(seen))
        await eventually_async(lambda: len(seen.births) == 2)
        proxy.refuse = True
        proxy.reset()
        with pytest.raises(UnavailableError):
            await asyncio.wait_for(task, 60)
        assert sorted(name for name, _ in seen.deaths) == ["u1", "u2"]
        proxy.refuse = False
        async with running(driver, seen):
            await eventually_async(lambda: len(seen.births) == 4)


async def test_nobody_there_is_said_at_once(tmp_path: Path) -> None:
    async with tcp_server([device(1)]) as port:
        pass
    with pytest.raises(UnavailableError, match=f"cannot connect to 127.0.0.1:{port}"):
        await bus([("d", 1)], profile(tmp_path, numbers(0)), port=port).run(Recorder())


async def test_a_serial_port_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    driver = bus([("d", 1)], profile(tmp_path, numbers(0)), transport="rtu", device=str(tmp_path / "tty"))
    with pytest.raises(UnavailableError, match=r"cannot connect to .*tty"):
        await driver.run(Recorder())


async def test_a_cable_pulled_from_a_serial_port_ends_the_run(tmp_path: Path) -> None:
    seen = Recorder()
    async with AsyncExitStack() as cable:
        ours, theirs = await cable.enter_async_context(serial_pair())
        async with rtu_server([device(1, holding={0: [1]})], theirs):
            driver = bus([("d", 1)], profile(tmp_path, numbers(0)), transport="rtu", device=ours, baud=115200)
            task = asyncio.create_task(driver.run(seen))
            await eventually_async(lambda: seen.scans)
            await cable.aclose()
            with pytest.raises(UnavailableError):
                await asyncio.wait_for(task, 60)


async def test_a_connection_that_only_looks_alive_is_replaced(tmp_path: Path) -> None:
    seen = Recorder()
    async with (
        tcp_server([device(1, holding={0: [1]})]) as port,
        TcpProxy("127.0.0.1", port) as proxy,
    ):
        driver = bus([("d", 1)], profile(tmp_path, numbers(0)), timeout_s=0.3, port=proxy.port)
        async with running(driver, seen):
            await eventually_async(lambda: seen.scans)
            proxy.black_hole = True
            await eventually_async(lambda: seen.deaths)
            before, births = proxy.connections, len(seen.births)
            proxy.black_hole = False
            await eventually_async(lambda: len(seen.births) > births)
    assert proxy.connections > before


async def test_ticks_that_pass_while_the_bus_is_busy_are_counted_and_not_made_up_for(tmp_path: Path) -> None:
    slave = Slave(rtu=False, delay_s=lambda: 0.25)
    seen = Recorder()
    started = time.monotonic()
    async with slave.listening():
        driver = bus([("d", 1)], profile(tmp_path, numbers(0)), period_s=0.1, port=slave.port)
        async with running(driver, seen):
            await eventually_async(lambda: len(seen.scans.get("d", [])) >= 4)
    statistics = driver.statistics()["d"]
    assert statistics.missed >= statistics.answered * 2
    assert statistics.polls <= (time.monotonic() - started) / 0.25 + 1


def test_a_driver_is_built_without_a_connection(tmp_path: Path) -> None:
    assert list(bus([("d", 1)], profile(tmp_path, numbers(0)), port=9).devices()) == ["d"]
