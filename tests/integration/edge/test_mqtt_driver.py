"""The MQTT driver at a real mosquitto: JSON in, readings out; restarts, retained values, silence, refusals."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from frostline_core.config import parse
from frostline_core.errors import UnavailableError
from frostline_core.reading import DeviceDescription, Reading
from frostline_edge.drivers.mqtt.config import Config
from frostline_edge.drivers.mqtt.driver import Driver
from frostline_edge.sampler import Sampler
from frostline_edge.sampling import Sampling
from tests.support.services import Mosquitto, eventually, eventually_async, free_port
from tests.support.sockets import end

MATCH = {
    "topic": "zigbee2mqtt/{device}",
    "availability": "zigbee2mqtt/{device}/availability",
    "kind": "ambient",
    "metric": [{"name": "temperature", "path": "temperature", "unit": "Cel"}],
}


class Recorder:
    """An Emit that keeps readings and who is alive, and asks the sampler whether it would take them."""

    def __init__(self) -> None:
        self.sampler = Sampler()
        self.alive: dict[str, DeviceDescription] = {}
        self.reasons: dict[str, str] = {}
        self.readings: list[Reading] = []

    def born(self, device: DeviceDescription, sampling: Mapping[str, Sampling]) -> None:
        self.alive[device.id] = device
        self.sampler.configure(device.id, sampling, device)

    def scan(self, device: str, readings: Sequence[Reading]) -> None:
        assert all(self.alive[device].metric(reading.metric) for reading in readings)
        self.readings += readings
        self.sampler.take(readings)
        assert self.sampler.rejections == {}

    def event(self, device: str, readings: Sequence[Reading]) -> None:
        self.scan(device, readings)

    def died(self, device: str, reason: str) -> None:
        del self.alive[device]
        self.reasons[device] = reason

    def values(self, device: str, metric: str = "temperature") -> list[Any]:
        return [each.value for each in self.readings if (each.device, each.metric) == (device, metric)]


class ClosedMosquitto(Mosquitto):
    """A broker that lets nobody in."""

    def command(self) -> list[str]:
        command = super().command()
        config = Path(command[-1])
        config.write_text(config.read_text().replace("allow_anonymous true", "allow_anonymous false"))
        return command


class Publisher:
    """A device's side: publishes and returns when the broker has it."""

    def __init__(self, broker: Mosquitto) -> None:
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()
        eventually(self._client.is_connected)

    def __call__(self, topic: str, payload: str, *, retain: bool = False) -> None:
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(60)

    def close(self) -> None:
        end(self._client)


@pytest.fixture
def publish(fresh_mosquitto: Mosquitto) -> Iterator[Publisher]:
    with contextlib.closing(Publisher(fresh_mosquitto)) as publisher:
        yield publisher


def config(broker: Mosquitto, **changes: object) -> Config:
    table = {"type": "mqtt", "name": "local", "url": broker.url, "timeout_s": 30, "report_s": 0.1, "match": [MATCH]}
    return parse(table | changes, Config, "test")


@contextlib.asynccontextmanager
async def running(driver: Driver, emit: Recorder) -> AsyncIterator[None]:
    """Runs the driver the way its supervisor does, with a short pause between tries."""

    async def supervised() -> None:
        while True:
            with contextlib.suppress(UnavailableError):
                await driver.run(emit)
            await asyncio.sleep(0.05)

    task = asyncio.create_task(supervised())
    try:
        await eventually_async(lambda: "local" in emit.alive)
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_a_device_publishes_is_read(fresh_mosquitto: Mosquitto, publish: Publisher) -> None:
    emit = Recorder()
    async with running(Driver(config(fresh_mosquitto)), emit):
        publish("zigbee2mqtt/fridge", '{"temperature": 4.25, "battery": 90}')
        await eventually_async(lambda: emit.values("fridge") == [4.25])
        publish("zigbee2mqtt/fridge/availability", '{"state": "offline"}')
        await eventually_async(lambda: "fridge" not in emit.alive)
    assert emit.alive == {}


async def test_messages_keep_their_order_and_none_is_lost(fresh_mosquitto: Mosquitto, publish: Publisher) -> None:
    emit = Recorder()
    async with running(Driver(config(fresh_mosquitto)), emit):
        for number in range(500):
            publish("zigbee2mqtt/fridge", f'{{"temperature": {number}}}')
        await eventually_async(lambda: len(emit.values("fridge")) == 500)
    assert emit.values("fridge") == [float(number) for number in range(500)]


