"""Runs the load: one connection a node, one event loop, messages paced over all nodes."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit

from frostline_core import mqtt_wire
from frostline_core.errors import ConfigError, FrostlineError, ProtocolError, UnavailableError
from frostline_core.mqtt_wire import Kind, Login, Packet, Parser, Received, Will
from frostline_core.sparkplug import Outgoing
from frostline_sim.load.node import LoadNode, Shape

_PACE_S = 0.005
_RECONNECT_S = 1.0
_DRAIN_S = 15.0
_KEEPALIVE_S = 60
_MOST_UNSENT = 1024 * 1024
"""Bytes that may wait in one connection; while more do, its node sends nothing."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the load goes.

    Attributes:
        url: mqtt://host:port.
        username: "" sends none.
        password: The secret itself, not a reference.
    """

    url: str
    username: str = ""
    password: str = field(default="", repr=False)

    def address(self) -> tuple[str, int]:
        """Host and port.

        Raises:
            ConfigError: The URL is not mqtt://host:port.
        """
        parts = urlsplit(self.url)
        if parts.scheme != "mqtt" or not parts.hostname:
            raise ConfigError(f"--url must be mqtt://host:port, not {self.url!r}")
        return parts.hostname, parts.port or 1883


class Connection(asyncio.Protocol):
    """One node's MQTT connection: connects, subscribes, births; then carries what the node has to say."""

    def __init__(self, node: LoadNode, login: Login) -> None:
        self.node = node
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._login = login
        self._parser = Parser()
        self._session = node.begin()
        self._transport: asyncio.Transport | None = None

    @property
    def unsent(self) -> int:
        """Bytes that wait in this connection."""
        return self._transport.get_write_buffer_size() if self._transport else 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Sends CONNECT with the session's will."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what create_connection gives
        self._transport = transport
        will = self._session.will()
        transport.write(mqtt_wire.connect(self._login, Will(will.topic, will.payload, will.qos, will.retain)))

    def data_received(self, data: bytes) -> None:
        """Follows what the broker says; a broker that speaks wrongly is left."""
        try:
            for packet in self._parser.feed(data):
                self._follow(packet)
        except ProtocolError as error:
            self._leave(str(error))

    def connection_lost(self, exc: Exception | None) -> None:
        """The session is over."""
        self.node.session.born = False
        self._leave(str(exc or "closed by the broker"))

    def send(self, messages: Iterable[tuple[bytes, bytes]]) -> None:
        """Publishes at QoS 0."""
        if self._transport is not None:
            self._transport.writelines([mqtt_wire.publish(topic, payload) for topic, payload in messages])

    def ping(self) -> None:
        """Keeps the connection alive."""
        if self._transport is not None:
            self._transport.write(mqtt_wire.PINGREQ)

    def goodbye(self) -> None:
        """Publishes NDEATH and disconnects, as an edge node that stops on purpose does."""
        if self._transport is not None and not self.closed.done():
            if self.node.born:
                self._publish([self.node.session.death(_utc_ms())])
            self._transport.write(mqtt_wire.DISCONNECT)
            self._transport.close()

    def _follow(self, packet: Packet | Received) -> None:
        if isinstance(packet, Received):
            if packet.qos == 1 and self._transport is not None:
                self._transport.write(mqtt_wire.puback(packet.packet_id))
            self._publish(self.node.receive(packet.topic, packet.payload, _now_ms(), _utc_ms()))
        elif packet.kind == Kind.CONNACK:
            if packet.body[1:2] != b"\0":
                raise ProtocolError(f"mqtt: the broker refused the connection (code {packet.body[1:2].hex()})")
            assert self._transport is not None  # noqa: S101 - data came from it
            self._transport.write(mqtt_wire.subscribe(1, self._session.subscriptions()))
        elif packet.kind == Kind.SUBACK:
            self._publish(self.node.births(_now_ms(), _utc_ms()))

    def _publish(self, messages: Sequence[Outgoing]) -> None:
        self.send((each.topic.encode(), each.payload) for each in messages)

    def _leave(self, reason: str) -> None:
        if not self.closed.done():
            self.closed.set_result(reason)
        if self._transport is not None:
            self._transport.close()


