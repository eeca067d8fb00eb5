"""The Modbus driver: one bus, one task per device, writes in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from frostline_core.errors import ProtocolError, UnavailableError
from frostline_core.reading import Value
from frostline_edge.driver import Emit
from frostline_edge.drivers.modbus.bus import Bus
from frostline_edge.drivers.modbus.config import Config
from frostline_edge.drivers.modbus.unit import Poll, Unit, UnitStatistics
from frostline_edge.profiles import model
from frostline_edge.schedule import Alarm, missed, phase_s, until_tick_s

# After a silence that is not yet death the unit is asked again so soon, so that neither a lost frame nor a dead device
# with a long period leaves a hole as long as the period.
RETRY_S = 1.0


class Driver:
    """Polls the devices of one bus; a dead one costs the others a probe now and then."""

    def __init__(self, config: Config, wall_s: Callable[[], float] = time.time) -> None:
        self._bus = Bus(config)
        self._units = {unit.name: Unit(unit, model.load(unit.profile)) for unit in config.unit}
        self._alarms = {name: Alarm() for name in self._units}
        self._wall_s = wall_s
        self._born: set[str] = set()
        self._dead: set[str] = set()
        self._running = False

    def devices(self) -> Sequence[str]:
        """The names of the units."""
        return tuple(self._units)

    def statistics(self) -> Mapping[str, UnitStatistics]:
        """By device, what polling it came to since the driver was built."""
        return {name: unit.statistics for name, unit in self._units.items()}

    async def run(self, emit: Emit) -> None:
        """Connects and polls until the line is gone.

        Raises:
            UnavailableError: The connection cannot be made, or was lost.
        """
        await self._bus.open()
        self._running = True
        try:
            async with asyncio.TaskGroup() as tasks:
                for index, unit in enumerate(self._units.values()):
                    phase = phase_s(index, len(self._units), unit.config.period_s)
                    tasks.create_task(self._watch(unit, phase, emit), name=f"modbus {unit.name}")
        except BaseExceptionGroup as group:
            lost = [error for error in group.exceptions if isinstance(error, UnavailableError)]
            if len(lost) < len(group.exceptions):
                raise
            for name in sorted(self._born):
                self._bury(name, str(lost[0]), emit)
            raise lost[0] from None
        finally:
            self._running = False
            self._born.clear()
            self._bus.close()

    async def write(self, device: str, metric: str, value: Value) -> None:
        """Writes one value; the device is read again at once, so that its effect is seen.

        Raises:
            UnavailableError: The device did not answer (whether it took the value is unknown), or the bus is not open.
            ProtocolError: No such writable point, the value is out of range, or the device refused it.
        """
        unit = self._units.get(device)
        if unit is None:
            raise ProtocolError(f"no device '{device}' on {self._bus.where}")
        span, words, mask = unit.encoded(metric, value)
        if not self._running:
            raise UnavailableError(f"{self._bus.where} is not connected")
        await self._bus.write(unit.config.unit, span, words, mask)
        self._alarms[device].ring()

    async def _watch(self, unit: Unit, phase: float, emit: Emit) -> None:
        """Polls one unit for ever: at once, at its ticks, soon after a silence; while dead, when a probe is due."""
        while True:
            started = time.monotonic()
            was_open = unit.breaker.is_open
            if was_open and all(each.breaker.is_open for each in self._units.values()):
                await self._bus.renew()  # nobody answers: the connection may be a dead one that looks alive
            poll = await unit.poll(self._bus, self._wall_ms)
            self._tell(unit, poll, was_open, emit)
            unit.statistics.missed += missed(started, time.monotonic(), unit.config.period_s)
            wait_s = unit.breaker.wait_s(time.monotonic())
            if not unit.breaker.is_open:
                tick_s = until_tick_s(self._wall_s(), unit.config.period_s, phase)
                wait_s = tick_s if poll.answered else min(tick_s, RETRY_S)
            await self._alarms[unit.name].wait(wait_s)

    def _wall_ms(self) -> int:
        return int(self._wall_s() * 1000)

    def _tell(self, unit: Unit, poll: Poll, was_open: bool, emit: Emit) -> None:
        if poll.answered:
            unit.breaker.answered()
            if unit.name not in self._born:
                emit.born(unit.description, unit.sampling)
                self._born.add(unit.name)
                self._dead.discard(unit.name)
            if poll.events:
                emit.event(unit.name, poll.events)
            emit.scan(unit.name, poll.scan)
            return
        unit.breaker.failed(time.monotonic())
        if unit.name in self._born and not was_open:
            emit.scan(unit.name, poll.scan)
        if unit.breaker.is_open or unit.name not in self._born:
            self._bury(unit.name, poll.error, emit)

    def _bury(self, name: str, reason: str, emit: Emit) -> None:
        """Says once that a device is dead; of one that has never answered, at its first silence."""
        self._born.discard(name)
        if name not in self._dead:
            self._dead.add(name)
            emit.died(name, reason)