async def test_messages_beyond_the_queue_are_dropped_and_counted(
    fresh_mosquitto: Mosquitto, publish: Publisher
) -> None:
    emit = Recorder()
    async with running(Driver(config(fresh_mosquitto, max_queue=5)), emit):
        for number in range(50):  # blocks this loop, so that nobody reads meanwhile
            publish("zigbee2mqtt/fridge", f'{{"temperature": {number}}}')
        await eventually_async(lambda: len(emit.values("fridge")) + (emit.values("local", "dropped") or [0])[-1] == 50)
    assert len(emit.values("fridge")) < 50


async def test_a_message_that_is_far_too_long_is_refused_and_the_next_one_read(
    fresh_mosquitto: Mosquitto, publish: Publisher
) -> None:
    emit = Recorder()
    async with running(Driver(config(fresh_mosquitto, max_payload_bytes=100)), emit):
        publish("zigbee2mqtt/fridge", '{"temperature": 4, "x": "' + "x" * 1_000_000 + '"}')
        publish("zigbee2mqtt/fridge", '{"temperature": 5}')
        await eventually_async(lambda: emit.values("fridge") == [5.0])
        await eventually_async(lambda: 1 in emit.values("local", "refused"))


async def test_a_retained_value_is_skipped_and_the_next_one_read(
    fresh_mosquitto: Mosquitto, publish: Publisher
) -> None:
    publish("zigbee2mqtt/fridge", '{"temperature": 4}', retain=True)
    emit = Recorder()
    async with running(Driver(config(fresh_mosquitto)), emit):
        await eventually_async(lambda: 1 in emit.values("local", "retained"))
        publish("zigbee2mqtt/fridge", '{"temperature": 5}', retain=True)
        await eventually_async(lambda: emit.values("fridge") == [5.0])


async def test_a_silent_device_dies(fresh_mosquitto: Mosquitto, publish: Publisher) -> None:
    emit = Recorder()
    async with running(Driver(config(fresh_mosquitto, match=[MATCH | {"max_silence_s": 0.5}])), emit):
        publish("zigbee2mqtt/fridge", '{"temperature": 4}')
        await eventually_async(lambda: emit.reasons.get("fridge") == "no message for 0.5 s")


async def test_a_broker_restart_kills_every_device_and_reading_goes_on(fresh_mosquitto: Mosquitto) -> None:
    emit = Recorder()
    async with running(Driver(config(fresh_mosquitto)), emit):
        with contextlib.closing(Publisher(fresh_mosquitto)) as publish:
            publish("zigbee2mqtt/fridge", '{"temperature": 4}')
            await eventually_async(lambda: "fridge" in emit.alive)
        await asyncio.to_thread(fresh_mosquitto.kill)
        await eventually_async(lambda: not emit.alive)
        assert "lost" in emit.reasons["fridge"]
        await asyncio.to_thread(fresh_mosquitto.start)
        await eventually_async(lambda: "local" in emit.alive)
        with contextlib.closing(Publisher(fresh_mosquitto)) as publish:
            publish("zigbee2mqtt/fridge", '{"temperature": 5}')
            await eventually_async(lambda: emit.values("fridge") == [4.0, 5.0])


async def test_an_absent_broker_is_unavailable(fresh_mosquitto: Mosquitto) -> None:
    with pytest.raises(UnavailableError, match="no connection to the broker"):
        await Driver(config(fresh_mosquitto, url=f"mqtt://127.0.0.1:{free_port()}")).run(Recorder())


async def test_a_broker_that_lets_nobody_in_is_unavailable(tmp_path: Path) -> None:
    with ClosedMosquitto(tmp_path) as broker, pytest.raises(UnavailableError, match="Not authorized"):
        await Driver(config(broker)).run(Recorder())


async def test_a_server_that_says_nothing_is_unavailable(fresh_mosquitto: Mosquitto) -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(mute, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        driver = Driver(config(fresh_mosquitto, url=f"mqtt://127.0.0.1:{port}", timeout_s=0.3))
        with pytest.raises(UnavailableError, match="does not accept the connection"):
            await driver.run(Recorder())
