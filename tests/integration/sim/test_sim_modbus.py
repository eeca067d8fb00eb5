"""Equipment of a world, read with an independent client over Modbus TCP, RTU over TCP and a pty."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pymodbus import FramerType, ModbusException
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient

from frostline_edge.profiles import load
from frostline_edge.profiles.registers import encode
from tests.integration.sim.served import FREEZER, METER, point, served, tcp


async def test_two_units_on_one_tcp_bus_answer_from_the_same_world() -> None:
    async with served(modbus=[{"name": "bus", "unit": [FREEZER, METER]}]) as running:
        running.world.step(600_000)
        async with tcp(running.ports["bus"]) as client:
            temperature = await point(client, FREEZER, "air_temperature")
            energy = await point(client, METER, "energy_import")
        assert temperature == pytest.approx(running.world.value("freezer", "air_temperature"), abs=0.05)
        assert energy == pytest.approx(running.world.value("meter", "energy_import"), rel=1e-3)
        assert running.truth.served["freezer", "air_temperature"].count == 1


async def test_a_written_setpoint_moves_the_world() -> None:
    async with served(modbus=[{"name": "bus", "unit": [FREEZER]}]) as running:
        setpoint = next(each for each in load("danfoss_ekc202b").points if each.name == "setpoint")
        async with tcp(running.ports["bus"]) as client:
            (word,) = encode(setpoint, -23.5)
            assert not (await client.write_register(setpoint.address, word, device_id=1)).isError()
            assert await point(client, FREEZER, "setpoint") == -23.5
            refused = await client.write_register(setpoint.address, 9000, device_id=1)
        assert refused.exception_code == 3
        assert running.world.rooms["freezer"].setpoint_c == -23.5


async def test_a_silent_unit_says_nothing_while_its_neighbour_answers() -> None:
    fault = [{"type": "device_silent", "target": "freezer", "at": 0}]
    async with served(modbus=[{"name": "bus", "unit": [FREEZER, METER]}], fault=fault) as running:
        async with tcp(running.ports["bus"], timeout_s=0.3) as client:
            with pytest.raises(ModbusException):
                await point(client, FREEZER, "air_temperature")
        async with tcp(running.ports["bus"]) as client:
            assert await point(client, METER, "frequency") == pytest.approx(50.0, abs=0.5)


async def test_a_unit_that_is_not_on_the_bus_says_nothing() -> None:
    async with (
        served(modbus=[{"name": "bus", "unit": [METER]}]) as running,
        tcp(running.ports["bus"], timeout_s=0.3) as client,
    ):
        with pytest.raises(ModbusException):
            await client.read_input_registers(0, count=2, device_id=99)


async def test_a_cut_bus_refuses_and_comes_back_on_the_same_port() -> None:
    async with served(modbus=[{"name": "bus", "unit": [METER]}]) as running:
        async with tcp(running.ports["bus"], timeout_s=0.3) as client:
            await running.lines["bus"].turn(down=True)
            with pytest.raises(ModbusException):
                await point(client, METER, "frequency")
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", running.ports["bus"])
        await running.lines["bus"].turn(down=False)
        async with tcp(running.ports["bus"]) as client:
            assert await point(client, METER, "frequency") == pytest.approx(50.0, abs=0.5)


async def test_a_serial_bus_answers_through_its_pty(tmp_path: Path) -> None:
    path = str(tmp_path / "ttyS9")
    async with served(modbus=[{"name": "bus", "transport": "rtu", "path": path, "unit": [FREEZER, METER]}]) as running:
        assert running.paths == {"bus": path}
        client = AsyncModbusSerialClient(path, baudrate=19_200, timeout=30, retries=0, framer=FramerType.RTU)
        assert await client.connect()
        try:
            assert await point(client, FREEZER, "setpoint") == -20.0
            assert await point(client, METER, "frequency") == pytest.approx(50.0, abs=0.5)
        finally:
            client.close()
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240 - a test may look


async def test_rtu_over_tcp_answers() -> None:
    async with served(modbus=[{"name": "bus", "transport": "rtu-tcp", "unit": [METER]}]) as running:
        client = AsyncModbusTcpClient("127.0.0.1", port=running.ports["bus"], framer=FramerType.RTU, timeout=30)
        assert await client.connect()
        try:
            assert await point(client, METER, "frequency") == pytest.approx(50.0, abs=0.5)
        finally:
            client.close()


EVERY_TABLE = """
id = "every_table"
kind = "cold_room"
title = "A controller that uses all four tables"
source = "made up for this test"

[[points]]
name = "air_temperature"
table = "input"
address = 100
type = "int16"
scale = 0.1
unit = "Cel"
sentinels = [32767]

[[points]]
name = "evaporator_temperature"
table = "holding"
address = 7
type = "float32"
order = "CDAB"
unit = "[degF]"

[[points]]
name = "compressor_running"
table = "coil"
address = 21
type = "bit"

[[points]]
name = "fan_running"
table = "discrete"
address = 3
type = "bit"

[[points]]
name = "defrost_active"
table = "holding"
address = 20
type = "bit"
bit = 4

[[points]]
name = "night_mode"
table = "coil"
address = 22
type = "bit"
writable = true

[[points]]
name = "serial_number"
table = "holding"
address = 40
type = "string"
length = 4
"""


async def test_all_four_tables_are_served_and_an_unplugged_point_says_its_sentinel(tmp_path: Path) -> None:
    profile = tmp_path / "every_table.toml"
    profile.write_text(EVERY_TABLE, encoding="utf-8")
    unit = {"unit": 3, "device": "freezer", "profile": str(profile)}
    fault = [{"type": "sensor_unplugged", "target": "freezer/air_temperature", "at": "1h"}]
    async with served(modbus=[{"name": "bus", "unit": [unit]}], fault=fault) as running:
        world = running.world
        world.step(600_000)
        async with tcp(running.ports["bus"]) as client:
            shown = {each.name: await point(client, unit, each.name) for each in load(str(profile)).points}
            evaporator = world.value("freezer", "evaporator_temperature")
            assert isinstance(evaporator, float)
            assert shown == {
                "air_temperature": pytest.approx(world.value("freezer", "air_temperature"), abs=0.05),
                "evaporator_temperature": pytest.approx(evaporator * 1.8 + 32, rel=1e-5),
                "compressor_running": world.value("freezer", "compressor_running"),
                "fan_running": True,
                "defrost_active": False,
                "night_mode": False,
                "serial_number": "sim",
            }
            assert not (await client.write_coil(22, True, device_id=3)).isError()
            assert await point(client, unit, "night_mode") is True
            assert (await client.write_coil(21, True, device_id=3)).exception_code == 2
            world.step(3_600_000)
            assert await point(client, unit, "air_temperature") is None
