"""One edge node of the load: births, prebuilt data, and the commit protocol where it is asked for. No I/O, no clock."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from frostline_core.commit import COMMIT, GAP, RUNS, GatewayCommit, pack_batch, pack_runs, unpack_commits
from frostline_core.errors import ProtocolError
from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Reading
from frostline_core.sparkplug import (
    BirthMetric,
    CommitCame,
    DeviceBirth,
    EdgeSession,
    HostState,
    MessageType,
    Outgoing,
    PayloadMessage,
    RebirthAsked,
    Topic,
    parse,
)
from frostline_sim.load.rows import MemoryRows

_BATCH = "Frostline/Batch"
KIND = "load"
"""Kind of every device: the measurement in the store."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the load looks like.

    Attributes:
        group: Sparkplug group of all nodes.
        nodes: How many edge nodes.
        devices: Devices of each node.
        metrics: Metrics of each device; all are in each message.
        rate: DDATA messages a second, of all nodes together.
        host_id: The primary host to wait for before births; "" waits for none.
        proved: Whether the nodes speak the commit protocol.
    """

    group: str = "load"
    nodes: int = 1
    devices: int = 1
    metrics: int = 10
    rate: float = 100.0
    host_id: str = ""
    proved: bool = False


@dataclass(slots=True)
class Counts:
    """What one node has done.

    Attributes:
        measured: Messages that were due and made.
        sent: DDATA messages handed to the connection, with repeats of the commit protocol.
        births: NBIRTH messages.
        refused: Messages that were due and not made: the node was not born, or its memory was full.
    """

    measured: int = 0
    sent: int = 0
    births: int = 0
    refused: int = 0


@dataclass(slots=True)
class _Device:
    """A device with its message, built once; before each sending only numbers change."""

    id: str
    topic: bytes
    message: PayloadMessage
    batch_alias: int = 0
    n: int = 0


class LoadNode:
    """A node over all its sessions. `begin` for each connection; then `measure`, `outgoing` and `receive`."""

    def __init__(self, shape: Shape, number: int, random: Callable[[], float], utc_ms: int) -> None:
        """Builds the node's messages.

        Args:
            shape: The load.
            number: From 0; part of its name and of its values.
            random: Evenly spread over [0, 1); for run ids and the jitter of timers.
            utc_ms: Time of day.
        """
        self.shape = shape
        self.name = f"load-{number:04d}"
        self.counts = Counts()
        self.rows = MemoryRows(random)
        self._commit = GatewayCommit(self.rows, random, utc_ms) if shape.proved else None
        self._bd_seq = 255
        self._seq = 0
        self._next_device = 0
        # Whether something came since the last look at what may be sent, and when time alone makes another look due.
        self._stirred = True
        self._wake_ms: int | None = None
        self._devices = [self._device(f"device-{i:03d}", number) for i in range(shape.devices)]
        self.session = self._session()

    @property
    def born(self) -> bool:
        """Whether data may be sent in this session."""
        return self.session.born

    def begin(self) -> EdgeSession:
        """A new session, for a new connection; its will goes into CONNECT."""
        self._bd_seq = (self._bd_seq + 1) % 256
        self.session = self._session()
        if self._commit is not None:
            self._commit.session_ended()
        return self.session

    def births(self, now_ms: int, utc_ms: int) -> Sequence[Outgoing]:
        """NBIRTH and every DBIRTH, when the primary host is there; else nothing."""
        if not self.session.may_birth:
            return []
        births = [DeviceBirth(self._description(each.id), self._values(each, utc_ms)) for each in self._devices]
        found = self.session.birth(utc_ms, self._node_metrics(), births)
        for device, birth in zip(self._devices, found[1:], strict=True):
            self._take_aliases(device, birth.payload)
        self._seq = len(found) % 256
        self.counts.births += 1
        self._stirred = True
        if self._commit is not None:
            self._commit.session_started(now_ms, utc_ms)
        return found

    def receive(self, topic: str, payload: bytes, now_ms: int, utc_ms: int) -> Sequence[Outgoing]:
        """What the node answers to a message: births, or nothing.

        Raises:
            ProtocolError: A commit that cannot be read.
        """
        answers: list[Outgoing] = []
        self._stirred = True
        for command in self.session.receive(topic, payload, utc_ms):
            came = isinstance(command, HostState) and command.online and not self.session.born
            if came or (isinstance(command, RebirthAsked) and self.session.born):
                answers = list(self.births(now_ms, utc_ms))
            elif isinstance(command, HostState) and not command.online:
                self._stop()
            elif isinstance(command, CommitCame) and self._commit is not None:
                for commit in unpack_commits(command.raw):
                    self._commit.on_commit(commit, now_ms)
        return answers

    def measure(self, utc_ms: int) -> tuple[bytes, bytes] | None:
        """Makes the next device's message: topic and payload to send now; None when it went into memory or nowhere.

        A node that is not born refuses; but a proved one that was born once keeps the message in memory, as in a spool.
        """
        device = self._devices[self._next_device]
        keeps = self._commit is not None and self.counts.births > 0
        if not (self.session.born or keeps) or self.rows.full:
            self.counts.refused += 1
            return None
        self._next_device = (self._next_device + 1) % len(self._devices)
        device.n += 1
        self.counts.measured += 1
        _renew(device, utc_ms)
        if self._commit is not None:
            self._stirred = True
            self.rows.append(device.id, device.message.SerializeToString(), len(device.message.metrics), utc_ms)
            return None
        device.message.seq = self._take_seq()
        self.counts.sent += 1
        return device.topic, device.message.SerializeToString()

    def outgoing(self, now_ms: int, utc_ms: int) -> Iterator[tuple[bytes, bytes]]:
        """What the commit protocol lets go now: topics and payloads."""
        if self._commit is None or not self.session.born:
            return
        if not self._stirred and (self._wake_ms is None or now_ms < self._wake_ms):
            return
        self._stirred = False
        self._commit.tick(now_ms)
        while (send := self._commit.next(now_ms, utc_ms)) is not None:
            device = self._devices[int(send.row.device.rpartition("-")[2])]
            # Protobuf fields may come in pieces: what is appended to a message is merged into it.
            extra = PayloadMessage(seq=self._take_seq())
            extra.metrics.add(
                alias=device.batch_alias, timestamp=utc_ms, is_transient=True, bytes_value=pack_batch(send.mark)
            )
            self.counts.sent += 1
            yield device.topic, send.row.payload + extra.SerializeToString()
        self._wake_ms = self._commit.wake_ms(now_ms)

    def _stop(self) -> None:
        """The host is away: no data until it is back."""
        if self._commit is not None:
            self._commit.session_ended()
        self.session.born = False

    def _session(self) -> EdgeSession:
        return EdgeSession(
            self.shape.group, self.name, self._bd_seq, self.shape.host_id, proved=self._commit is not None
        )

    def _take_seq(self) -> int:
        seq = self._seq
        self._seq = (seq + 1) % 256
        return seq

    def _node_metrics(self) -> Sequence[BirthMetric]:
        if self._commit is None:
            return ()
        return (
            BirthMetric(RUNS, DataType.BYTES, pack_runs(self._commit.announcement())),
            BirthMetric(COMMIT, DataType.BYTES),
            BirthMetric(GAP, DataType.STRING),
        )

    def _device(self, device: str, number: int) -> _Device:
        message = PayloadMessage()
        for i in range(self.shape.metrics):
            message.metrics.add(double_value=20.0 + number + math.sin(i))
        topic = Topic(MessageType.DDATA, self.shape.group, self.name, device)
        return _Device(device, str(topic).encode(), message)

    def _description(self, device: str) -> DeviceDescription:
        metrics = tuple(MetricDescription(f"value_{i:03d}", DataType.DOUBLE, "Cel") for i in range(self.shape.metrics))
        return DeviceDescription(device, KIND, metrics=metrics)

    def _values(self, device: _Device, utc_ms: int) -> dict[str, Reading]:
        return {
            f"value_{i:03d}": Reading(device.id, f"value_{i:03d}", metric.double_value, utc_ms)
            for i, metric in enumerate(device.message.metrics)
        }

    def _take_aliases(self, device: _Device, birth: bytes) -> None:
        """The aliases of this session, as the birth gave them; rows in memory keep those of the first birth.

        EdgeSession numbers metrics in the order of their births, so that each session gives the same ones.
        """
        aliases = {metric.name: metric.alias for metric in parse(birth).metrics}
        device.batch_alias = aliases.get(_BATCH, 0)
        for i, metric in enumerate(device.message.metrics):
            alias = aliases[f"value_{i:03d}"]
            if device.n and metric.alias != alias:
                raise ProtocolError(f"{self.name}/{device.id}: an alias changed between sessions")
            metric.alias = alias


def _renew(device: _Device, utc_ms: int) -> None:
    """New time everywhere, a new value in the first metric: the message's own number."""
    message = device.message
    message.timestamp = utc_ms
    for metric in message.metrics:
        metric.timestamp = utc_ms
    message.metrics[0].double_value = float(device.n)
