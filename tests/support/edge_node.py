"""A Sparkplug edge node for tests: our own edge session over a real connection, with batches numbered by hand."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from frostline_core.commit import (
    BATCH,
    COMMIT,
    GAP,
    RUNS,
    BatchMark,
    Commit,
    Runs,
    pack_batch,
    pack_runs,
    unpack_commits,
)
from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Stream
from frostline_core.sparkplug import (
    BirthMetric,
    Command,
    CommitCame,
    DeviceBirth,
    EdgeSession,
    HostState,
    Metric,
    Outgoing,
    RebirthAsked,
)
from tests.support.services import eventually
from tests.support.sockets import end


def now_ms() -> int:
    """UTC milliseconds."""
    return time.time_ns() // 1_000_000


def room(device: str = "freezer-1", metrics: Sequence[str] = ("air_temperature",)) -> DeviceDescription:
    """A cold room with temperatures."""
    described = tuple(MetricDescription(name, DataType.DOUBLE, "Cel") for name in metrics)
    return DeviceDescription(device, "cold_room", device, described)


class EdgeNode:
    """Connects, gives birth, sends; collects what it is told."""

    def __init__(self, host: str, port: int, node: str, *, proved: bool = True, bd_seq: int = 0) -> None:
        self.session = EdgeSession("site-a", node, bd_seq, "frostline", proved=proved)
        self.spool, self.proved = 0xABCD, proved
        self.commands: list[Command] = []
        self.commits: list[Commit] = []
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"test-{node}", clean_session=True)
        will = self.session.will()
        self._client.will_set(will.topic, will.payload, will.qos, will.retain)
        self._client.on_connect = lambda client, *_: client.subscribe(self.session.subscriptions())
        self._client.on_message = self._received
        self._client.connect(host, port)
        self._client.loop_start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end(self._client)

    def wait_for_host(self) -> None:
        """Until STATE says online."""
        eventually(lambda: self.session.may_birth)

    def birth(self, devices: Sequence[DeviceDescription], held: Mapping[int, int] | None = None) -> None:
        """NBIRTH and DBIRTHs."""
        extra = []
        if self.proved:
            runs = pack_runs(Runs(self.spool, held or {}, False))
            extra = [
                BirthMetric(RUNS, DataType.BYTES, runs, now_ms()),
                BirthMetric(COMMIT, DataType.BYTES),
                BirthMetric(GAP, DataType.STRING),
            ]
        births = [DeviceBirth(each, {}) for each in devices]
        for outgoing in self.session.birth(now_ms(), extra, births):
            self.publish(outgoing)

    def data(self, device: str, values: Mapping[str, float | None], at_ms: int, mark: BatchMark | None = None) -> None:
        """One DATA message; with a mark it is a batch."""
        metrics = [Metric(name, None, at_ms, None, value) for name, value in values.items()]
        if mark is not None:
            metrics.append(Metric(BATCH, None, at_ms, None, pack_batch(mark), is_transient=True))
        self.publish(self.session.data(now_ms(), device, metrics))

    def gap(self, mark: BatchMark, told: str) -> None:
        """A gap row."""
        metrics = [
            Metric(GAP, None, now_ms(), None, told),
            Metric(BATCH, None, now_ms(), None, pack_batch(mark), is_transient=True),
        ]
        self.publish(self.session.data(now_ms(), "", metrics))

    def publish(self, outgoing: Outgoing) -> None:
        """As it is."""
        self._client.publish(outgoing.topic, outgoing.payload, outgoing.qos, outgoing.retain).wait_for_publish(60)

    def committed(self, run: int) -> int:
        """The highest number that the host said is committed of a run."""
        return max((each.n for each in self.commits if each.run == run), default=0)

    @property
    def states(self) -> list[bool]:
        """Every STATE that was heard."""
        return [each.online for each in self.commands if isinstance(each, HostState)]

    @property
    def rebirths(self) -> int:
        """How often a rebirth was asked for."""
        return sum(isinstance(each, RebirthAsked) for each in self.commands)

    def _received(self, _client: mqtt.Client, _user: object, message: mqtt.MQTTMessage) -> None:
        for command in self.session.receive(message.topic, bytes(message.payload), now_ms()):
            self.commands.append(command)
            if isinstance(command, CommitCame):
                self.commits += unpack_commits(command.raw)


def mark(run: int, n: int, base: int = 1, first: int | None = None) -> BatchMark:
    """A batch of samples; with `first` a gap row."""
    return BatchMark(run, Stream.SAMPLES, n, n if first is None else first, base, first is not None)
