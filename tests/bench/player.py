"""Plays a recording over one MQTT connection, as a process of its own: births, then DATA as fast as commits allow.

`python -m tests.bench.player URL LOAD` prints `born` when ingest has committed a few messages of each device, waits for
a line on stdin, plays, and prints what happened as JSON.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from dataclasses import asdict
from urllib.parse import urlsplit

from frostline_core import mqtt_wire
from frostline_core.commit import unpack_commits
from frostline_core.mqtt_wire import Kind, Login, Packet, Parser, Received
from frostline_core.sparkplug import StatePayload, parse
from tests.bench.recording import GROUP, Load, Message, Recording

_HOST = "spBv1.0/STATE/frostline"
_PREPARE_MS = 200
_CHUNK = 64 * 1024


class Player:
    """A connection that speaks for every node of a recording.

    Args:
        url: mqtt://host:port.
        load: What to play; with `interval_ms` paced by the clock, else as fast as windows open.
    """

    def __init__(self, url: str, load: Load) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname or "", parts.port or 1883))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        self._load, self._parser, self._unsent = load, Parser(), bytearray()
        self._online = False
        self._committed = [0] * load.nodes
        self._due: list[list[float]] = [[] for _ in range(load.nodes)]
        self._waits_ms: list[float] = []
        self._waited_ms: list[float] = []
        self._sent_late_ms: list[float] = []
        self._start = 0.0
        self._recording = Recording(load, time.time_ns() // 1_000_000)
        self._unsent += mqtt_wire.connect(Login("bench-player", 60))
        self._unsent += mqtt_wire.subscribe(1, [(_HOST, 1), (f"spBv1.0/{GROUP}/NCMD/+", 0)])

    def bear(self) -> None:
        """Waits for the host, and publishes all births."""
        ready_s = 3 * self._load.patience_s
        self._until(lambda: self._online, ready_s)
        for birth in self._recording.births:
            self._unsent += mqtt_wire.publish(birth.topic.encode(), birth.payload)
        self._until(lambda: not self._unsent, ready_s)
        self._recording.start_ms = time.time_ns() // 1_000_000 - 120_000
        self._send([self._packet(message) for message in self._recording.messages(0, self._recording.warm_up)], False)
        self._until(lambda: sum(self._committed) == self._recording.warm_up, ready_s)
        self._waits_ms.clear()
        self._waited_ms.clear()

    def play(self) -> dict[str, object]:
        """Plays everything, and waits for the last commit."""
        load = self._load
        span_ms = load.messages * load.interval_ms
        budget_ms = _PREPARE_MS + load.messages * (12 + 0.4 * load.per_message) / 400
        self._recording.start_ms = time.time_ns() // 1_000_000 + int(budget_ms if load.interval_ms else -100_000)
        first = self._recording.warm_up
        packets = [self._packet(message) for message in self._recording.messages(first, first + load.messages)]
        wanted = first + load.messages
        late_ms = 0.0
        if load.interval_ms:
            ahead_s = self._recording.start_ms / 1000 - time.time()
            late_ms = max(0.0, -ahead_s * 1000)
            time.sleep(max(0.0, ahead_s))
        self._start, used_s = time.perf_counter(), time.process_time()
        self._send(packets, load.interval_ms > 0)
        self._until(lambda: sum(self._committed) >= wanted, load.patience_s + span_ms / 1000)
        return {
            "load": asdict(load),
            "seconds": time.perf_counter() - self._start,
            "player_cpu_s": time.process_time() - used_s,
            "points": load.messages * load.per_message,
            "committed": sum(self._committed) - first,
            "start_ms": self._recording.start_ms,
            "late_ms": late_ms,
            "commit_waits_ms": self._waits_ms,
            "sent_late_ms": self._sent_late_ms,
            "commit_due_ms": self._waited_ms,
        }

    def _packet(self, message: Message) -> tuple[int, int, float, bytes]:
        self._due[message.node].append(message.at_ms)
        return message.node, message.n, message.at_ms, mqtt_wire.publish(message.topic.encode(), message.payload)

    def _send(self, packets: list[tuple[int, int, float, bytes]], paced: bool) -> None:
        committed = self._committed
        stuck = time.perf_counter() + self._load.patience_s
        for node, n, at_ms, packet in packets:
            while n - committed[node] > self._load.window:
                before = committed[node]
                self._turn(0.001)
                if committed[node] > before:
                    stuck = time.perf_counter() + self._load.patience_s
                elif time.perf_counter() > stuck:
                    raise SystemExit(f"node {node} is stuck at {before}, wants to send {n}")
            while paced and (early_s := self._start + at_ms / 1000 - time.perf_counter()) > 0:
                self._turn(min(early_s, 0.001))
            if paced:
                late_ms = (time.perf_counter() - self._start) * 1000 - at_ms
                self._sent_late_ms.append(late_ms)
            self._unsent += packet
            if len(self._unsent) > _CHUNK:
                self._turn(0.0)

    def _until(self, done: object, wait_s: float) -> None:
        until = time.perf_counter() + wait_s
        while not done():  # type: ignore[operator]
            if time.perf_counter() > until:
                raise SystemExit(f"not done after {wait_s} s: committed {sum(self._committed)}")
            self._turn(0.01)

    def _turn(self, wait_s: float) -> None:
        """Sends what the socket takes, reads what there is."""
        writers = [self._socket] if self._unsent else []
        readable, writable, _ = select.select([self._socket], writers, [], wait_s)
        if writable:
            del self._unsent[: self._socket.send(self._unsent)]
        if readable:
            data = self._socket.recv(_CHUNK)
            if not data:
                raise SystemExit("the broker closed the connection")
            for packet in self._parser.feed(data):
                self._follow(packet)

    def _follow(self, packet: Received | Packet) -> None:
        if isinstance(packet, Packet):
            if packet.kind == Kind.CONNACK and packet.body[1]:
                raise SystemExit("the broker refused the connection")
            return
        if packet.qos:
            self._unsent += mqtt_wire.puback(packet.packet_id)
        if packet.topic == _HOST:
            self._online = StatePayload.decode(packet.payload).online
            return
        node = int(packet.topic.rpartition("-")[2])
        alias = self._recording.commit_aliases[node]
        for metric in parse(packet.payload).metrics:
            if metric.alias == alias:
                for commit in unpack_commits(metric.bytes_value):
                    if commit.run == self._recording.run_of(node):
                        self._commit(node, commit.n)

    def _commit(self, node: int, n: int) -> None:
        if self._load.interval_ms:
            now_ms = (time.perf_counter() - self._start) * 1000
            due = self._due[node][self._committed[node] : n]
            self._waits_ms += [now_ms - at_ms for at_ms in due]
            self._waited_ms += due
        self._committed[node] = max(self._committed[node], n)


def main() -> None:
    """The process."""
    player = Player(sys.argv[1], Load(**json.loads(sys.argv[2])))
    player.bear()
    _say("born")
    sys.stdin.readline()
    _say(json.dumps(player.play()))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
