"""The broker connection: paho-mqtt as a socket with a protocol; messages in a bounded queue, reconnects by us.

A thread of its own connects, with a fresh will each time (Sparkplug wants the STATE will's timestamp to be the time of
CONNECT), and puts what comes into the queue. Past the bound a message is dropped and counted: that is the same as a
message lost on the way, and the commit protocol heals it.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from frostline_cloud.ingest.config import BrokerConfig
from frostline_core.config import secret

log = logging.getLogger("frostline.ingest.broker")

_FIRST_WAIT_S, _MOST_WAIT_S, _HEALTHY_S = 0.5, 30.0, 60.0
_CONNECT_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Connected:
    """A session has started; nothing is subscribed yet."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The session is gone."""

    reason: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message."""

    topic: str
    payload: bytes


Incoming = Connected | Disconnected | Arrived


class Broker:
    """One MQTT 3.1.1 connection with a clean session.

    Args:
        config: Where to connect.
        will: Asked before each CONNECT: topic and payload of the will (QoS 1, retained).
        most_messages: Bound of the queue.
        most_bytes: Bound of the queue's payloads.
    """

    def __init__(
        self, config: BrokerConfig, will: Callable[[], tuple[str, bytes]], most_messages: int, most_bytes: int
    ) -> None:
        self._config, self._will = config, will
        self._most_messages, self._most_bytes = most_messages, most_bytes
        self._queue: deque[Incoming] = deque()
        self._bytes = 0
        self._some = threading.Condition()
        self._stopping = threading.Event()
        self._client: mqtt.Client | None = None
        self._thread = threading.Thread(target=self._run, name="broker", daemon=True)
        self.dropped = 0

    def start(self) -> None:
        """Starts to connect."""
        self._thread.start()

    def stop(self) -> None:
        """Sends DISCONNECT after what was published, and ends the thread."""
        self._stopping.set()
        client = self._client
        if client is not None:
            client.disconnect()
        self._thread.join(timeout=5)

    def take(self, wait_s: float, most: int) -> list[Incoming]:
        """Everything that waits, up to `most`; waits up to `wait_s` for the first."""
        with self._some:
            if not self._queue:
                self._some.wait(wait_s)
            taken = [self._queue.popleft() for _ in range(min(most, len(self._queue)))]
            self._bytes -= sum(len(item.payload) for item in taken if isinstance(item, Arrived))
            return taken

    def subscribe(self, topics: Sequence[tuple[str, int]]) -> None:
        """Subscribes; without a session nothing happens."""
        if self._client is not None:
            self._client.subscribe(list(topics))

    def publish(self, topic: str, payload: bytes, qos: int = 0, retain: bool = False) -> bool:
        """Hands a message to the session; False without one (nothing is ever kept for a later session)."""
        client = self._client
        if client is None or not client.is_connected():
            return False
        return client.publish(topic, payload, qos, retain).rc == mqtt.MQTT_ERR_SUCCESS

    def publish_and_wait(self, topic: str, payload: bytes, wait_s: float) -> None:
        """The same with QoS 1, retained, and waits for the broker's acknowledgement, at most `wait_s`."""
        client = self._client
        if client is not None and client.is_connected():
            try:
                client.publish(topic, payload, 1, True).wait_for_publish(wait_s)
            except (RuntimeError, ValueError):
                log.warning("the last STATE could not be published: the connection is gone; the will says it")

    def _put(self, item: Incoming) -> None:
        with self._some:
            if isinstance(item, Arrived):
                if len(self._queue) >= self._most_messages or self._bytes >= self._most_bytes:
                    self.dropped += 1
                    return
                self._bytes += len(item.payload)
            self._queue.append(item)
            self._some.notify()

    def _run(self) -> None:
        wait_s = _FIRST_WAIT_S
        while not self._stopping.is_set():
            began = time.monotonic()
            reason = self._session()
            self._client = None
            if self._stopping.is_set():
                return
            if time.monotonic() - began > _HEALTHY_S:
                wait_s = _FIRST_WAIT_S
            self._put(Disconnected(reason))
            self._stopping.wait(wait_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, no secret
            wait_s = min(wait_s * 2, _MOST_WAIT_S)

    def _session(self) -> str:
        """One connection from CONNECT to its end; returns why it ended."""
        config = self._config
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=config.client_id or f"frostline-host-{config.host_id}",
            clean_session=True,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        client.connect_timeout = _CONNECT_TIMEOUT_S
        if config.username:
            password = secret(config.password, "broker.password") if config.password else None
            client.username_pw_set(config.username, password)
        if config.tls:
            client.tls_set(
                ca_certs=str(config.ca_file) if config.ca_file else None,
                certfile=str(config.cert_file) if config.cert_file else None,
                keyfile=str(config.key_file) if config.key_file else None,
            )
        topic, payload = self._will()
        client.will_set(topic, payload, 1, True)
        ended = ["the connection was closed"]

        def connected(_c: mqtt.Client, _u: object, _f: object, code: ReasonCode, _p: object) -> None:
            if code.is_failure:
                ended[0] = f"the broker refused the connection: {code}"
            else:
                self._client = client
                self._put(Connected())

        def arrived(_c: mqtt.Client, _u: object, message: mqtt.MQTTMessage) -> None:
            self._put(Arrived(message.topic, bytes(message.payload)))

        client.on_connect = connected
        client.on_message = arrived
        try:
            client.connect(*config.address, keepalive=config.keepalive_s)
            client.loop_forever()
        except OSError as error:
            host, port = config.address
            return f"cannot reach the broker at {host}:{port}: {error}"
        return ended[0]
