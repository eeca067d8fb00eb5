"""Door and climate sensors that speak JSON over MQTT, as Zigbee2MQTT publishes them.

Topics and keys: https://www.zigbee2mqtt.io/guide/usage/mqtt_topics_and_messages.html: `<prefix>/<name>`, where a name
may have folders, with temperature, humidity, contact (true: closed), battery, linkquality; and
`<prefix>/<name>/availability` with {"state": "online"}, retained. QoS 0: what is published while the broker is away is
lost, and not counted as given.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from frostline_core.errors import ConfigError, UnavailableError
from frostline_core.reading import Value
from frostline_sim.config import MqttConfig, MqttSensorConfig
from frostline_sim.serve.truth import Truth
from frostline_sim.world.world import Point, World

_LOOK_S = 0.1
_CONNECT_S = 5.0
_METRICS = {"climate": ("temperature", "humidity"), "contact": ("door_open",)}


class JsonSensors:
    """All JSON sensors over one connection, as one Zigbee bridge has it.

    Attributes:
        address: Host and port of the broker.
    """

    def __init__(self, config: MqttConfig, url: str, world: World, truth: Truth) -> None:
        """Prepares the sensors; nothing is opened.

        Raises:
            ConfigError: The URL is not mqtt://host:port.
        """
        parts = urlsplit(url)
        if parts.scheme != "mqtt" or not parts.hostname:
            raise ConfigError(f"mqtt.url: must be mqtt://host:port, not {url!r}")
        self.config = config
        self.address = parts.hostname, parts.port or 1883
        self._world = world
        self._truth = truth
        self._client_id = f"sim-{config.prefix}-{world.seed}"
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._down = False
        self._due: dict[str, float] = {}
        self._contact: dict[str, Value] = {}
        self._plugged: dict[str, bool] = {}

    async def start(self) -> None:
        """Connects; afterwards paho's thread keeps the connection.

        Raises:
            UnavailableError: No broker answers within 5 s.
        """
        await self._connect()

    async def stop(self) -> None:
        """Disconnects."""
        await asyncio.to_thread(self._disconnect)

    async def turn(self, *, down: bool) -> None:
        """Takes the bridge off the network, or brings it back."""
        if down and not self._down:
            self._down = True
            await asyncio.to_thread(self._disconnect)
        elif self._down and not down:
            await self._connect()
            self._down = False

    async def run(self) -> None:
        """Publishes at the period, and a contact at once when it changes; for ever."""
        start = time.monotonic()
        for number, sensor in enumerate(self.config.sensor):
            # Spread over the period, as sensors that were paired one after another are.
            self._due[sensor.name] = start + self.config.period_s * number / len(self.config.sensor)
        while True:
            self.publish_due(time.monotonic())
            await asyncio.sleep(_LOOK_S)

    def publish_due(self, now_s: float) -> None:
        """Publishes every sensor whose time has come; `now_s` is a monotonic clock."""
        if not self._client.is_connected():
            return
        for sensor in self.config.sensor:
            self._publish(sensor, now_s)

    def _publish(self, sensor: MqttSensorConfig, now_s: float) -> None:
        if self._world.silent(sensor.name):
            return
        values = {m: self._world.sense(Point(sensor.name, m, sensor.device)) for m in _METRICS[sensor.kind]}
        plugged = all(value is not None for value in values.values())
        if self._plugged.get(sensor.name) != plugged:
            self._plugged[sensor.name] = plugged
            self._send(f"{sensor.topic}/availability", {"state": "online" if plugged else "offline"}, retain=True)
        changed = sensor.kind == "contact" and values["door_open"] != self._contact.get(sensor.name)
        due = self._due.get(sensor.name, 0.0)
        if not plugged or not (changed or now_s >= due):
            return
        self._due[sensor.name] = max(due + self.config.period_s, now_s) if now_s >= due else due
        self._contact[sensor.name] = values.get("door_open")
        payload = _payload(values)
        if self._send(sensor.topic, payload):
            for metric, value in values.items():
                self._truth.gave(sensor.name, metric, payload.get(metric, value))

    def _send(self, path: str, payload: dict[str, Any], *, retain: bool = False) -> bool:
        info = self._client.publish(f"{self.config.prefix}/{path}", json.dumps(payload), qos=0, retain=retain)
        return info.rc == mqtt.MQTT_ERR_SUCCESS

    async def _connect(self) -> None:
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=self._client_id)
        self._client.reconnect_delay_set(1, 5)
        try:
            await asyncio.to_thread(self._client.connect, *self.address, 30)
            self._client.loop_start()
            async with asyncio.timeout(_CONNECT_S):
                while not self._client.is_connected():  # noqa: ASYNC110 - paho's thread has no asyncio event
                    await asyncio.sleep(0.01)
        except OSError as error:
            await self.stop()
            host, port = self.address
            raise UnavailableError(f"mqtt: no broker at {host}:{port}: {error}") from error

    def _disconnect(self) -> None:
        self._client.disconnect()
        with contextlib.suppress(AttributeError):  # paho's thread forgets itself as it ends, maybe under loop_stop
            self._client.loop_stop()
        self._client.reinitialise()  # closes the pair of sockets that paho keeps to wake its thread


def _payload(values: dict[str, Value]) -> dict[str, Any]:
    base: dict[str, Any] = {"battery": 97, "linkquality": 132}
    if "door_open" in values:
        return base | {"contact": not values["door_open"]}
    return base | {metric: round(float(value or 0.0), 2) for metric, value in values.items()}
