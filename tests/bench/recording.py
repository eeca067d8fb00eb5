"""Prebuilt load: births and proved DATA messages as bytes, so that playing them costs next to nothing."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

from frostline_core.commit import COMMIT, BatchMark, pack_batch
from frostline_core.reading import Stream
from frostline_core.sparkplug import Outgoing, PayloadMessage, parse
from frostline_sim.load.node import LoadNode, Shape

GROUP = "bench"
WINDOW = 64
"""Messages of one node in flight, at most: the gateway's own bound (commit protocol, section 3)."""
_BATCH = "Frostline/Batch"


@dataclass(frozen=True, slots=True)
class Load:
    """What is played.

    Attributes:
        nodes: Edge nodes.
        devices: Devices of each.
        metrics: Metrics of each device.
        per_message: Metrics in one message; 1 means report by exception, one changed metric at a time.
        messages: How many, over all nodes.
        interval_ms: Between two messages of all nodes together, in event time; 0 is one millisecond per round of nodes.
        alarm_every: Each so many messages, the first value lies above the alarm limit for one message; 0 is never.
        storm_at: The message from which on every value lies above the alarm limit; the first one of each device is due
            at that instant. 0 is never; else it lies behind the warm-up.
        window: Messages of one node in flight, at most.
        patience_s: So long without a commit is a failure; births may take three times as long.
    """

    nodes: int
    devices: int
    metrics: int
    per_message: int
    messages: int
    interval_ms: float = 0.0
    alarm_every: int = 0
    storm_at: int = 0
    window: int = WINDOW
    patience_s: float = 20.0

    def due_ms(self, k: int) -> float:
        """When the k-th message is due, after the first: what comes behind a storm is not late because of it."""
        if not self.storm_at or k < self.storm_at:
            return k * self.interval_ms
        behind = max(0, k - self.storm_at - self.nodes * self.devices + 1)
        return (self.storm_at + behind) * self.interval_ms


ALARM = 1_000.0
"""Value that a bench rule with a lower limit fires on."""


@dataclass(slots=True)
class Message:
    """One DATA message: which node, its number in that node's run, when it is due, and its bytes."""

    node: int
    n: int
    at_ms: float
    topic: str
    payload: bytes


class Recording:
    """The births, and all messages.

    Args:
        load: Its shape.
        start_ms: UTC time of the first message's samples.
    """

    def __init__(self, load: Load, start_ms: int) -> None:
        self.load, self.start_ms = load, start_ms
        shape = Shape(group=GROUP, nodes=load.nodes, devices=load.devices, metrics=load.metrics, proved=True)
        chance = random.Random()  # noqa: S311 - run ids must differ each time
        self._nodes = [LoadNode(shape, number, chance.random, start_ms) for number in range(load.nodes)]
        self._spools = [int.from_bytes(chance.randbytes(8), "little") for _ in self._nodes]
        self.births: list[Outgoing] = []
        self._aliases: list[list[list[int]]] = []
        self._batch_aliases: list[list[int]] = []
        self.commit_aliases: dict[int, int] = {}
        for number, node in enumerate(self._nodes):
            self._bear(number, node)

    def run_of(self, node: int) -> int:
        """The run of a node's messages."""
        return self._spools[node]

    @property
    def warm_up(self) -> int:
        """Messages to be sent before the measurement: a few of each device, and each metric at least once."""
        load = self.load
        return max(4, -(-load.metrics // load.per_message)) * load.nodes * load.devices

    def messages(self, first: int, last: int) -> Iterator[Message]:
        """Those numbered first to last - 1, as they are due: nodes take turns, and each node's devices."""
        load = self.load
        values = [20.0 + 3 * math.sin(i) for i in range(997)]
        for k in range(first, last):
            number, n = k % load.nodes, k // load.nodes + 1
            at_ms = load.due_ms(k - first) if load.interval_ms else float(n)
            device, lowest = (n - 1) % load.devices, (n - 1) // load.devices % load.metrics
            aliases = self._aliases[number][device]
            chosen = aliases if load.per_message >= load.metrics else aliases[lowest : lowest + load.per_message]
            utc_ms = self.start_ms + int(at_ms)
            message = PayloadMessage(timestamp=utc_ms, seq=(load.devices + n) % 256)
            add = message.metrics.add
            higher = ALARM if 0 < load.storm_at <= k - first else 0.0
            for i, alias in enumerate(chosen):
                add(alias=alias, timestamp=utc_ms, double_value=round(higher + values[(k * 31 + i) % 997], 2))
            if load.alarm_every and k % load.alarm_every == 0:
                message.metrics[0].double_value = ALARM + 1
            mark = BatchMark(self._spools[number], Stream.SAMPLES, n, n, max(1, n - load.window + 1))
            batch = self._batch_aliases[number][device]
            add(alias=batch, timestamp=utc_ms, is_transient=True, bytes_value=pack_batch(mark))
            topic = f"spBv1.0/{GROUP}/DDATA/load-{number:04d}/device-{device:03d}"
            yield Message(number, n, at_ms, topic, message.SerializeToString())

    def _bear(self, number: int, node: LoadNode) -> None:
        node.begin()
        births = list(node.births(0, self.start_ms))
        by_name = [{metric.name: metric.alias for metric in parse(each.payload).metrics} for each in births]
        self.commit_aliases[number] = by_name[0][COMMIT]
        metrics = range(self.load.metrics)
        self._aliases.append([[names[f"value_{i:03d}"] for i in metrics] for names in by_name[1:]])
        self._batch_aliases.append([names[_BATCH] for names in by_name[1:]])
        self.births += births


def rules_text(count: int, metrics: int) -> str:
    """Thresholds that nothing crosses, spread over the metrics; the first fires on the alarm value."""
    of_device = min(200, max(20, metrics))
    return "\n".join(
        f'[[rule]]\nid = "r{n}"\ntitle = "Rule {n}"\ntype = "threshold"\nseverity = "info"\n'
        f"above = {ALARM if n == 0 else 1e6 + n}\n"
        f'[rule.select]\nmetric = "value_{n % of_device:03d}"\n'
        for n in range(count)
    )
