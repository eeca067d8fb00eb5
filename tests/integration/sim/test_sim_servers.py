"""Each server of a world, read with an independent client over its real protocol."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from llrpkit import Reader
from paho.mqtt.enums import CallbackAPIVersion
from pymodbus import FramerType, ModbusException
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient

from frostline_core.config import parse
from frostline_core.epc import gtin14
from frostline_core.errors import UnavailableError
from frostline_edge.profiles import load
from frostline_edge.profiles.registers import decode, encode, width
from frostline_sim.config import WorldConfig
from frostline_sim.run import RunningWorld, serve
from frostline_sim.serve.gate import Gate
from tests.support.services import eventually_async

GTIN = "80614141123458"
FREEZER = {"unit": 1, "device": "freezer", "profile": "danfoss_ekc202b"}
METER = {"unit": 20, "device": "meter", "profile": "eastron_sdm630"}
SLOWEST = 0.01
"""A speed at which the world stands still for the length of a test."""


@asynccontextmanager
async def served(speed: float = SLOWEST, **table: Any) -> AsyncIterator[RunningWorld]:
    rooms = [{"name": "freezer", "setpoint_c": -20.0}]
    base = {"cold_room": rooms, "rack": [{"name": "rack", "rooms": ["freezer"]}], "meter": [{"name": "meter"}]}
    async with serve(parse(base | table, WorldConfig, "test"), speed=speed) as running:
        yield running


async def point(client: AsyncModbusTcpClient | AsyncModbusSerialClient, unit: dict[str, Any], name: str) -> Any:
    each = next(point for point in load(str(unit["profile"])).points if point.name == name)
    read = {
        "holding": client.read_holding_registers,
        "input": client.read_input_registers,
        "coil": client.read_coils,
        "discrete": client.read_discrete_inputs,
    }[each.table.value]
    answer = await read(each.address, count=width(each), device_id=int(unit["unit"]))
    assert not answer.isError(), answer
    found = answer.registers or [int(bit) for bit in answer.bits]
    return decode(each, found[: width(each)])


@asynccontextmanager
async def tcp(port: int, timeout_s: float = 2.0) -> AsyncIterator[AsyncModbusTcpClient]:
    client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=timeout_s, retries=0, reconnect_delay=0)
    assert await client.connect()
    try:
        yield client
    finally:
        client.close()


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
        async with tcp(running.ports["bus"]) as client:
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
        client = AsyncModbusSerialClient(path, baudrate=19_200, timeout=2, retries=0, framer=FramerType.RTU)
        assert await client.connect()
        try:
            assert await point(client, FREEZER, "setpoint") == -20.0
            assert await point(client, METER, "frequency") == pytest.approx(50.0, abs=0.5)
        finally:
            client.close()
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240 - a test may look


async def test_rtu_over_tcp_answers() -> None:
    async with served(modbus=[{"name": "bus", "transport": "rtu-tcp", "unit": [METER]}]) as running:
        client = AsyncModbusTcpClient("127.0.0.1", port=running.ports["bus"], framer=FramerType.RTU, timeout=2)
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


STOCK: dict[str, Any] = {
    "product": [{"gtin": GTIN}],
    "zone": [{"name": "dock", "items": {GTIN: 3}}, {"name": "shelf", "items": {GTIN: 5}}],
    "reader": [{"name": "reader", "antennas": {"1": "dock", "2": "shelf"}, "reads_per_s": 400.0}],
}


async def test_a_reader_hears_the_items_of_each_zone_on_its_antenna() -> None:
    async with served(**STOCK) as running:
        heard: dict[int, set[str]] = {1: set(), 2: set()}
        async with asyncio.timeout(10):
            async with Reader("127.0.0.1", running.ports["reader"]) as reader:
                async for tag in reader.inventory(antennas=(1, 2)):
                    heard[tag.antenna or 0].add(tag.epc_hex.upper())
                    if (len(heard[1]), len(heard[2])) == (3, 5):
                        break
        there = {
            zone: {item.epc.hex().upper() for item in running.world.stock.zone(zone)} for zone in ("dock", "shelf")
        }
        assert heard == {1: there["dock"], 2: there["shelf"]}
        assert {gtin14(epc) for epcs in heard.values() for epc in epcs} == {GTIN}
        assert running.truth.served["reader", "reads_antenna_2"].count >= 5


async def test_an_item_that_moved_is_heard_on_the_other_antenna() -> None:
    faults = [{"type": "stock_removed", "target": "dock", "at": "1m", "count": 3}]
    async with served(**STOCK, fault=faults) as running:
        async with asyncio.timeout(10), Reader("127.0.0.1", running.ports["reader"]) as reader:
            stream = reader.inventory(antennas=(1, 2))
            assert (await anext(stream)).antenna in (1, 2)
            running.world.step(120_000)
            await asyncio.sleep(0.5)
            late = [(await anext(stream)).antenna for _ in range(300)]
            await stream.aclose()
        assert set(late[-100:]) == {2}


async def test_a_deaf_antenna_hears_nothing_while_the_other_does() -> None:
    fault = [{"type": "reader_deaf", "target": "reader/1", "at": 0}]
    async with (
        served(**STOCK, fault=fault) as running,
        asyncio.timeout(10),
        Reader("127.0.0.1", running.ports["reader"]) as reader,
    ):
        stream = reader.inventory(antennas=(1, 2))
        heard = {(await anext(stream)).antenna for _ in range(50)}
        await stream.aclose()
    assert heard == {2}


async def test_a_silent_reader_keeps_the_connection_and_says_nothing() -> None:
    fault = [{"type": "device_silent", "target": "reader", "at": 0}]
    async with served(**STOCK, fault=fault) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.ports["reader"])
        try:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await reader.read(1)
        finally:
            writer.close()


async def test_the_sensor_tree_follows_the_world(tmp_path: Path) -> None:
    sensor = {"name": "28-0316a2795bff", "kind": "w1", "device": "freezer"}
    fault = [{"type": "sensor_unplugged", "target": sensor["name"], "at": "1h", "for": "10m"}]
    tree = {"root": str(tmp_path), "period_s": 0.05, "sensor": [sensor]}
    file = tmp_path / "bus/w1/devices/28-0316a2795bff/temperature"
    async with served(sysfs=tree, fault=fault) as running:
        assert running.paths["sysfs"] == str(tmp_path)
        running.world.step(1_800_000)
        expected = running.world.value("freezer", "air_temperature")
        await eventually_async(lambda: int(file.read_text()) / 1000 == pytest.approx(expected, abs=0.04))
        running.world.step(1_800_000)
        await eventually_async(lambda: not file.parent.exists())
        running.world.step(600_000)
        await eventually_async(file.exists)


class Listener:
    """An independent MQTT client that keeps the messages of a prefix."""

    def __init__(self, port: int) -> None:
        self.messages: list[tuple[str, dict[str, Any]]] = []
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self.client.on_connect = lambda client, *_: client.subscribe("zigbee2mqtt/#")
        self.client.on_message = lambda _c, _u, message: self.messages.append(
            (message.topic, json.loads(message.payload))
        )
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def of(self, name: str) -> list[dict[str, Any]]:
        return [payload for topic, payload in self.messages if topic == f"zigbee2mqtt/{name}"]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
        # The callback refers to us and we to the client: as a cycle, its sockets would be found open by the collector.
        self.client.on_message = None


JSON: dict[str, Any] = {
    "period_s": 0.3,
    "sensor": [
        {"name": "climate", "kind": "climate", "device": "freezer"},
        {"name": "door", "folder": "doors", "kind": "contact", "device": "freezer"},
    ],
}


async def test_json_sensors_publish_on_a_broker_of_their_own() -> None:
    async with served(mqtt=JSON) as running:
        listener = Listener(running.ports["mqtt"])
        try:
            await eventually_async(lambda: len(listener.of("climate")) >= 2 and listener.of("doors/door"))
            truth = running.world.value("freezer", "air_temperature")
            assert listener.of("climate")[-1]["temperature"] == pytest.approx(truth, abs=0.01)
            assert listener.of("doors/door")[-1]["contact"] is (not running.world.value("freezer", "door_open"))
            # Retained: it comes to those who subscribe late.
            assert {"state": "online"} in listener.of("climate/availability")
        finally:
            listener.close()


async def test_a_door_that_opens_is_published_at_once() -> None:
    fault = [{"type": "door_open", "target": "freezer", "at": "10m", "for": "10m"}]
    async with served(mqtt=JSON | {"period_s": 3600.0}, fault=fault) as running:
        listener = Listener(running.ports["mqtt"])
        try:
            await eventually_async(lambda: running.truth.served.get(("door", "door_open")) is not None)
            running.world.step(660_000)
            await eventually_async(
                lambda: listener.of("doors/door") and listener.of("doors/door")[-1]["contact"] is False
            )
        finally:
            listener.close()


async def test_an_unplugged_json_sensor_is_offline_and_a_silent_one_says_nothing() -> None:
    faults = [
        {"type": "sensor_unplugged", "target": "climate", "at": 0},
        {"type": "device_silent", "target": "door", "at": 0},
    ]
    async with served(mqtt=JSON, fault=faults) as running:
        listener = Listener(running.ports["mqtt"])
        try:
            await eventually_async(lambda: {"state": "offline"} in listener.of("climate/availability"))
            await asyncio.sleep(0.6)
            assert {topic for topic, _ in listener.messages} == {"zigbee2mqtt/climate/availability"}
        finally:
            listener.close()


async def test_no_broker_is_an_error_that_names_it() -> None:
    with pytest.raises(UnavailableError, match=r"no broker at 127\.0\.0\.1:9"):
        async with served(mqtt=JSON | {"url": "mqtt://127.0.0.1:9"}):
            pass


async def test_a_link_is_cut_and_mended_by_the_timeline() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    far = await asyncio.start_server(answer, "127.0.0.1", 0)
    link = {"name": "uplink", "to": f"127.0.0.1:{far.sockets[0].getsockname()[1]}"}
    fault = [{"type": "link_down", "target": "uplink", "at": "10m", "for": "10m"}]

    async def asks(port: int) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            return False
        writer.write(b"hello\n")
        answered = await reader.readline() == b"hello\n"
        writer.close()
        return answered

    async with far, served(link=[link], fault=fault) as running:
        port = running.ports["uplink"]
        assert await asks(port)
        running.world.step(660_000)
        await eventually_async(lambda: _not(asks(port)))
        running.world.step(600_000)
        await eventually_async(lambda: asks(port))


async def _not(question: Any) -> bool:
    return not await question


async def test_a_link_leads_to_the_worlds_own_broker() -> None:
    async with served(mqtt=JSON, link=[{"name": "uplink", "to": "mqtt"}]) as running:
        listener = Listener(running.ports["uplink"])
        try:
            await eventually_async(lambda: listener.of("climate"))
        finally:
            listener.close()


async def test_a_taken_port_is_an_error_that_names_the_bus() -> None:
    async with served(modbus=[{"name": "one", "unit": [METER]}]) as running:
        blocker = Gate("127.0.0.1", 0, lambda: ("127.0.0.1", 9))
        assert blocker.port == 0
        taken = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
        port = taken.sockets[0].getsockname()[1]
        async with taken:
            with pytest.raises(UnavailableError, match="modbus bus two: cannot serve"):
                async with served(modbus=[{"name": "two", "port": port, "unit": [METER]}]):
                    pass
        assert running.ports["one"]
