"""A TCP relay in front of a broker that writes down every MQTT 3.1.1 packet of both directions, as it was on the wire.

The packets are read here and nowhere else: a test of what our clients say must not trust our own reader of it. A packet
is written down before it is passed on, so that an answer always stands behind what it answers.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from types import TracebackType
from typing import Self

_WAIT_S = 60.0
_CHUNK = 65536


class Kind(IntEnum):
    """Control packets (MQTT 3.1.1 section 2.2.1); OPEN and CLOSE are the TCP connection itself."""

    OPEN = 0
    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14
    CLOSE = 15


@dataclass(frozen=True, slots=True)
class Connect:
    """CONNECT, section 3.1."""

    level: int
    clean: bool
    keepalive_s: int
    client_id: str
    will_topic: str = ""
    will_payload: bytes = b""
    will_qos: int = 0
    will_retain: bool = False


@dataclass(frozen=True, slots=True)
class Publish:
    """PUBLISH, section 3.3."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    dup: bool


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet.

    Attributes:
        connection: 1 for the relay's first connection.
        sent: By the client; False: by the broker.
        kind: What it is.
        flags: The four bits beside the type.
        body: What follows the length.
        at_ms: When the relay had it, UTC milliseconds.
    """

    connection: int
    sent: bool
    kind: Kind
    flags: int
    body: bytes
    at_ms: int

    def connect(self) -> Connect:
        """What a CONNECT says."""
        fields = _Fields(self.body)
        assert fields.text() == "MQTT"
        level, flags = fields.number(1), fields.number(1)
        keepalive_s, client_id = fields.number(2), fields.text()
        if not flags & 0x04:
            return Connect(level, bool(flags & 0x02), keepalive_s, client_id)
        topic, payload = fields.text(), fields.data()
        qos, retain = flags >> 3 & 3, bool(flags & 0x20)
        return Connect(level, bool(flags & 0x02), keepalive_s, client_id, topic, payload, qos, retain)

    def publish(self) -> Publish:
        """What a PUBLISH says."""
        fields, qos = _Fields(self.body), self.flags >> 1 & 3
        topic = fields.text()
        if qos:
            fields.number(2)
        return Publish(topic, fields.rest(), qos, bool(self.flags & 1), bool(self.flags & 8))

    def filters(self) -> list[tuple[str, int]]:
        """Topic filters and QoS of a SUBSCRIBE."""
        fields = _Fields(self.body)
        fields.number(2)
        found = []
        while fields.left:
            found.append((fields.text(), fields.number(1)))
        return found


class _Fields:
    """Reads the fields of a packet, one after the other."""

    def __init__(self, body: bytes) -> None:
        self.left = body

    def number(self, size: int) -> int:
        return int.from_bytes(self._take(size), "big")

    def data(self) -> bytes:
        return self._take(self.number(2))

    def text(self) -> str:
        return self.data().decode()

    def rest(self) -> bytes:
        return self._take(len(self.left))

    def _take(self, size: int) -> bytes:
        assert len(self.left) >= size, "the packet is cut short"
        taken, self.left = self.left[:size], self.left[size:]
        return taken


class Cutter:
    """Cuts one direction's bytes into packets."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, chunk: bytes) -> Iterator[tuple[Kind, int, bytes]]:
        """Kind, flags and body of every packet that is whole now."""
        self._held += chunk
        while len(self._held) >= 2:
            length, at = 0, 1
            while at < len(self._held):
                length |= (self._held[at] & 0x7F) << 7 * (at - 1)
                at += 1
                if not self._held[at - 1] & 0x80:
                    break
            else:
                return
            if len(self._held) < at + length:
                return
            first, body = self._held[0], self._held[at : at + length]
            self._held = self._held[at + length :]
            yield Kind(first >> 4), first & 15, body


class WireRelay:
    """Between clients and the broker at (host, port); it runs in a thread of its own."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = "127.0.0.1", 0
        self._upstream = (host, port)
        self._packets: list[Packet] = []
        self._connections = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed: set[int] = set()

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wire-relay")
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(_WAIT_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result(_WAIT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def packets(self) -> list[Packet]:
        """Everything so far, in the order in which the relay had it."""
        return list(self._packets)

    def published(self, kind: str, connection: int = 0) -> int:
        """How many messages with this word in their topic clients have sent, on one connection or on all."""
        return sum(
            kind in packet.publish().topic.split("/")
            for packet in self.packets
            if packet.sent and packet.kind is Kind.PUBLISH and connection in (0, packet.connection)
        )

    def connection(self) -> int:
        """The number of the newest connection."""
        return self._connections

    def cut(self) -> None:
        """Ends every connection, without a word."""
        self._loop.call_soon_threadsafe(self._abort)

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._accept, self.host, 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def _shut(self) -> None:
        self._server.close()
        self._abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _abort(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with suppress(asyncio.CancelledError, OSError):
            await self._relay(reader, writer)
        self._tasks.discard(task)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        number = self._connections
        far_reader, far_writer = await asyncio.open_connection(*self._upstream)
        self._writers |= {writer, far_writer}
        self._note(number, True, Kind.OPEN, 0, b"")
        try:
            await asyncio.gather(self._pump(reader, far_writer, number, True), self._pump(far_reader, writer, number))
        finally:
            self._close(number)
            for each in (writer, far_writer):
                self._writers.discard(each)
                each.transport.abort()

    async def _pump(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, number: int, sent: bool = False
    ) -> None:
        cutter = Cutter()
        try:
            while chunk := await source.read(_CHUNK):
                for kind, flags, body in cutter.feed(chunk):
                    self._note(number, sent, kind, flags, body)
                target.write(chunk)
                await target.drain()
            if sent:
                self._close(number)
            target.write_eof()
        except OSError:  # a process that is killed with bytes unread resets its connection: the other side must know
            target.transport.abort()

    def _close(self, number: int) -> None:
        """The client has ended the connection, or the broker has: what comes after that is heard by nobody."""
        if number not in self._closed:
            self._note(number, True, Kind.CLOSE, 0, b"")
            self._closed.add(number)

    def _note(self, number: int, sent: bool, kind: Kind, flags: int, body: bytes) -> None:
        if number not in self._closed:
            self._packets.append(Packet(number, sent, kind, flags, body, time.time_ns() // 1_000_000))
