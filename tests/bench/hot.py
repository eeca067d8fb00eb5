"""The ingest path in one process: CPU per point by stage, which depends little on what else the machine does.

Recorded messages go through the real loop: MQTT parser, session, decode, commit queue, flush with lines and SQL (SQLite
on disk), commits. A stand-in for the broker hands them over as fast as commits allow, 64 of a node in flight as in the
field; lines are encoded and thrown away. Stages are timed with the CPU clock of their thread, once per call for many
messages. What it leaves out: sockets, and the store's HTTP.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from frostline_cloud.ingest.broker import Connected, Disconnected, Incoming, Subscribed
from frostline_cloud.ingest.config import IngestConfig
from frostline_cloud.ingest.flush import Flushed, Flusher
from frostline_cloud.ingest.generation import Generation
from frostline_cloud.ingest.ingest import Ingest
from frostline_cloud.ingest.load import Load as Cargo
from frostline_cloud.ingest.load import Written
from frostline_cloud.ingest.reader import Parts
from frostline_cloud.ingest.registry import Registry
from frostline_cloud.ingest.series import SeriesTable
from frostline_cloud.instant import now
from frostline_cloud.sql import migrate, open_engine
from frostline_cloud.store.line_writer import LineWriter
from frostline_core import mqtt_wire
from frostline_core.commit import HostCommit
from frostline_core.mqtt_wire import Parser
from frostline_core.rules import Evaluator, load_folder
from frostline_core.sparkplug import HostSession
from tests.bench import process
from tests.bench.recording import WINDOW, Load, Recording, rules_text

NODES, RUNS = 50, 5
SHAPES = {1: Load(NODES, 10, 20, 1, 60_000), 20: Load(NODES, 10, 20, 20, 40_000), 200: Load(NODES, 1, 200, 200, 8_000)}
"""By metrics per message, as in `tests.bench.ingest`."""
RULES = 1_000
_CHUNK = 500
_STUCK_S = 60.0


def measure() -> dict[str, Any]:
    """Every shape: CPU microseconds per point by stage, medians of several runs."""
    return {f"{metrics} metrics a message": shape(metrics) for metrics in SHAPES}


def part(options: list[str]) -> dict[str, Any]:
    """`--metrics N`: one shape."""
    return shape(int(options[options.index("--metrics") + 1]))


def shape(metrics: int) -> dict[str, Any]:
    """Medians of several runs through one ingest, and the cheapest: what a busy sibling core disturbs least."""
    with rig(metrics) as running:
        runs = [running.play() for _ in range(RUNS)]
    middle = {name: round(statistics.median(run[name] for run in runs), 3) for name in runs[0]}
    least = round(min(run["us_per_point"] for run in runs), 3)
    return middle | {"least_us_per_point": least, "python_ns": process.python_ns(0)}


class StandIn:
    """What the loop takes for the broker: messages as packets, cut by the real parser; it drops what is published."""

    def __init__(self, cpu_s: dict[str, float]) -> None:
        self._cpu_s = cpu_s
        self._waiting: list[Incoming] = []
        self._woken = threading.Event()
        self._parser = Parser()
        self._next: Sequence[bytes] | None = None
        self._packets: Sequence[bytes] = ()
        self._at = self._room = 0
        self.dropped = 0

    def start(self) -> None:
        """The session begins."""
        self._waiting = [Connected(), Subscribed()]

    def stop(self) -> None:
        """The session ends."""
        self._waiting = [Disconnected("the bench is over")]

    def say(self, packets: Sequence[bytes], room: int) -> None:
        """Goes on with these packets, of which `room` may be on their way at first. All before must be home."""
        self._room = room
        self._next = packets
        self.wake()

    def make_room(self, messages: int) -> None:
        """So many more may be on their way."""
        self._room += messages
        self.wake()

    def wake(self) -> None:
        """Ends a `take` that waits."""
        self._woken.set()

    def take(self, wait_s: float, most: int) -> list[Incoming]:
        """The next messages."""
        if self._next is not None:
            self._packets, self._at, self._next = self._next, 0, None
        end = min(self._at + min(most, _CHUNK), self._room, len(self._packets))
        if not self._waiting and end <= self._at:
            self._woken.wait(wait_s)
        self._woken.clear()
        began_s = time.thread_time()
        found, self._waiting = self._waiting, []
        found += [each for each in self._parser.cut(b"".join(self._packets[self._at : end])) if isinstance(each, tuple)]
        self._at = max(end, self._at)
        self._cpu_s["cut packets"] += time.thread_time() - began_s
        return found

    def subscribe(self, topics: object) -> None:
        """Nothing to be done."""

    def publish(self, topic: str, payload: bytes, qos: int = 0, retain: bool = False) -> bool:
        """Goes nowhere."""
        return True

    def publish_all(self, messages: object) -> bool:
        """Goes nowhere."""
        return True

    def publish_and_wait(self, topic: str, payload: bytes, wait_s: float) -> None:
        """Goes nowhere."""


class Discard(LineWriter):
    """A store that encodes lines and throws them away."""

    def __init__(self) -> None:
        super().__init__(lambda body: None, lambda: None)


class Metered(Flusher):
    """A flusher that says what its two halves cost."""

    cpu_s: dict[str, float]

    def write(self, load: Cargo) -> Written:
        """The half in the writer's thread."""
        began_s = time.thread_time()
        try:
            return super().write(load)
        finally:
            self.cpu_s["rows and lines"] += time.thread_time() - began_s

    def commit(self, load: Cargo, written: Written, now_ms: int) -> Flushed:
        """The half in the ingest thread."""
        began_s = time.thread_time()
        try:
            return super().commit(load, written, now_ms)
        finally:
            self.cpu_s["rules and SQL"] += time.thread_time() - began_s


