"""The sensors driver: one task per sensor, one per door."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from frostline_core.errors import ProtocolError, UnavailableError
from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Quality, Reading, Value
from frostline_edge.driver import Emit
from frostline_edge.drivers.sensors.config import Config, DoorConfig, SensorConfig
from frostline_edge.drivers.sensors.contact import Contact, contact, require_gpio
from frostline_edge.drivers.sensors.debounce import Debounce
from frostline_edge.drivers.sensors.sources import HwmonSource, IioSource, Source, W1Source
from frostline_edge.drivers.sensors.worker import Worker
from frostline_edge.sampling import Sampling
from frostline_edge.schedule import phase_s, until_tick_s

FAILURES_TO_DIE = 3
# A door is looked at so often within its debounce time.
_LOOKS_PER_HOLD = 4
_DOOR = MetricDescription("door_open", DataType.BOOLEAN)


@dataclass(slots=True)
class _Sensor:
    """A sensor and how it fares."""

    description: DeviceDescription
    sampling: Mapping[str, Sampling]
    failures: int = 0
    is_born: bool = False
    is_dead: bool = False


class Driver:
    """Reads what the kernel shows. A sensor that fails or hangs is that sensor's affair alone."""

    def __init__(self, config: Config, wall_s: Callable[[], float] = time.time) -> None:
        self._config = config
        self._wall_s = wall_s
        root = Path(config.root)
        self._sources: list[tuple[SensorConfig, str, Source]] = [
            *((each, each.kind, W1Source(each, root)) for each in config.w1),
            *((each, each.kind, HwmonSource(each, root)) for each in config.hwmon),
            *((each, each.kind, IioSource(each, root)) for each in config.iio),
        ]
        self._workers = {each.name: Worker(each.name) for each, _, _ in self._sources}

    def devices(self) -> Sequence[str]:
        """The names of the sensors and doors."""
        return (*(each.name for each, _, _ in self._sources), *(door.name for door in self._config.door))

    async def run(self, emit: Emit) -> None:
        """Reads for ever.

        Raises:
            ConfigError: A door needs GPIO, and its library is not installed.
        """
        require_gpio(self._config.door)
        w1_bus = (
            asyncio.Lock()
        )  # the kernel takes one 1-Wire conversion at a time; waiting there would look like a hang
        async with asyncio.TaskGroup() as tasks:
            for index, (config, kind, source) in enumerate(self._sources):
                phase = phase_s(index, len(self._sources), self._config.period_s)
                lock = w1_bus if isinstance(source, W1Source) else asyncio.Lock()
                sensor = _Sensor(_describe(config, kind, source.metrics), source.sampling)
                tasks.create_task(self._poll(sensor, source, lock, phase, emit), name=f"sensor {config.name}")
            for door in self._config.door:
                tasks.create_task(self._watch(door, emit), name=f"door {door.name}")

    async def _poll(self, sensor: _Sensor, source: Source, lock: asyncio.Lock, phase: float, emit: Emit) -> None:
        """Reads one sensor at once, and then at its ticks."""
        worker = self._workers[sensor.description.id]
        while True:
            try:
                async with lock:
                    values = await worker.call(source.read, self._config.timeout_s)
            except (UnavailableError, ProtocolError) as error:
                self._failed(sensor, str(error), emit)
            else:
                self._answered(sensor, values, emit)
            await asyncio.sleep(until_tick_s(self._wall_s(), self._config.period_s, phase))

    async def _watch(self, door: DoorConfig, emit: Emit) -> None:
        """Watches one door; opens its contact again after a failure, once a period."""
        sensor = _Sensor(_describe(door, "door", (_DOOR,)), {_DOOR.name: Sampling()})
        while True:
            try:
                opened = contact(door)
                try:
                    await self._look(door, sensor, opened, emit)
                finally:
                    opened.close()
            except (UnavailableError, ProtocolError) as error:
                self._failed(sensor, str(error), emit)
            await asyncio.sleep(self._config.period_s)

    async def _look(self, door: DoorConfig, sensor: _Sensor, opened: Contact, emit: Emit) -> None:
        debounce = Debounce(door.debounce_s)
        shown_s = time.monotonic()
        while True:
            before = debounce.level
            change = debounce.feed(opened.is_open(), self._now_ms())
            if change is not None and before is not None:
                emit.event(door.name, [Reading(door.name, _DOOR.name, change.level, change.at_ms)])
            elif change is not None or (before is not None and time.monotonic() - shown_s >= self._config.period_s):
                self._answered(sensor, {_DOOR.name: debounce.level}, emit)
                shown_s = time.monotonic()
            await asyncio.sleep(door.debounce_s / _LOOKS_PER_HOLD)

    def _now_ms(self) -> int:
        return int(self._wall_s() * 1000)

    def _answered(self, sensor: _Sensor, values: Mapping[str, Value], emit: Emit) -> None:
        sensor.failures = 0
        if not sensor.is_born:
            sensor.is_born, sensor.is_dead = True, False
            emit.born(sensor.description, sensor.sampling)
        self._scan(sensor, values, emit)

    def _failed(self, sensor: _Sensor, reason: str, emit: Emit) -> None:
        """No value, and that is said; after three times in a row, or before any birth, the sensor is gone."""
        sensor.failures += 1
        if sensor.is_born:
            self._scan(sensor, {}, emit)
        if sensor.failures < FAILURES_TO_DIE and sensor.is_born:
            return
        sensor.is_born = False
        if not sensor.is_dead:
            sensor.is_dead = True
            emit.died(sensor.description.id, reason)

    def _scan(self, sensor: _Sensor, values: Mapping[str, Value], emit: Emit) -> None:
        device, now_ms = sensor.description.id, self._now_ms()
        readings = []
        for metric in sensor.description.metrics:
            value = values.get(metric.name)
            quality = Quality.BAD if value is None else Quality.GOOD
            readings.append(Reading(device, metric.name, value, now_ms, quality))
        emit.scan(device, readings)


def _describe(config: SensorConfig, kind: str, metrics: tuple[MetricDescription, ...]) -> DeviceDescription:
    return DeviceDescription(config.name, kind, config.zone, metrics, dict(config.labels))
