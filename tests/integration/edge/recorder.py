"""An Emit that remembers, and a driver at work: what tests of drivers look at."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from frostline_core.errors import UnavailableError
from frostline_core.reading import DeviceDescription, Quality, Reading, Value
from frostline_edge.driver import Driver
from frostline_edge.sampling import Sampling


@dataclass
class Recorder:
    """An Emit that remembers.

    Attributes:
        events_ms: When each of `events` was told.
    """

    births: list[DeviceDescription] = field(default_factory=list)
    deaths: list[tuple[str, str]] = field(default_factory=list)
    scans: dict[str, list[dict[str, Reading]]] = field(default_factory=dict)
    events: list[Reading] = field(default_factory=list)
    events_ms: list[int] = field(default_factory=list)

    def born(self, device: DeviceDescription, sampling: Mapping[str, Sampling]) -> None:
        assert set(sampling) <= {metric.name for metric in device.metrics}
        self.births.append(device)

    def scan(self, device: str, readings: Sequence[Reading]) -> None:
        assert device in {each.id for each in self.births}
        self.scans.setdefault(device, []).append({reading.metric: reading for reading in readings})

    def event(self, device: str, readings: Sequence[Reading]) -> None:
        self.events += readings
        self.events_ms += [int(time.time() * 1000)] * len(readings)

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
    """The driver at work; when it ends by itself the block ends too, with what it raised."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(_run(driver, emit))
        try:
            yield task
            assert not task.done(), "the driver ended"
        finally:
            task.cancel()


async def _run(driver: Driver, emit: Recorder) -> None:
    """Connects until it succeeds: a busy machine may need longer than the short time-out that some tests are about."""
    while True:
        try:
            await driver.run(emit)
            return
        except UnavailableError as error:
            if "cannot connect" not in str(error):
                raise
        await asyncio.sleep(0.05)
