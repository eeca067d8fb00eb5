"""Thousands of edge nodes over one MQTT connection: births, numbered batches that come again until they are committed.

A real gateway has a connection of its own, because a connection has one will. What a host sees of a node is its
messages, and those are the same; only a death by the broker's hand is missing here.
"""

from __future__ import annotations

import select
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from frostline_core import mqtt_wire
from frostline_core.commit import BATCH, COMMIT, RUNS, BatchMark, Runs, pack_batch, pack_runs, unpack_commits
from frostline_core.mqtt_wire import Login, Packet, Parser, Received
from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Stream
from frostline_core.sparkplug import (
    BirthMetric,
    CommitCame,
    DeviceBirth,
    EdgeSession,
    Metric,
    Outgoing,
    RebirthAsked,
    StatePayload,
    parse,
)

SITE = "fleet"
DEVICE = "device-1"
_STATE = "spBv1.0/STATE/frostline"
_RESEND_S = 3.0
_WINDOW = 8
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Manner:
    """How the nodes behave.

    Attributes:
        nodes: How many; each has one device.
        metrics: Of each device; all of them in each message.
        proved: Whether they speak the commit protocol; a node that does not sends once.
        heeds_state: Whether a session ends when the host goes offline, as a gateway's does; then births follow when it
            is online again.
        spread_s: Those births are spread over so long.
    """

    nodes: int
    metrics: int = 20
    proved: bool = True
    heeds_state: bool = False
    spread_s: float = 0.0


@dataclass(slots=True)
class Heard:
    """What the host said.

    Attributes:
        states: Each STATE and when it came, by the monotonic clock.
        rebirths: When the host asked for a rebirth, by its own clock in seconds: we may come to read it later.
        births: NBIRTHs that were sent.
    """

    states: list[tuple[float, bool]] = field(default_factory=list)
    rebirths: list[float] = field(default_factory=list)
    births: int = 0

    @property
    def online(self) -> bool:
        """What the host said last."""
        return bool(self.states) and self.states[-1][1]


class _Node:
    """One node; `rows` are what the host has not committed, by number."""

    def __init__(self, number: int, manner: Manner) -> None:
        self.name = f"gw-{number:04d}"
        self.run = (number + 1) << 48 | 7
        self.rows: dict[int, int] = {}
        self.last = self.committed = 0
        self.moved_s = 0.0
        self.due_s: float | None = None  # births wait until then
        self._manner, self._bd_seq = manner, 0
        self.session = self._begin()

    def births(self, now_ms: int) -> list[Outgoing]:
        manner = self._manner
        if self.session.born and manner.heeds_state:
            self._bd_seq = (self._bd_seq + 1) % 256
            self.session = self._begin()
        extra: list[BirthMetric] = []
        if manner.proved:
            held = {self.run: self.last} if self.last else {}
            runs = pack_runs(Runs(self.run >> 48, held, False))
            extra = [BirthMetric(RUNS, DataType.BYTES, runs, now_ms), BirthMetric(COMMIT, DataType.BYTES)]
        names = [f"value_{number:02d}" for number in range(manner.metrics)]
        described = tuple(MetricDescription(name, DataType.DOUBLE, "Cel", -50.0, 60.0) for name in names)
        device = DeviceDescription(DEVICE, "cold_room", self.name, described, {"floor": "1"})
        return self.session.birth(now_ms, extra, [DeviceBirth(device)])

    def message(self, n: int, now_ms: int) -> Outgoing:
        at_ms = self.rows[n]
        metrics = [Metric(f"value_{i:02d}", None, at_ms, None, n + i / 100) for i in range(self._manner.metrics)]
        if self._manner.proved:
            mark = BatchMark(self.run, Stream.SAMPLES, n, n, self.committed + 1)
            metrics.append(Metric(BATCH, None, at_ms, None, pack_batch(mark), is_transient=True))
        return self.session.data(now_ms, DEVICE, metrics)

    def _begin(self) -> EdgeSession:
        return EdgeSession(SITE, self.name, self._bd_seq, "", proved=self._manner.proved)


