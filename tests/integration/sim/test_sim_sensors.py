"""The sensor files and JSON sensors of a world, and the links to its broker."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from frostline_core.errors import UnavailableError
from frostline_sim.serve.gate import Gate
from tests.integration.sim.served import METER, served
from tests.support.services import eventually_async
from tests.support.sockets import end


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
        end(self.client)


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
        with contextlib.suppress(ConnectionError):  # refused, or cut while we wait for the answer
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(b"hello\n")
                return await reader.readline() == b"hello\n"
            finally:
                writer.close()
        return False

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
