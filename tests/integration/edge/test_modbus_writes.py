"""Writes: confirmed, checked, and before every waiting poll."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path

import pytest

from frostline_core.errors import ProtocolError, UnavailableError
from frostline_core.reading import Value
from tests.integration.edge.modbus_field import Asked, Slave, answer, bus, device, profile, tcp_server
from tests.integration.edge.recorder import Recorder, running
from tests.support.services import eventually_async

SETPOINT = (
    'name = "setpoint"\ntable = "holding"\naddress = 0\ntype = "int16"\nscale = 0.1\nunit = "Cel"\n'
    "writable = true\nwrite_range = [-30.0, 5.0]"
)
WIDE = 'name = "wide"\ntable = "holding"\naddress = 1\ntype = "float32"\nwritable = true\nwrite_range = [0.0, 9.0]'
FLAG = 'name = "flag"\ntable = "holding"\naddress = 3\ntype = "bit"\nbit = 4\nwritable = true'
OTHER = 'name = "other"\ntable = "holding"\naddress = 3\ntype = "bit"\nbit = 9'
COIL = 'name = "light"\ntable = "coil"\naddress = 2\ntype = "bit"\nwritable = true'
READ_ONLY = 'name = "air"\ntable = "input"\naddress = 0\ntype = "int16"'
POINTS = [SETPOINT, WIDE, FLAG, OTHER, COIL, READ_ONLY]


@pytest.mark.parametrize(
    ("metric", "value"), [("setpoint", -22.5), ("setpoint", 5), ("wide", 2.5), ("flag", True), ("light", True)]
)
async def test_a_written_value_is_read_back_at_once(tmp_path: Path, metric: str, value: Value) -> None:
    seen = Recorder()
    one = device(1, holding={0: [0, 0, 0, 0x0200]}, inputs={0: [7]})
    async with tcp_server([one]) as port:
        driver = bus([("d", 1)], profile(tmp_path, POINTS), period_s=3600, port=port)
        async with running(driver, seen):
            await eventually_async(lambda: seen.scans)
            await driver.write("d", metric, value)
            await eventually_async(lambda: len(seen.scans["d"]) == 2)
    assert seen.values("d")[metric] == value
    assert seen.values("d")["other"] is True  # the other bits of the register are as they were


@pytest.mark.parametrize(
    ("metric", "value", "message"),
    [
        ("setpoint", -31.0, "-31.0 is outside -30.0 to 5.0 Cel"),
        ("setpoint", float("nan"), "outside"),
        ("setpoint", True, "a number is needed"),
        ("setpoint", "cold", "a number is needed"),
        ("setpoint", None, "a value is needed"),
        ("flag", 1, "true or false"),
        ("air", 1, "no writable metric 'air'"),
        ("nothing", 1, "no writable metric 'nothing'"),
    ],
)
async def test_what_may_not_be_written_is_refused_here(tmp_path: Path, metric: str, value: Value, message: str) -> None:
    driver = bus([("d", 1)], profile(tmp_path, POINTS), port=9)
    with pytest.raises(ProtocolError, match=message):
        await driver.write("d", metric, value)


async def test_a_write_to_a_device_of_another_bus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match="no device 'x'"):
        await bus([("d", 1)], profile(tmp_path, POINTS), port=9).write("x", "setpoint", 1.0)


async def test_a_write_while_the_bus_is_down_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="not connected"):
        await bus([("d", 1)], profile(tmp_path, POINTS), port=9).write("d", "setpoint", 1.0)


async def test_a_write_goes_before_every_waiting_poll(tmp_path: Path) -> None:
    slave = Slave(rtu=False, delay_s=lambda: 0.05)
    seen = Recorder()
    units = [(f"u{i}", i) for i in range(1, 11)]
    async with slave.listening():
        driver = bus(units, profile(tmp_path, [SETPOINT]), period_s=0.5, port=slave.port)
        async with running(driver, seen):
            await eventually_async(lambda: len(slave.asked) >= 2)
            before = len(slave.asked)
            await driver.write("u7", "setpoint", -1.0)
    position = next(i for i, asked in enumerate(slave.asked) if asked.function == 6)
    assert position <= before + 1


async def test_a_device_that_knows_only_write_multiple_is_written_with_that(tmp_path: Path) -> None:
    def reply(asked: Asked) -> bytes | None:
        if asked.function == 6:
            return bytes([asked.unit, 0x86, 1])
        return struct.pack(">BBHH", asked.unit, 16, asked.address, 1) if asked.function == 16 else answer(asked)

    slave = WriteMultiple(rtu=False, reply=reply)
    seen = Recorder()
    async with slave.listening():
        driver = bus([("d", 1)], profile(tmp_path, [SETPOINT]), port=slave.port)
        async with running(driver, seen):
            await eventually_async(lambda: seen.scans)
            await driver.write("d", "setpoint", -1.0)
    assert [asked.function for asked in slave.asked if asked.function in (6, 16)] == [6, 16]


class WriteMultiple(Slave):
    """Knows the longer request of function 16."""

    async def _request(self, reader: asyncio.StreamReader) -> tuple[int, Asked]:
        tid, asked = await super()._request(reader)
        if asked.function == 16:
            await reader.readexactly(1 + 2 * asked.count)
        return tid, asked


async def test_a_refusal_by_the_device_is_told(tmp_path: Path) -> None:
    slave = Slave(rtu=False, reply=lambda a: bytes([a.unit, 0x86, 3]) if a.function == 6 else answer(a))
    seen = Recorder()
    async with slave.listening():
        driver = bus([("d", 1)], profile(tmp_path, [SETPOINT]), port=slave.port)
        async with running(driver, seen):
            await eventually_async(lambda: seen.scans)
            with pytest.raises(ProtocolError, match="exception 03, illegal data value"):
                await driver.write("d", "setpoint", -1.0)


async def test_an_echo_of_another_write_is_no_confirmation(tmp_path: Path) -> None:
    def reply(asked: Asked) -> bytes:
        return struct.pack(">BBHH", asked.unit, 6, asked.address, 1234) if asked.function == 6 else answer(asked)

    slave = Slave(rtu=False, reply=reply)
    seen = Recorder()
    async with slave.listening():
        driver = bus([("d", 1)], profile(tmp_path, [SETPOINT]), port=slave.port)
        async with running(driver, seen):
            await eventually_async(lambda: seen.scans)
            with pytest.raises(ProtocolError, match="confirmed another write"):
                await driver.write("d", "setpoint", -1.0)


async def test_a_write_without_an_answer_says_that_its_effect_is_unknown(tmp_path: Path) -> None:
    slave = Slave(rtu=False, reply=lambda a: None if a.function == 6 else answer(a))
    seen = Recorder()
    async with slave.listening():
        driver = bus([("d", 1)], profile(tmp_path, [SETPOINT]), timeout_s=0.1, port=slave.port)
        async with running(driver, seen):
            await eventually_async(lambda: seen.scans)
            with pytest.raises(UnavailableError, match="did not answer"):
                await driver.write("d", "setpoint", -1.0)


async def test_a_change_of_an_event_point_is_an_event_and_no_scan(tmp_path: Path) -> None:
    door = 'name = "door_open"\ntable = "coil"\naddress = 2\ntype = "bit"\nwritable = true\nevent = true'
    seen = Recorder()
    async with tcp_server([device(1)]) as port:
        driver = bus([("d", 1)], profile(tmp_path, [door, READ_ONLY.replace("input", "holding")]), port=port)
        async with running(driver, seen):
            await eventually_async(lambda: seen.scans)
            await driver.write("d", "door_open", True)
            await eventually_async(lambda: seen.events)
            count = len(seen.scans["d"])
            await eventually_async(lambda: len(seen.scans["d"]) > count)
    assert [(reading.metric, reading.value) for reading in seen.events] == [("door_open", True)]
    assert seen.scans["d"][0]["door_open"].value is False
    assert seen.scans["d"][-1]["door_open"].value is True
