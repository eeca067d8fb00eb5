"""The connection to the broker: paho on its thread, a bounded queue, and one place that waits."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from frostline_core import endpoint
from frostline_core.config import secret
from frostline_core.errors import ConfigError, UnavailableError
from frostline_edge.drivers.mqtt.config import Config
from frostline_edge.drivers.mqtt.devices import Message


class Broker:
    """One MQTT session. At the bound of the queue the newest message is dropped and counted in `dropped`."""

    def __init__(self, config: Config, client: paho.Client) -> None:
        self._config = config
        self._client = client
        self._loop = asyncio.get_running_loop()
        self._messages: deque[Message] = deque()
        self._wake = asyncio.Event()
        self._connected = False
        self._subscribed = 0
        self._failure = ""
        self._leaving = False
        self.dropped = 0
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message

    async def open(self, filters: Sequence[str]) -> None:
        """Connects and subscribes; returns when the broker has granted every subscription.

        Raises:
            UnavailableError: Nobody there, or refused.
        """
        address = endpoint.broker(self._config.url).address
        try:
            await asyncio.to_thread(self._connect, *address)
        except (OSError, ValueError) as error:
            raise UnavailableError(f"no connection to the broker {self._config.url}: {error}") from error
        self._client.loop_start()
        await self._until(lambda: self._connected, "does not accept the connection")
        self._client.subscribe([(each, 1) for each in filters])
        await self._until(lambda: self._subscribed > 0, "does not answer the subscription")

    def _connect(self, host: str, port: int) -> None:
        self._client.connect(host, port, self._config.keepalive_s)
        if self._leaving:  # nobody waits any more, and `close` has found no connection to close
            self._end()

    async def receive(self, wait_s: float) -> list[Message]:
        """The messages that are there; waits up to wait_s for the first.

        Raises:
            UnavailableError: The connection is gone, and every message that came before has been handed out.
        """
        if not self._messages and not self._failure:
            self._wake.clear()
            if not self._messages and not self._failure:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._wake.wait()
        found = [self._messages.popleft() for _ in range(len(self._messages))]
        if not found and self._failure:
            raise UnavailableError(self._failure)
        return found

    async def close(self) -> None:
        """Ends the session; the thread ends with it."""
        self._leaving = True
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        self._client.disconnect()
        with contextlib.suppress(AttributeError):  # paho's thread forgets itself as it ends, maybe under loop_stop
            self._client.loop_stop()
        self._client.reinitialise()  # closes the pair of sockets that paho keeps to wake its thread

    async def _until(self, reached: Callable[[], bool], complaint: str) -> None:
        try:
            async with asyncio.timeout(self._config.timeout_s):
                while not reached() and not self._failure:
                    self._wake.clear()
                    if not reached() and not self._failure:
                        await self._wake.wait()
        except TimeoutError as error:
            raise UnavailableError(f"the broker {self._config.url} {complaint}") from error
        if self._failure:
            raise UnavailableError(self._failure)

    def _rouse(self) -> None:
        # The loop may be closed already when the thread says its last word.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._wake.set)

    def _on_connect(
        self, _client: paho.Client, _user: object, _flags: paho.ConnectFlags, code: ReasonCode, _more: Properties | None
    ) -> None:
        if code.is_failure:
            self._failure = f"the broker {self._config.url} refuses the connection: {code}"
        self._connected = not code.is_failure
        self._rouse()

    def _on_disconnect(
        self,
        _client: paho.Client,
        _user: object,
        _flags: paho.DisconnectFlags,
        code: ReasonCode,
        _more: Properties | None,
    ) -> None:
        self._failure = self._failure or f"connection to the broker {self._config.url} lost: {code}"
        self._rouse()

    def _on_subscribe(
        self, _client: paho.Client, _user: object, _number: int, codes: list[ReasonCode], _more: Properties | None
    ) -> None:
        if any(code.is_failure for code in codes):
            self._failure = f"the broker {self._config.url} refuses a subscription: {', '.join(map(str, codes))}"
        self._subscribed += 1
        self._rouse()

    def _on_message(self, _client: paho.Client, _user: object, found: paho.MQTTMessage) -> None:
        if len(self._messages) >= self._config.max_queue:
            self.dropped += 1
            return
        now_ms = time.time_ns() // 1_000_000
        payload = bytes(found.payload[: self._config.max_payload_bytes + 1])  # of one too long no more is needed
        self._messages.append(Message(found.topic, payload, found.retain, now_ms, time.monotonic()))
        self._rouse()


@contextlib.asynccontextmanager
async def connect(config: Config, filters: Sequence[str]) -> AsyncIterator[Broker]:
    """A session with every subscription granted.

    Raises:
        UnavailableError: Nobody there, or refused.
        ConfigError: The password or the certificate file cannot be read.
    """
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=f"frostline-{config.name}-{secrets.token_hex(4)}",
        reconnect_on_failure=False,
    )
    client.connect_timeout = config.timeout_s
    if config.username:
        password = secret(config.password, f"driver {config.name}: password") if config.password else None
        client.username_pw_set(config.username, password)
    if config.url.startswith("mqtts://"):
        try:
            client.tls_set_context(ssl.create_default_context(cafile=config.ca_file or None))
        except OSError as error:
            raise ConfigError(f"driver {config.name}: ca_file {config.ca_file}: {error}") from error
    broker = Broker(config, client)
    try:
        await broker.open(filters)
        yield broker
    finally:
        await broker.close()
