"""Plays JSON messages over one MQTT connection, as a process of its own, for peers that read JSON.

`python -m tests.bench.peers.json_load BROKER_URL STORE_URL LOAD` prints `born` when it is connected and its messages
are prebuilt, waits for a line on stdin, plays, and prints what it has sent as JSON. A message has the values that
`tests.bench.recording` has: `bench/NODE/DEVICE`, `{"t": UTC ms, "value_000": 22.5, ...}`.
"""

from __future__ import annotations

import http.client
import json
import math
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from frostline_core import mqtt_wire
from frostline_core.mqtt_wire import Kind, Login, Packet, Parser

_TIMEOUT_S = 30.0
_STUCK_S = 60.0
_LOOK_S, _PACE_S = 0.02, 0.002
_CHUNK = 256


@dataclass(frozen=True, slots=True)
class JsonLoad:
    """What is played.

    Attributes:
        nodes: How many nodes.
        devices: Devices of each.
        metrics: Metrics of each device.
        per_message: Metrics in one message.
        messages: How many.
        qos: Of PUBLISH.
        per_s: Messages a second; 0 is as fast as the store has them, `ahead` at most under way.
        ahead: Messages sent and not in the store, at most, where `per_s` is 0.
        first: Number of the first message: a second play with the same numbers would overwrite rows.
    """

    nodes: int
    devices: int
    metrics: int
    per_message: int
    messages: int
    qos: int = 0
    per_s: float = 0.0
    ahead: int = 3_200
    first: int = 0

    @property
    def series(self) -> int:
        """How many series."""
        return self.nodes * self.devices * self.metrics


def messages(load: JsonLoad, start_ms: int) -> Iterator[tuple[str, str]]:
    """Topics and payloads; nodes take turns, and each node's devices; a device's stamps differ and rise."""
    values = [20.0 + 3 * math.sin(i) for i in range(997)]
    for k in range(load.first, load.first + load.messages):
        node, n = k % load.nodes, k // load.nodes
        device, first = n % load.devices, n // load.devices * load.per_message % load.metrics
        names = range(first, min(first + load.per_message, load.metrics))
        fields = {f"value_{name:03d}": round(values[(k * 31 + i) % 997], 2) for i, name in enumerate(names)}
        payload = json.dumps({"t": start_ms + n, **fields}, separators=(",", ":"))
        yield f"bench/load-{node:04d}/device-{device:03d}", payload


class Store:
    """How many rows an InfluxDB 1.x has accepted, by its own counter."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT_S)

    def rows(self) -> int:
        """Lines written without error since it was started."""
        self._connection.request("GET", "/debug/vars")
        told = json.loads(self._connection.getresponse().read())
        listener = next(each for name, each in told.items() if name.startswith("httpd"))
        return int(listener["values"]["pointsWrittenOK"])


class Sender:
    """An MQTT connection that publishes, and waits for each PUBACK at QoS 1 before the connection is closed."""

    def __init__(self, url: str, name: str) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname or "", parts.port or 1883), _TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._parser, self._acknowledged = Parser(), 0
        self._socket.sendall(mqtt_wire.connect(Login(name, 0)))
        self._read()

    def send(self, packets: list[bytes]) -> None:
        """Hands packets to the broker."""
        self._socket.sendall(b"".join(packets))

    def acknowledged(self, wanted: int) -> int:
        """Waits until so many messages are acknowledged; returns how many are when that does not come."""
        while self._acknowledged < wanted:
            try:
                self._read()
            except TimeoutError:
                break
        return self._acknowledged

    def _read(self) -> None:
        data = self._socket.recv(65_536)
        if not data:
            raise SystemExit("the broker closed the connection")
        for packet in self._parser.feed(data):
            if isinstance(packet, Packet) and packet.kind == Kind.CONNACK and packet.body[1]:
                raise SystemExit("the broker refused the connection")
            self._acknowledged += isinstance(packet, Packet) and packet.kind == Kind.PUBACK


def play(load: JsonLoad, sender: Sender, store: Store, packets: list[bytes]) -> dict[str, object]:
    """Plays everything; without a set rate until the store has it, or nothing has come for a minute."""
    before, began, used_s = store.rows(), time.perf_counter(), time.process_time()
    if load.per_s:
        _paced(load, sender, packets)
    else:
        _as_stored(load, sender, packets, lambda: store.rows() - before)
    return {
        "messages": load.messages,
        "acknowledged": sender.acknowledged(load.messages) if load.qos else None,
        "rows": store.rows() - before,
        "seconds": time.perf_counter() - began,
        "player_cpu_s": time.process_time() - used_s,
    }


def _as_stored(load: JsonLoad, sender: Sender, packets: list[bytes], rows: Callable[[], int]) -> None:
    sent = stored = 0
    moved = time.perf_counter()
    while stored < load.messages and time.perf_counter() - moved < _STUCK_S:
        last = min(stored + load.ahead, load.messages)
        for at in range(sent, last, _CHUNK):
            sender.send(packets[at : min(at + _CHUNK, last)])
        sent = last
        time.sleep(_LOOK_S)
        found = rows()
        moved, stored = time.perf_counter() if found > stored else moved, found


def _paced(load: JsonLoad, sender: Sender, packets: list[bytes]) -> None:
    sent, began = 0, time.perf_counter()
    while sent < load.messages:
        due = min(int((time.perf_counter() - began) * load.per_s) + 1, load.messages)
        sender.send(packets[sent:due])
        sent = due
        time.sleep(_PACE_S)


def main() -> None:
    """The process."""
    load = JsonLoad(**json.loads(sys.argv[3]))
    sender, store = Sender(sys.argv[1], f"bench-json-{load.first}"), Store(sys.argv[2])
    start_ms = time.time_ns() // 1_000_000 - load.first // load.nodes - load.messages // load.nodes - 120_000
    packets = [
        mqtt_wire.publish(topic.encode(), payload.encode(), qos=load.qos, packet_id=number % 65_535 + 1)
        for number, (topic, payload) in enumerate(messages(load, start_ms))
    ]
    _say("born")
    sys.stdin.readline()
    _say(json.dumps(play(load, sender, store, packets)))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
