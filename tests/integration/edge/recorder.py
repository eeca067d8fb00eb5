"""An Emit that remembers, and a driver at work: what tests of drivers look at."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from frostline_core.reading import DeviceDescription, Quality, Reading, Value
from frostline_edge.driver import Driver
from frostline_edge.sampling import Sampling


@dataclass
class Recorder:
    """An Emit that remembers."""

    births: list[DeviceDescription] = field(default_factory=list)
    deaths: list[tuple[str, str]] = field(default_factory=list)
    scans: dict[str, list[dict[str, Reading]]] = field(default_factory=dict)
    events: list[Reading] = field(default_factory=list)

    def born(self, device: DeviceDescription, sampling: Mapping[str, Sampling]) -> None:
        assert set(sampling) <= {metric.name for metric in device.metrics}
        self.births.append(device)

    def scan(self, device: str, readings: Sequence[Reading]) -> None:
        assert device in {each.id for each in self.births}
        self.scans.setdefault(device, []).append({reading.metric: reading for reading in readings})

    def event(self, device: str, readings: Sequence[Reading]) -> None:
        self.events += readings

    def died(self, device: str, reason: str) -> None:
        self.deaths.append((device, reason))

    def values(self, device: str, at: int = -1) -> dict[str, Value]:
        """By metric, what one scan gave."""
        return {name: reading.value for name, reading in self.scans[device][at].items()}

    def good(self, device: str) -> list[Reading]:
        """Every reading with a value."""
        return [r for scan in self.scans.get(device, []) for r in scan.values() if r.quality is Quality.GOOD]


@asynccontextmanager
async def running(driver: Driver, emit: Recorder) -> AsyncIterator[asyncio.Task[None]]:
    """The driver at work; it must not have ended by itself when the block ends."""
    task = asyncio.create_task(driver.run(emit))
    try:
        yield task
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