class Load:
    """All nodes with their connections."""

    def __init__(self, shape: Shape, target: Target, seed: int = 1) -> None:
        """Builds the nodes.

        Raises:
            ConfigError: The target's URL, or a name in the shape, cannot be used.
        """
        self.shape = shape
        self._address = target.address()
        self._target = target
        chance = random.Random() if shape.proved else random.Random(seed)  # noqa: S311 - run ids must differ each time
        self.nodes = [LoadNode(shape, i, chance.random, _utc_ms()) for i in range(shape.nodes)]
        self._connections: dict[str, Connection] = {}
        self.reconnects = 0
        self.last_error = ""
        self.lag_s = 0.0

    async def run(self, duration_s: float, born_within_s: float = 10.0) -> dict[str, Any]:
        """Makes load for so many seconds, waits for the last commits, and reports.

        Raises:
            UnavailableError: Not every node was connected and born in time.
        """
        try:
            return await self._run(duration_s, born_within_s)
        except* FrostlineError as failed:
            raise failed.exceptions[0] from None

    async def _run(self, duration_s: float, born_within_s: float) -> dict[str, Any]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._keep(node), name=node.name) for node in self.nodes]
            try:
                await self._all_born(born_within_s)
                cpu_s, start_s = time.process_time(), time.monotonic()
                await self._pace(start_s, duration_s)
                took_s = time.monotonic() - start_s
                drained_s = await self._drain()
                return self._report(took_s, drained_s, time.process_time() - cpu_s)
            finally:
                for connection in self._connections.values():
                    connection.goodbye()
                await asyncio.sleep(0)
                for task in tasks:
                    task.cancel()

    async def _keep(self, node: LoadNode) -> None:
        """Keeps a node connected: each connection is a new session."""
        host, port = self._address
        login = Login(f"{self.shape.group}-{node.name}", _KEEPALIVE_S, self._target.username, self._target.password)
        loop = asyncio.get_running_loop()
        while True:
            try:
                _, connection = await loop.create_connection(lambda: Connection(node, login), host, port)
                self._connections[node.name] = connection
                self.last_error = await self._alive(connection)
            except OSError as error:
                self.last_error = str(error)
            self.reconnects += 1
            await asyncio.sleep(_RECONNECT_S)

    async def _alive(self, connection: Connection) -> str:
        """Pings until the connection is closed; returns why it was."""
        while True:
            done, _ = await asyncio.wait([connection.closed], timeout=_KEEPALIVE_S / 2)
            if done:
                return connection.closed.result()
            connection.ping()

    async def _all_born(self, within_s: float) -> None:
        deadline_s = time.monotonic() + within_s
        while not all(node.born for node in self.nodes):
            if time.monotonic() > deadline_s:
                born = sum(node.born for node in self.nodes)
                host = f" (waiting for host '{self.shape.host_id}')" if self.shape.host_id else ""
                why = self.last_error or f"no birth{host}"
                raise UnavailableError(f"only {born} of {len(self.nodes)} nodes are born after {within_s} s: {why}")
            await asyncio.sleep(_PACE_S)

    async def _pace(self, start_s: float, duration_s: float) -> None:
        """Makes every message when it is due, one node after another."""
        made, whole = 0, int(self.shape.rate * duration_s)
        while made < whole:
            elapsed_s = time.monotonic() - start_s
            due = min(whole, int(elapsed_s * self.shape.rate) + 1)
            self.lag_s = max(self.lag_s, elapsed_s - made / self.shape.rate)
            for number in range(made, due):
                self._measure(self.nodes[number % len(self.nodes)])
            made = due
            self._flush()
            await asyncio.sleep(_PACE_S)

    def _measure(self, node: LoadNode) -> None:
        connection = self._connections.get(node.name)
        if connection is not None and connection.unsent > _MOST_UNSENT:
            node.counts.refused += 1
            return
        message = node.measure(_utc_ms())
        if message is not None and connection is not None:
            connection.send([message])

    def _flush(self) -> None:
        """Sends what the commit protocol of each node lets go."""
        if not self.shape.proved:
            return
        for node in self.nodes:
            connection = self._connections.get(node.name)
            if connection is not None and connection.unsent <= _MOST_UNSENT:
                connection.send(node.outgoing(_now_ms(), _utc_ms()))

    async def _drain(self) -> float:
        """Waits until everything is committed, at most 15 s; without the commit protocol until it is written."""
        start_s = time.monotonic()
        while self._left() and time.monotonic() - start_s < _DRAIN_S:
            self._flush()
            await asyncio.sleep(_PACE_S)
        return time.monotonic() - start_s

    def _left(self) -> int:
        if self.shape.proved:
            return sum(node.rows.held for node in self.nodes)
        return sum(connection.unsent for connection in self._connections.values())

    def _report(self, took_s: float, drained_s: float, cpu_s: float) -> dict[str, Any]:
        total = {
            name: sum(getattr(node.counts, name) for node in self.nodes)
            for name in ("measured", "sent", "births", "refused")
        }
        return {
            "shape": asdict(self.shape),
            "seconds": round(took_s, 3),
            "drain_s": round(drained_s, 3),
            "cpu_s": round(cpu_s, 3),
            "most_lag_s": round(self.lag_s, 4),
            "messages": total,
            "metrics_measured": total["measured"] * self.shape.metrics,
            "reconnects": self.reconnects,
            "last_error": self.last_error,
            "committed": sum(node.rows.committed for node in self.nodes) if self.shape.proved else None,
            "not_committed": sum(node.rows.held for node in self.nodes) if self.shape.proved else None,
        }


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def _utc_ms() -> int:
    return time.time_ns() // 1_000_000
