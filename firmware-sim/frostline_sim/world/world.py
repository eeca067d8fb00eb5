"""The whole physical world: one clock, one seed, and everything that it moves."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from frostline_core.reading import Value
from frostline_sim.config import FaultConfig, FaultType, WorldConfig
from frostline_sim.references import AMBIENT, check, check_target, kinds
from frostline_sim.world import ambient
from frostline_sim.world.cold_room import Around, ColdRoom
from frostline_sim.world.meter import Meter
from frostline_sim.world.metrics import ALIASES, Kind
from frostline_sim.world.rack import Rack
from frostline_sim.world.stock import Stock
from frostline_sim.world.timeline import Timeline

_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Point:
    """Where a served value comes from.

    Attributes:
        name: What serves it: the device of a Modbus unit, or a sensor. Faults name it.
        metric: What it is called there.
        device: The device of the world that it measures.
    """

    name: str
    metric: str
    device: str


class World:
    """Rooms, racks, meters, goods and weather, moved on in fixed ticks.

    A trajectory depends on the config, the seed, how many ticks have passed, writes and injected faults; not on how
    `step` cut the time into pieces, nor on who read what.
    """

    def __init__(self, config: WorldConfig, seed: int | None = None) -> None:
        """Builds a world at its start.

        Args:
            config: What there is.
            seed: In place of the config's.

        Raises:
            ConfigError: A name in the config is used twice or refers to nothing.
        """
        check(config, "world")
        self.config = config
        self.seed = config.seed if seed is None else seed
        self.timeline = Timeline(list(config.fault))
        self.rooms = {each.name: ColdRoom(each, self._rng(each.name)) for each in config.cold_room}
        self.racks = {each.name: Rack(each, self._rng(each.name)) for each in config.rack}
        self.meters = {each.name: Meter(each, self._rng(each.name)) for each in config.meter}
        self.stock = Stock(config.product, config.zone, config.flow, self._rng("stock"))
        self.kinds: Mapping[str, Kind] = kinds(config)
        self._ticks = 0
        self._left_ms = 0
        self._tick_ms = round(config.tick * 1000)
        self._values: dict[str, Mapping[str, Value]] = {}
        self._stuck: dict[Point, tuple[int, Value]] = {}
        self._taken: set[int] = set()

    @property
    def now_s(self) -> float:
        """World seconds since the start."""
        return self._ticks * self._tick_ms / 1000.0

    @property
    def time_of_day_s(self) -> float:
        """Seconds since the world's midnight."""
        return (self.config.start_at + self.now_s) % _DAY_S

    def step(self, dt_ms: int) -> None:
        """Moves the world on by whole milliseconds; what is left of a tick is kept for the next step."""
        self._left_ms += dt_ms
        while self._left_ms >= self._tick_ms:
            self._left_ms -= self._tick_ms
            self._tick()
        self._values.clear()

    def value(self, device: str, metric: str) -> Value:
        """What is true now, in the unit of `METRICS`; None for a metric that the world does not know."""
        found = self._values.get(device)
        if found is None:
            found = self._values[device] = self._all(device)
        return found.get(metric, found.get(ALIASES.get(metric, "")))

    def sense(self, point: Point) -> Value:
        """What a sensor shows now: the truth, what it showed when it got stuck, or None when it is unplugged."""
        if self._fault(point, "sensor_unplugged") is not None:
            return None
        stuck = self._fault(point, "sensor_stuck")
        if stuck is None:
            self._stuck.pop(point, None)
            return self.value(point.device, point.metric)
        known = self._stuck.get(point)
        if known is None or known[0] != stuck:
            known = self._stuck[point] = (stuck, self.value(point.device, point.metric))
        return known[1]

    def silent(self, name: str) -> bool:
        """Whether a device does not answer now."""
        return self.timeline.hits("device_silent", name, self.now_s) is not None

    def link_down(self, name: str) -> bool:
        """Whether a bus, reader, link or the JSON sensors' connection is cut now."""
        return self.timeline.hits("link_down", name, self.now_s) is not None

    def write(self, device: str, metric: str, value: float) -> bool:
        """Sets what can be set from outside: a room's setpoint. Returns whether the world took it."""
        if device not in self.rooms or metric != "setpoint":
            return False
        self.rooms[device].setpoint_c = value
        self._values.clear()
        return True

    def inject(self, fault: FaultConfig) -> None:
        """Lets something go wrong that the file does not have; `fault.at` counts from now.

        Raises:
            ConfigError: Its target is nothing that such a fault can hit.
        """
        check_target(self.config, fault)
        self.timeline.add(fault.model_copy(update={"at": self.now_s + fault.at}))

    def _rng(self, name: str) -> random.Random:
        """One source of chance for each thing, so that one more room changes nothing in the others."""
        return random.Random(f"{self.seed}/{name}")  # noqa: S311 - a simulation, not a secret

    def _tick(self) -> None:
        self._ticks += 1
        dt_s, now_s = self._tick_ms / 1000.0, self.now_s
        outside_c = ambient.temperature(self.config.ambient, self.time_of_day_s)
        working = self.config.work_from <= self.time_of_day_s < self.config.work_to
        broken = {f.target for f in self._faults("compressor_failure")}
        held = {f.target for f in self._faults("door_open")}
        cut = {name for rack in self.racks.values() if rack.config.name in broken for name in rack.config.rooms}
        for name, room in self.rooms.items():
            supply = 0.0 if name in cut else 1.0
            room.step(dt_s, Around(now_s, outside_c, working, supply, name in held, name in broken))
        for name, rack in self.racks.items():
            rack.step(dt_s, [self.rooms[room] for room in rack.config.rooms], outside_c, name in broken)
        for meter in self.meters.values():
            meter.step(dt_s, sum(self._power_w(rack) for rack in meter.config.racks))
        self._remove_stock(now_s)
        self.stock.step(dt_s, now_s, working)

    def _power_w(self, rack_name: str) -> float:
        rack = self.racks[rack_name]
        return rack.power_w + sum(self.rooms[name].power_w for name in rack.config.rooms)

    def _remove_stock(self, now_s: float) -> None:
        wanted = {i for i in self.timeline.on(now_s) if self.timeline.faults[i].type == "stock_removed"}
        for i in sorted(wanted - self._taken):
            self.stock.take(i, self.timeline.faults[i].target, self.timeline.faults[i].count, now_s)
        for i in sorted(self._taken - wanted):
            self.stock.give_back(i, now_s)
        self._taken = wanted

    def _faults(self, kind: FaultType) -> Sequence[FaultConfig]:
        return [self.timeline.faults[i] for i in self.timeline.on(self.now_s) if self.timeline.faults[i].type == kind]

    def _fault(self, point: Point, kind: FaultType) -> int | None:
        """The place in the config of a sensor fault that is on for this point."""
        names, faults = (point.name, f"{point.name}/{point.metric}"), self.timeline.faults
        on = self.timeline.on(self.now_s)
        return next((i for i in on if faults[i].type == kind and faults[i].target in names), None)

    def _all(self, device: str) -> Mapping[str, Value]:
        if device == AMBIENT:
            return {
                "temperature": ambient.temperature(self.config.ambient, self.time_of_day_s),
                "humidity": ambient.humidity(self.config.ambient, self.time_of_day_s),
            }
        for group in (self.rooms, self.racks, self.meters):
            if device in group:
                return group[device].values()
        raise KeyError(device)
