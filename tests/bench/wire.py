"""Bytes of DATA on the wire, MQTT's header and topic with them, by the number of values and what these are.

Nothing is sent: a session of an edge makes the messages. Values move a little from one instant to the next.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from frostline_core import mqtt_wire
from frostline_core.commit import BATCH, BatchMark, pack_batch
from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Stream
from frostline_core.sparkplug import DeviceBirth, EdgeSession, Metric

MESSAGES = 200
_NOW_MS, _EVERY_MS = 1_800_000_000_000, 1_000
_DEVICE = "freezer-12"


@dataclass(frozen=True, slots=True)
class Shape:
    """A message: so many metrics, each at so many instants a second apart."""

    metrics: int
    instants: int = 1

    def __str__(self) -> str:
        return f"{self.metrics * self.instants} ({self.instants} x {self.metrics})"


SHAPES = (Shape(1), Shape(5), Shape(12), Shape(20), Shape(5, 4), Shape(5, 10), Shape(50), Shape(12, 10))
Step = Callable[[random.Random, float], float]
KINDS: dict[str, tuple[DataType, Step]] = {
    "integers": (DataType.INT64, lambda dice, before: (int(before) + dice.choice((-2, -1, 1, 2))) % 50_000),
    "doubles of one decimal": (DataType.DOUBLE, lambda dice, before: round(before + dice.choice((-0.2, 0.1, 0.3)), 1)),
    "doubles of 17 digits": (DataType.DOUBLE, lambda dice, before: before + dice.gauss(0, 0.3)),
}


def measure(messages: int = MESSAGES) -> dict[str, Any]:
    """By kind and shape: bytes a value as they are and deflated, and what it takes to make a message, us."""
    return {kind: {str(shape): _cost(kind, shape, messages) for shape in SHAPES} for kind in KINDS}


def table(result: dict[str, Any]) -> str:
    """A line for each shape."""
    kinds = [name for name in result if name in KINDS]
    lines = [f"{'values (instants x metrics)':28}" + "".join(f"{name:>32}" for name in kinds)]
    for shape in map(str, SHAPES):
        cells = (result[kind][shape] for kind in kinds)
        lines.append(f"{shape:28}" + "".join(f"{c['plain_bytes']:>24g} {c['deflated_bytes']:>7g}" for c in cells))
    return "\n".join(lines)


def _cost(kind: str, shape: Shape, messages: int) -> dict[str, float]:
    plain, plain_us = _bytes(kind, shape, messages, deflates=False)
    packed, packed_us = _bytes(kind, shape, messages, deflates=True)
    return {"plain_bytes": plain, "deflated_bytes": packed, "deflating_us_a_message": round(packed_us - plain_us, 1)}


def _bytes(kind: str, shape: Shape, messages: int, *, deflates: bool) -> tuple[float, float]:
    datatype, step = KINDS[kind]
    dice = random.Random(1)  # noqa: S311 - a bench's dice
    names = [f"metric_{n}" for n in range(shape.metrics)]
    session = EdgeSession("rotterdam", "gateway-3", 3)
    description = DeviceDescription(_DEVICE, "cold_room", "", tuple(MetricDescription(n, datatype) for n in names))
    session.birth(_NOW_MS, (), [DeviceBirth(description)])
    session.deflates = deflates
    values = {name: step(dice, dice.uniform(0, 30) * (1000 if datatype is DataType.INT64 else 1)) for name in names}
    size, used_s, run = 0, 0.0, dice.getrandbits(64)
    for n in range(1, messages + 1):
        metrics: list[Metric] = []
        for instant in range(shape.instants):
            values = {name: step(dice, value) for name, value in values.items()}
            at_ms = _NOW_MS + (n * shape.instants + instant) * _EVERY_MS
            metrics += [Metric(name, None, at_ms, None, value) for name, value in values.items()]
        mark = pack_batch(BatchMark(run, Stream.SAMPLES, 100_000 + n, 100_000 + n, 99_990 + n))
        metrics.append(Metric(BATCH, None, metrics[-1].timestamp_ms, None, mark, is_transient=True))
        began_s = time.process_time()
        message = session.data(_NOW_MS + n * shape.instants * _EVERY_MS, _DEVICE, metrics)
        used_s += time.process_time() - began_s
        size += len(mqtt_wire.publish(message.topic.encode(), message.payload))
    return round(size / messages / shape.metrics / shape.instants, 1), round(used_s / messages * 1e6, 1)
