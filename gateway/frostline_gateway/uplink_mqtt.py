"""One MQTT 3.1.1 connection, paho as the socket: what its thread hears is queued for the event loop, nothing else.

A `Link` is used once. paho never reconnects by itself and never holds a message over: publishes of a connection that is
gone die with its client, since rows that were not committed are sent again from the spool.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from frostline_core.config import secret
from frostline_core.errors import ConfigError, UnavailableError
from frostline_core.sparkplug import Outgoing
from frostline_gateway.uplink_config import UplinkConfig

CONNECT_S = 15.0
CLOSE_S = 3.0
INCOMING_MAX, INCOMING_BYTES_MAX = 1000, 4 << 20
"""Commands waiting to be read, and what they may weigh; beyond it the newest is dropped and counted."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message as it came."""

    topic: str
    payload: bytes


class Link:
    """A connection from CONNECT to its end.

    Args:
        config: Where to and as whom.
        client_id: Stable for one gateway, so that a broker ends its older session.
        will: What the broker publishes when the connection is cut.
        wake: Called on the event loop whenever there is something to look at.
    """

    def __init__(self, config: UplinkConfig, client_id: str, will: Outgoing, wake: Callable[[], None]) -> None:
        self._config, self._wake = config, wake
        self._loop = asyncio.get_running_loop()
        self._client = _client(config, client_id)
        self._client.will_set(will.topic, will.payload, will.qos, will.retain)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_subscribe = self._on_subscribe
        self._client.on_publish = self._on_publish
        self._accepted: asyncio.Future[None] = self._loop.create_future()
        self._subscribed: asyncio.Future[None] = self._loop.create_future()
        self._incoming: deque[Incoming] = deque()
        self._came_bytes = self._read_bytes = 0  # each is counted by one thread: paho's, the loop's
        self._handed: deque[int] = deque()
        self._lost = ""
        self._leaving = False
        self.dropped = 0
        self.accepted = False

    @property
    def lost(self) -> str:
        """Why the connection is gone; "" while it stands."""
        return self._lost

    @property
    def _ping_s(self) -> int:
        """What is told to the broker. paho pings after that much silence, and waits as long again for the answer."""
        return self._config.keepalive_s * 3 // 4

    async def open(self) -> None:
        """Connects and waits for the broker's welcome.

        Raises:
            UnavailableError: The broker does not answer, or refuses us.
        """
        where = f"broker {self._config.url}"
        try:
            async with asyncio.timeout(CONNECT_S):
                await asyncio.to_thread(self._connect)
                self._client.loop_start()
                await self._accepted
        except TimeoutError as error:
            raise UnavailableError(f"{where}: no answer in {CONNECT_S:.0f} s") from error
        except ssl.SSLError as error:
            raise UnavailableError(f"{where}: TLS: {error}; check ca_file and the name in the URL") from error
        except OSError as error:
            raise UnavailableError(f"{where}: {error.strerror or error}") from error
        self.accepted = True

    def _connect(self) -> None:
        self._client.connect(self._config.host, self._config.port, self._ping_s)
        if self._leaving:  # nobody waits any more, and `close` has found no connection to close
            self._end()

    async def subscribe(self, filters: Sequence[tuple[str, int]]) -> None:
        """Subscribes and waits until the broker has done so.

        Raises:
            UnavailableError: It does not answer, or refuses one of them.
        """
        self._client.subscribe(list(filters))
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._subscribed
        except TimeoutError as error:
            raise UnavailableError(f"broker {self._config.url}: no answer to SUBSCRIBE") from error

    def publish(self, message: Outgoing) -> int:
        """Hands a message to the socket's thread; returns the id that `handed` will give.

        Raises:
            UnavailableError: The connection is gone.
        """
        info = self._client.publish(message.topic, message.payload, message.qos, message.retain)
        if self._lost or info.rc is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise UnavailableError(self._lost or f"broker {self._config.url}: connection lost")
        return info.mid

    def received(self) -> Incoming | None:
        """The oldest message that was not yet read."""
        if not self._incoming:
            return None
        oldest = self._incoming.popleft()
        self._read_bytes += len(oldest.payload)
        return oldest

    def handed(self) -> int | None:
        """The oldest id of a publish that has left for the broker."""
        return self._handed.popleft() if self._handed else None

    async def close(self, last: Outgoing | None = None) -> None:
        """Publishes a last message if there is one and the connection stands, and disconnects; waits a bounded time."""
        self._leaving = True
        await asyncio.to_thread(self._close, last)

    def _close(self, last: Outgoing | None) -> None:
        if last is not None and not self._lost:
            info = self._client.publish(last.topic, last.payload, last.qos, last.retain)
            if info.rc is MQTTErrorCode.MQTT_ERR_SUCCESS:
                with suppress(RuntimeError):  # the connection was lost meanwhile: the will says the same
                    info.wait_for_publish(CLOSE_S)
        self._end()

    def _end(self) -> None:
        """Ends connection and thread, and closes what paho leaves open: a pair of sockets that wakes its thread."""
        self._client.disconnect()
        with suppress(AttributeError):  # paho's thread forgets itself as it ends, maybe while loop_stop looks at it
            self._client.loop_stop()
        self._client.reinitialise()

    # ---- paho's thread; everything goes to the event loop
    def _on_connect(
        self, _client: Client, _data: Any, _flags: ConnectFlags, code: ReasonCode, _properties: Properties | None
    ) -> None:
        refused = f"broker {self._config.url} refuses us: {code}" if code.is_failure else ""
        self._later(lambda: _settle(self._accepted, refused))

    def _on_subscribe(
        self, _client: Client, _data: Any, _mid: int, codes: list[ReasonCode], _properties: Properties | None
    ) -> None:
        refused = f"broker {self._config.url} refuses a subscription" if any(c.is_failure for c in codes) else ""
        self._later(lambda: _settle(self._subscribed, refused))

    def _on_disconnect(
        self, _client: Client, _data: Any, _flags: DisconnectFlags, code: ReasonCode, _properties: Properties | None
    ) -> None:
        self._later(lambda: self._gone(f"broker {self._config.url}: connection lost ({code})"))

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        waiting = self._came_bytes - self._read_bytes + len(message.payload)
        if len(self._incoming) >= INCOMING_MAX or waiting > INCOMING_BYTES_MAX:
            self.dropped += 1
            return
        self._came_bytes += len(message.payload)
        self._incoming.append(Incoming(message.topic, bytes(message.payload)))
        self._later(self._wake)

    def _on_publish(
        self, _client: Client, _data: Any, mid: int, _code: ReasonCode, _properties: Properties | None
    ) -> None:
        if self._config.proof == "none":
            self._handed.append(mid)
            self._later(self._wake)

    def _gone(self, why: str) -> None:
        if not self._leaving:  # an end that we asked for is no loss
            self._lost = self._lost or why
        _settle(self._accepted, why)
        _settle(self._subscribed, why)
        self._wake()

    def _later(self, call: Callable[[], object]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call)


def _settle(future: asyncio.Future[None], refused: str) -> None:
    if future.done():
        return
    if refused:
        future.set_exception(UnavailableError(refused))
        future.exception()  # seen, even if nobody waits for it any more
    else:
        future.set_result(None)


def _client(config: UplinkConfig, client_id: str) -> Client:
    """A paho client that neither reconnects nor keeps anything.

    Raises:
        ConfigError: A secret or a certificate cannot be read.
    """
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        clean_session=True,
        protocol=MQTTProtocolVersion.MQTTv311,
        reconnect_on_failure=False,
    )
    client.connect_timeout = CONNECT_S - 1
    if config.username:
        given = config.password.get_secret_value()
        client.username_pw_set(config.username, secret(config.password, "uplink.password") if given else None)
    if config.tls:
        try:
            client.tls_set(
                ca_certs=str(config.ca_file) if config.ca_file else None,
                certfile=str(config.cert_file) if config.cert_file else None,
                keyfile=str(config.key_file) if config.key_file else None,
            )
        except (OSError, ValueError) as error:
            raise ConfigError(f"uplink: ca_file, cert_file or key_file cannot be used: {error}") from error
    return client
