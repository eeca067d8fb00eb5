"""The Modbus driver: one bus, its devices one after the other, writes in between."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from frostline_core.errors import ProtocolError, UnavailableError
from frostline_core.reading import Value
from frostline_edge.driver import Emit
from frostline_edge.drivers.modbus.bus import Bus
from frostline_edge.drivers.modbus.config import Config
from frostline_edge.drivers.modbus.unit import Poll, Unit, UnitStatistics
from frostline_edge.profiles import model
from frostline_edge.schedule import Agenda, Alarm, missed, phase_s, until_tick_s

# After a silence that is not yet death the unit is asked again so soon, so that neither a lost frame nor a dead device
# with a long period leaves a hole as long as the period.
RETRY_S = 1.0


class Driver:
    """Polls the devices of one bus; a dead one costs the others a probe now and then.

    Args:
        config: The bus and its units.
        wall_s: Time of day; ticks follow it.
        steady_s: A clock that only goes forward; waits follow it.
    """

    def __init__(
        self,
        config: Config,
        wall_s: Callable[[], float] = time.time,
        steady_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bus = Bus(config, steady_s)
        self._units = {unit.name: Unit(unit, model.load(unit.profile)) for unit in config.unit}
        self._phases = {
            name: phase_s(place, len(self._units), unit.config.period_s)
            for place, (name, unit) in enumerate(self._units.items())
        }
        self._alarm = Alarm()
        self._written: set[str] = set()
        self._wall_s, self._steady_s = wall_s, steady_s
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
            await self._poll(emit)
        except UnavailableError as lost:
            for name in sorted(self._born):
                self._bury(name, str(lost), emit)
            raise
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
        self._written.add(device)
        self._alarm.ring()

    async def _poll(self, emit: Emit) -> None:
        """Polls for ever, one unit after the other: at once, at their ticks, soon after a silence, after a write.

        One task for the bus, which carries one request at a time: a task for each unit would cost two more turns of
        the event loop for each poll.
        """
        agenda = Agenda(self._units, self._steady_s())
        while True:
            if self._written:
                due_s, name = self._steady_s(), self._written.pop()
            else:
                due_s, name = agenda.first()
                wait_s = due_s - self._steady_s()
                if wait_s > 0:
                    await self._alarm.wait(wait_s)
                    continue
            agenda.put(name, await self._poll_unit(self._units[name], due_s, emit))

    async def _poll_unit(self, unit: Unit, due_s: float, emit: Emit) -> float:
        """Polls one unit; returns when it is due again, by the steady clock. While dead, when a probe is due."""
        was_open = unit.breaker.is_open
        if was_open and all(each.breaker.is_open for each in self._units.values()):
            await self._bus.renew()  # nobody answers: the connection may be a dead one that looks alive
        poll = await unit.poll(self._bus, self._wall_ms)
        self._tell(unit, poll, was_open, emit)
        now_s, period_s = self._steady_s(), unit.config.period_s
        unit.statistics.missed += missed(due_s, now_s, period_s)
        if unit.breaker.is_open:
            return now_s + unit.breaker.wait_s(now_s)
        tick_s = until_tick_s(self._wall_s(), period_s, self._phases[unit.name])
        return now_s + (tick_s if poll.answered else min(tick_s, RETRY_S))

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
        unit.breaker.failed(self._steady_s())
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