class Fleet:
    """The nodes and their connection; `turn` lets them work.

    Args:
        url: mqtt://host:port of the broker.
        manner: How they behave.
        chance: Evenly spread over [0, 1).
    """

    def __init__(self, url: str, manner: Manner, chance: Callable[[], float]) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname or "", parts.port or 1883))
        self._socket.setblocking(False)
        self._parser, self._unsent = Parser(), bytearray()
        self.manner, self._chance = manner, chance
        self.heard = Heard()
        self._nodes = [_Node(number, manner) for number in range(manner.nodes)]
        self._by_name = {node.name: node for node in self._nodes}
        self._waiting: deque[_Node] = deque()
        self._unsent += mqtt_wire.connect(Login(f"fleet-{id(self)}", 600))
        self._unsent += mqtt_wire.subscribe(1, [(_STATE, 1), (f"spBv1.0/{SITE}/NCMD/+", 0)])

    def close(self) -> None:
        """Drops the connection."""
        self._socket.close()

    @property
    def measured(self) -> int:
        """Messages that were due."""
        return sum(node.last for node in self._nodes)

    @property
    def committed(self) -> int:
        """Messages that the host has said are committed."""
        return sum(node.committed for node in self._nodes)

    @property
    def behind(self) -> int:
        """Nodes that the host has not committed everything of."""
        return sum(node.committed < node.last for node in self._nodes)

    def bear(self) -> None:
        """Every node gives birth, or will within the spread."""
        now_s = time.monotonic()
        for node in self._nodes:
            node.due_s = now_s + self._chance() * self.manner.spread_s

    def measure(self) -> None:
        """Every node has one message more, unless too many wait."""
        now_ms = time.time_ns() // 1_000_000
        for node in self._nodes:
            if len(node.rows) >= 10 * _WINDOW:
                continue
            node.last += 1
            node.rows[node.last] = now_ms
            if self._may_send(node) and node.last <= node.committed + _WINDOW:
                self._send(node, node.last)
            if not self.manner.proved:
                node.rows.clear()

    def turn(self, wait_s: float = 0.01) -> None:
        """Births and repeats that are due go out, and what came is read."""
        now_s = time.monotonic()
        for node in self._nodes:
            if node.due_s is not None and node.due_s <= now_s:
                node.due_s = None
                self._birth(node)
            elif node.rows and now_s - node.moved_s > _RESEND_S and self._may_send(node):
                self._again(node)
        self._pump(wait_s)

    def until(self, done: Callable[[], bool], timeout_s: float, every_s: float = 0.0) -> float:
        """Works until `done`; with `every_s` the nodes measure that often meanwhile. Returns the seconds it took.

        Raises:
            AssertionError: It took too long.
        """
        began = measured = time.monotonic()
        while not done():
            now = time.monotonic()
            assert now - began < timeout_s, f"not after {timeout_s} s: {self.behind} nodes behind, {self.heard.states}"
            if every_s and now - measured >= every_s:
                measured = now
                self.measure()
            self.turn()
        return time.monotonic() - began

    def _may_send(self, node: _Node) -> bool:
        stopped = self.manner.heeds_state and not self.heard.online
        return node.session.born and node.due_s is None and not stopped

    def _birth(self, node: _Node) -> None:
        for message in node.births(time.time_ns() // 1_000_000):
            self._publish(message)
        self.heard.births += 1
        self._again(node)

    def _again(self, node: _Node) -> None:
        node.moved_s = time.monotonic()
        for n in list(node.rows)[:_WINDOW]:
            self._send(node, n)

    def _send(self, node: _Node, n: int) -> None:
        if n in node.rows:  # else it was committed while others were sent
            self._publish(node.message(n, time.time_ns() // 1_000_000))

    def _publish(self, message: Outgoing) -> None:
        self._unsent += mqtt_wire.publish(message.topic.encode(), message.payload)
        if len(self._unsent) > _CHUNK:
            self._pump(0.0)

    def _pump(self, wait_s: float) -> None:
        while True:
            writers = [self._socket] if self._unsent else []
            readable, writable, _ = select.select([self._socket], writers, [], wait_s)
            if writable:
                del self._unsent[: self._socket.send(self._unsent)]
            if readable:
                data = self._socket.recv(_CHUNK)
                assert data, "the broker closed the connection"
                for packet in self._parser.feed(data):
                    self._follow(packet)
            if not readable and len(self._unsent) <= _CHUNK:
                return

    def _follow(self, packet: Received | Packet) -> None:
        if isinstance(packet, Packet):
            return
        if packet.qos:
            self._unsent += mqtt_wire.puback(packet.packet_id)
        if packet.topic == _STATE:
            self._state(StatePayload.decode(packet.payload).online)
            return
        node = self._by_name[packet.topic.rpartition("/")[2]]
        for command in node.session.receive(packet.topic, packet.payload, time.time_ns() // 1_000_000):
            if isinstance(command, RebirthAsked):
                self.heard.rebirths.append(parse(packet.payload).timestamp / 1000)
                node.due_s = time.monotonic()
            elif isinstance(command, CommitCame):
                self._commit(node, command.raw)

    def _commit(self, node: _Node, raw: bytes) -> None:
        for commit in unpack_commits(raw):
            if commit.run != node.run or commit.n < node.committed:
                continue
            for n in [n for n in node.rows if n <= commit.n]:
                del node.rows[n]
            moved, node.committed = commit.n > node.committed, commit.n
            node.moved_s = time.monotonic()
            if commit.hole or (moved and node.rows and self._may_send(node) and min(node.rows) + _WINDOW <= node.last):
                self._again(node)

    def _state(self, online: bool) -> None:
        was = self.heard.online
        self.heard.states.append((time.monotonic(), online))
        if self.manner.heeds_state and online and not was:
            self.bear()