class Rig:
    """An ingest that is online and knows a recording's births."""

    def __init__(self, load: Load, engine: Engine, folder: Path) -> None:
        self.cpu_s: dict[str, float] = defaultdict(float)
        self.load, self._broker = load, StandIn(self.cpu_s)
        self._ingest = self._wire(engine, folder)
        self._recording = Recording(load, time.time_ns() // 1_000_000 - 3_600_000)
        self._next = 0

    def _wire(self, engine: Engine, folder: Path) -> Ingest:
        rules = load_folder(folder)
        evaluator, store = Evaluator(rules), Discard()
        series, session = SeriesTable(evaluator), HostSession("bench")
        session.will(time.time_ns() // 1_000_000)
        generation = Generation(engine, store)  # type: ignore[arg-type]  # reading is not asked for here
        flusher = Metered(engine, store, evaluator, series, rules, (), generation)  # type: ignore[arg-type]
        flusher.cpu_s = self.cpu_s
        parts = Parts(
            self._broker,  # type: ignore[arg-type]  # stands in for it
            session,
            HostCommit(lambda _: 0),
            Registry(engine, series),
            series,
            flusher,
            evaluator,
            generation,
            lambda: None,
        )
        return Ingest(parts, IngestConfig(), now)

    def start(self) -> None:
        """Births and a few messages of each device."""
        self._ingest.start()
        births = [mqtt_wire.publish(birth.topic.encode(), birth.payload) for birth in self._recording.births]
        self._broker.say(births, len(births))
        self._until(lambda: self._ingest.status.messages >= len(births))
        self._feed(self._recording.warm_up)

    def stop(self) -> None:
        """Ends the loop."""
        self._ingest.stop()

    def play(self) -> dict[str, float]:
        """One run: CPU microseconds per point in all and by stage, and the number of flushes."""
        flushes = self._ingest.status.flushes
        packets = self._prepare(self.load.messages)
        self.cpu_s.clear()
        used_s = time.process_time() - time.thread_time()
        self._send(packets)
        used_s = time.process_time() - time.thread_time() - used_s
        points = self.load.messages * self.load.per_message
        stages = dict(self.cpu_s)
        stages["session, decode, queue, commits"] = used_s - sum(stages.values())
        by_stage = {name: seconds / points * 1e6 for name, seconds in stages.items()}
        return {"us_per_point": used_s / points * 1e6} | by_stage | {"flushes": self._ingest.status.flushes - flushes}

    def _feed(self, messages: int) -> None:
        self._send(self._prepare(messages))

    def _prepare(self, messages: int) -> list[bytes]:
        first, self._next = self._next, self._next + messages
        found = self._recording.messages(first, self._next)
        return [mqtt_wire.publish(each.topic.encode(), each.payload) for each in found]

    def _send(self, packets: Sequence[bytes]) -> None:
        """Plays packets; commits open the window as the gateways' own bound does."""
        before = self._ingest.status.samples
        window = WINDOW * self.load.nodes
        room = window
        self._broker.say(packets, room)

        def done() -> bool:
            nonlocal room
            home = (self._ingest.status.samples - before) // self.load.per_message
            if home + window > room:
                self._broker.make_room(home + window - room)
                room = home + window
            return home >= len(packets)

        self._until(done)

    def _until(self, done: Any) -> None:
        until = time.monotonic() + _STUCK_S
        while not done():
            if self._ingest.failure is not None or time.monotonic() > until:
                raise RuntimeError("ingest stands still") from self._ingest.failure
            time.sleep(0.001)


@contextmanager
def rig(metrics: int, load: Load | None = None, rules: int = RULES) -> Iterator[Rig]:
    """An ingest that waits for `play`, of the usual load where none is given; SQL on a disk."""
    with tempfile.TemporaryDirectory(prefix="frostline-hot-", dir="/var/tmp") as name:
        folder = Path(name)
        (folder / "bench.toml").write_text(rules_text(rules, metrics), encoding="utf-8")
        engine = open_engine(f"sqlite:///{folder}/frostline.db")
        migrate(engine)
        running = Rig(load or SHAPES[metrics], engine, folder)
        running.start()
        try:
            yield running
        finally:
            running.stop()
            engine.dispose()
