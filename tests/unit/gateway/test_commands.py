"""Commands: only to declared writable points, within type, range and rate; each outcome is told."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import Any

import pytest

from frostline_core.errors import ProtocolError, UnavailableError
from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Value
from frostline_core.sparkplug import HostState, Refused, WriteAsked
from frostline_edge.driver import Writer
from frostline_gateway.commands import REFUSALS_TOLD, CommandLimits, Commands, fitting
from frostline_gateway.devices import Devices

ROOM = DeviceDescription(
    "room-1",
    "cold_room",
    "",
    (
        MetricDescription("setpoint", DataType.DOUBLE, "Cel", -30.0, 10.0, writable=True),
        MetricDescription("air_temperature", DataType.DOUBLE, "Cel"),
    ),
)


class Bus:
    """A device that takes writes, refuses them, or never answers."""

    def __init__(self, error: Exception | None = None, hangs: bool = False) -> None:
        self.written: list[tuple[str, str, Value]] = []
        self._error, self._hangs = error, hangs

    async def write(self, device: str, metric: str, value: Value) -> None:
        self.written.append((device, metric, value))
        if self._error is not None:
            raise self._error
        if self._hangs:
            await asyncio.Event().wait()


class Desk:
    """Commands with a clock that the test turns."""

    def __init__(self, bus: Writer | None, limits: CommandLimits | None = None) -> None:
        self.now_ms = 1_000_000
        self.told: list[Mapping[str, Any]] = []
        devices = Devices()
        devices.born(ROOM, self.now_ms)
        self.devices = devices
        self.commands = Commands(devices, lambda _: bus, self.told.append, lambda: self.now_ms, limits)

    async def write(self, value: Value, metric: str = "setpoint", device: str = "room-1") -> tuple[str, str]:
        await self.commands.follow(WriteAsked(device, metric, value))
        return self.told[-1]["outcome"], self.told[-1]["reason"]


async def test_a_writable_point_is_written_and_told() -> None:
    bus = Bus()
    desk = Desk(bus)
    assert await desk.write(-20.0) == ("done", "")
    assert bus.written == [("room-1", "setpoint", -20.0)]
    assert desk.told == [{"device": "room-1", "metric": "setpoint", "value": -20.0, "outcome": "done", "reason": ""}]
    assert desk.commands.outcomes == {"done": 1}


@pytest.mark.parametrize(
    ("metric", "device", "value", "reason"),
    [
        ("air_temperature", "room-1", 1.0, "not a writable point"),
        ("nothing", "room-1", 1.0, "not a writable point"),
        ("setpoint", "room-9", 1.0, "the device does not answer"),
        ("setpoint", "room-1", 11.0, "11 is outside -30 to 10"),
        ("setpoint", "room-1", math.nan, "nan is outside -30 to 10"),
        ("setpoint", "room-1", "cold", "'cold' is no number"),
        ("setpoint", "room-1", True, "True is no number"),
        ("setpoint", "room-1", None, "None is no number"),
    ],
)
async def test_anything_else_is_refused_with_its_reason(metric: str, device: str, value: Value, reason: str) -> None:
    bus = Bus()
    desk = Desk(bus)
    assert await desk.write(value, metric, device) == ("refused", reason)
    assert bus.written == []
    assert desk.commands.outcomes == {"refused": 1}


async def test_a_driver_that_cannot_write_refuses() -> None:
    assert await Desk(None).write(-20.0) == ("refused", "not a writable point")


async def test_a_dead_device_is_not_written() -> None:
    desk = Desk(Bus())
    desk.devices.died("room-1", "unplugged", desk.now_ms)
    assert await desk.write(-20.0) == ("refused", "the device does not answer")


async def test_a_point_is_written_at_most_once_in_five_seconds() -> None:
    bus = Bus()
    desk = Desk(bus)
    await desk.write(-20.0)
    desk.now_ms += 4_999
    assert await desk.write(-21.0) == ("refused", "written less than 5 s ago")
    desk.now_ms += 1
    assert (await desk.write(-22.0))[0] == "done"
    assert [value for _, _, value in bus.written] == [-20.0, -22.0]


async def test_a_clock_set_back_does_not_lock_a_point() -> None:
    desk = Desk(Bus())
    await desk.write(-20.0)
    desk.now_ms -= 3_600_000
    assert (await desk.write(-21.0))[0] == "done"


@pytest.mark.parametrize("error", [UnavailableError("no answer"), ProtocolError("exception 03: illegal value")])
async def test_a_write_that_fails_is_told_as_failed(error: Exception) -> None:
    assert await Desk(Bus(error)).write(-20.0) == ("failed", str(error))


async def test_a_write_that_never_ends_is_given_up_and_may_have_happened() -> None:
    outcome, reason = await Desk(Bus(hangs=True), CommandLimits(answer_s=0.01)).write(-20.0)
    assert outcome == "failed"
    assert "may have been written" in reason


async def test_a_command_that_could_not_be_read_is_counted_and_told() -> None:
    desk = Desk(Bus())
    await desk.commands.follow(Refused("spBv1.0/site/DCMD/gw/room-1", b"", "no birth declared it"))
    assert desk.told[0]["reason"] == "no birth declared it"
    assert desk.commands.outcomes == {"refused": 1}


async def test_a_flood_of_refusals_is_counted_and_fills_no_disk() -> None:
    desk = Desk(Bus())
    for _ in range(500):
        await desk.commands.follow(WriteAsked("room-1", "nothing", 1.0))
    assert desk.commands.outcomes == {"refused": 500}
    assert len(desk.told) == REFUSALS_TOLD
    desk.now_ms += 60_000
    await desk.commands.follow(WriteAsked("room-1", "nothing", 1.0))
    assert len(desk.told) == REFUSALS_TOLD + 1


async def test_what_is_no_write_means_nothing() -> None:
    desk = Desk(Bus())
    await desk.commands.follow(HostState(True))
    assert desk.told == []


@pytest.mark.parametrize(
    ("datatype", "value", "fits"),
    [
        (DataType.INT16, 3.0, 3),
        (DataType.DOUBLE, 3, 3.0),
        (DataType.BOOLEAN, True, True),
        (DataType.STRING, "on", "on"),
    ],
)
def test_a_value_is_turned_into_the_point_s_type(datatype: DataType, value: Value, fits: Value) -> None:
    found = fitting(MetricDescription("m", datatype), value)
    assert (found, type(found)) == (fits, type(fits))


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        (DataType.INT16, 3.5),
        (DataType.BOOLEAN, 1),
        (DataType.STRING, 1),
        (DataType.BYTES, b"x"),
        (DataType.DOUBLE, math.inf),
    ],
)
def test_a_value_of_another_type_does_not_fit(datatype: DataType, value: Value) -> None:
    with pytest.raises(ValueError, match=r"is no|outside"):
        fitting(MetricDescription("m", datatype), value)
