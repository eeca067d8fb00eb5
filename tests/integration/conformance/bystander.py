"""A client of the broker that is neither gateway nor cloud: it hears everything, and says what it is told to."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from frostline_core.sparkplug import StatePayload
from frostline_core.sparkplug.topics import state_topic
from tests.support.services import eventually
from tests.support.sockets import end


def now_ms() -> int:
    """UTC milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Heard:
    """A message as the broker handed it to a subscriber."""

    topic: str
    payload: bytes
    retain: bool


class Bystander:
    """Connected between `with`."""

    def __init__(self, port: int) -> None:
        self.heard: list[Heard] = []
        self._subscribed = False
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="bystander")
        self._client.on_message = self._on_message
        self._client.on_subscribe = lambda *_: setattr(self, "_subscribed", True)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def __enter__(self) -> Self:
        self._client.subscribe("spBv1.0/#", 1)
        eventually(lambda: self._subscribed)
        return self

    def __exit__(self, *_: object) -> None:
        end(self._client)

    def says(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        """Publishes, and waits until the broker has it."""
        self._client.publish(topic, payload, qos, retain).wait_for_publish(60)

    def says_state(self, host: str, online: bool, at_ms: int, *, retain: bool = False) -> None:
        """A STATE in the name of a host."""
        self.says(state_topic(host), StatePayload(online, at_ms).encode(), retain=retain)

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self.heard.append(Heard(message.topic, bytes(message.payload), message.retain))
