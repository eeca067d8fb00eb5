"""Every type, every order, every table: what a pymodbus server holds is what the driver emits."""

from __future__ import annotations

from pathlib import Path

import pytest
from pymodbus.simulator import DataType, SimData, SimDevice

from frostline_core.reading import Quality
from frostline_edge.profiles.model import Point
from frostline_edge.profiles.registers import encode
from tests.integration.edge.modbus_field import bus, device, numbers, profile, tcp_server
from tests.integration.edge.recorder import Recorder, running
from tests.support.services import eventually_async

VALUES: dict[str, int | float | str] = {
    "int16": -1234,
    "uint16": 54_321,
    "int32": -123_456_789,
    "uint32": 3_456_789_012,
    "int64": -1_234_567_890_123_456_789,
    "uint64": 12_345_678_901_234_567_890,
    "float32": -18.25,
    "float64": 21.123456789,
    "string": "COMP-01",
}


@pytest.mark.parametrize("order", ["ABCD", "CDAB", "BADC", "DCBA"])
@pytest.mark.parametrize("table", ["holding", "input"])
async def test_every_type_in_every_order(tmp_path: Path, order: str, table: str) -> None:
    points, words, texts = [], list[int](), []
    for kind in VALUES:
        text = f'name = "v_{kind}"\ntable = "{table}"\naddress = {len(words)}\ntype = "{kind}"\norder = "{order}"'
        keys = {"name": "x", "table": table, "address": 0, "type": kind, "order": order}
        if kind == "string":
            keys["length"], text = 5, f"{text}\nlength = 5"
        points.append(Point.model_validate(keys))
        words += encode(points[-1], VALUES[kind])
        texts.append(text)
    seen = Recorder()
    one = device(1, holding={0: words}) if table == "holding" else device(1, inputs={0: words})
    async with tcp_server([one]) as port, running(bus([("d", 1)], profile(tmp_path, texts), port=port), seen):
        await eventually_async(lambda: seen.scans)
    assert seen.values("d") == {f"v_{kind}": value for kind, value in VALUES.items()}


async def test_values_that_the_server_laid_out_itself(tmp_path: Path) -> None:
    server = SimDevice(
        1,
        simdata=[
            SimData(0, values=[-18.25, 21.5], datatype=DataType.FLOAT32),
            SimData(4, values=-7, datatype=DataType.INT32),
            SimData(6, values="R449A ", datatype=DataType.STRING),
        ],
    )
    points = [
        'name = "a"\ntable = "holding"\naddress = 0\ntype = "float32"',
        'name = "b"\ntable = "holding"\naddress = 2\ntype = "float32"',
        'name = "c"\ntable = "holding"\naddress = 4\ntype = "int32"',
        'name = "d"\ntable = "holding"\naddress = 6\ntype = "string"\nlength = 3',
    ]
    seen = Recorder()
    async with tcp_server([server]) as port, running(bus([("d", 1)], profile(tmp_path, points), port=port), seen):
        await eventually_async(lambda: seen.scans)
    assert seen.values("d") == {"a": -18.25, "b": 21.5, "c": -7, "d": "R449A"}


async def test_coils_and_discrete_inputs(tmp_path: Path) -> None:
    bits = [bool(i % 3 == 0) for i in range(16)]
    points = [f'name = "c{i}"\ntable = "coil"\naddress = {i}\ntype = "bit"' for i in range(16)]
    points += [f'name = "d{i}"\ntable = "discrete"\naddress = {i}\ntype = "bit"' for i in (0, 5, 15)]
    seen = Recorder()
    one = device(1, coils=bits, discrete=[not bit for bit in bits])
    async with tcp_server([one]) as port, running(bus([("d", 1)], profile(tmp_path, points), port=port), seen):
        await eventually_async(lambda: seen.scans)
    expected = {f"c{i}": bits[i] for i in range(16)} | {f"d{i}": not bits[i] for i in (0, 5, 15)}
    assert seen.values("d") == expected


async def test_a_sentinel_is_bad_and_its_neighbours_are_good(tmp_path: Path) -> None:
    points = [*numbers(0), 'name = "s"\ntable = "holding"\naddress = 1\ntype = "int16"\nsentinels = [32767]']
    seen = Recorder()
    async with (
        tcp_server([device(1, holding={0: [7, 32767]})]) as port,
        running(bus([("d", 1)], profile(tmp_path, points), port=port), seen),
    ):
        await eventually_async(lambda: seen.scans)
    reading = seen.scans["d"][0]["s"]
    assert (reading.value, reading.quality, seen.values("d", 0)["r0"]) == (None, Quality.BAD, 7)


async def test_a_block_with_holes_that_the_device_refuses_is_taken_apart_and_stays_so(tmp_path: Path) -> None:
    seen = Recorder()
    holes = device(1, holding={0: [10, 11], 5: [15], 9: [19]})
    async with tcp_server([holes]) as port:
        driver = bus([("d", 1)], profile(tmp_path, numbers(0, 1, 5, 9), max_gap=16), port=port)
        async with running(driver, seen):
            await eventually_async(lambda: len(seen.scans.get("d", [])) > 2)
    assert [seen.values("d", i) for i in range(2)] == [{"r0": 10, "r1": 11, "r5": 15, "r9": 19}] * 2
    assert driver.statistics()["d"].requests == 3


async def test_a_point_that_the_device_lacks_is_bad_and_named(tmp_path: Path) -> None:
    seen = Recorder()
    async with tcp_server([device(1, holding={0: [10, 11]})]) as port:
        driver = bus([("d", 1)], profile(tmp_path, numbers(0, 1, 40)), port=port)
        async with running(driver, seen):
            await eventually_async(lambda: seen.scans)
    assert seen.values("d") == {"r0": 10, "r1": 11, "r40": None}
    assert driver.statistics()["d"].refused == {"r40": 2}


async def test_a_birth_says_what_the_device_is(tmp_path: Path) -> None:
    point = (
        'name = "setpoint"\ntable = "holding"\naddress = 0\ntype = "int16"\nscale = 0.1\nunit = "Cel"\n'
        "valid = [-60.0, 60.0]\nwritable = true\nwrite_range = [-30.0, 5.0]\ndeadband = 0.5"
    )
    seen = Recorder()
    async with (
        tcp_server([device(1, holding={0: [65356]})]) as port,
        running(bus([("d", 1)], profile(tmp_path, [point]), port=port), seen),
    ):
        await eventually_async(lambda: seen.scans)
    (born,) = seen.births
    metric = born.metric("setpoint")
    assert metric is not None
    assert (born.kind, metric.unit, metric.low, metric.high, metric.writable) == ("cold_room", "Cel", -60, 60, True)
    assert seen.values("d") == {"setpoint": -18.0}
