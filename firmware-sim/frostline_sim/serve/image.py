"""One Modbus unit in memory: which registers it has, and what is in them now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from frostline_core.errors import ConfigError
from frostline_core.reading import Value
from frostline_core.units import convert
from frostline_edge.profiles import Point, Profile, Table
from frostline_edge.profiles.registers import decode, encode, width
from frostline_sim.serve.truth import Truth
from frostline_sim.world.metrics import METRICS
from frostline_sim.world.world import Point as WorldPoint
from frostline_sim.world.world import World

BITS = frozenset({Table.COIL, Table.DISCRETE})


class RefusedError(Exception):
    """A write that a real device answers with an exception: no such address, or a value out of range."""

    def __init__(self, *, illegal_value: bool) -> None:
        super().__init__("illegal value" if illegal_value else "illegal address")
        self.illegal_value = illegal_value


class Image:
    """The registers of one unit, made from its profile and the world at the moment of a read."""

    def __init__(self, device: str, profile: Profile, world: World, truth: Truth) -> None:
        """Binds a profile to a device of the world.

        Raises:
            ConfigError: The profile is for another kind of device, or a unit cannot be converted.
        """
        self.device = device
        self.profile = profile
        self._world = world
        self._truth = truth
        self._units = METRICS[world.kinds[device]]
        if profile.kind != world.kinds[device]:
            raise ConfigError(f"profile {profile.id} is for a {profile.kind}, but {device} is a {world.kinds[device]}")
        for point in profile.points:
            self._in_unit(point, 0.0)
        self._kept: dict[str, Value] = {p.name: _constant(p) for p in profile.points if p.name not in self._units}
        self._tables = {
            table: sorted((p for p in profile.points if p.table is table), key=lambda p: p.address) for table in Table
        }

    def blocks(self, table: Table) -> list[tuple[int, int]]:
        """The readable blocks of a table as (first, count); gaps that the profile lets a request span are readable."""
        found: list[tuple[int, int]] = []
        for point in self._tables[table]:
            end = point.address + width(point)
            if found and point.address <= sum(found[-1]) + self.profile.max_gap:
                first, count = found[-1]
                found[-1] = (first, max(count, end - first))
            else:
                found.append((point.address, width(point)))
        return found

    def read(self, table: Table, first: int, count: int) -> dict[int, int]:
        """The words (or bits) that points put into a range of addresses; a gap is not in it.

        Raises:
            ValueError: A point has no way to say what the world wants it to say.
        """
        values = {point: self._value(point) for point in self._within(table, first, count)}
        words = _words(values)
        for point, value in values.items():
            self._truth.gave(self.device, point.name, value)
        return words

    def write(self, table: Table, first: int, values: Sequence[int]) -> None:
        """Takes a write as the device does: each address must belong to a writable point, each value to its range.

        Raises:
            RefusedError: Nothing was changed.
        """
        points = list(self._within(table, first, len(values)))
        covered = {a for p in points if p.writable for a in range(p.address, p.address + width(p))}
        if not covered.issuperset(range(first, first + len(values))):
            raise RefusedError(illegal_value=False)
        words = _words({point: self._value(point) for point in points}) | dict(enumerate(values, start=first))
        taken = [(p, decode(p, [words[a] for a in range(p.address, p.address + width(p))])) for p in points]
        for point, value in taken:
            if point.write_range and not _between(value, point.write_range):
                raise RefusedError(illegal_value=True)
        for point, value in taken:
            if point.writable:
                self._set(point, value)

    def _set(self, point: Point, value: Value) -> None:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and self._world.write(self.device, point.name, float(str(value))):
            self._truth.took(self.device, point.name, value)
        elif point.name in self._kept:
            self._kept[point.name] = value
            self._truth.took(self.device, point.name, value)

    def _within(self, table: Table, first: int, count: int) -> Iterator[Point]:
        for point in self._tables[table]:
            if point.address < first + count and first < point.address + width(point):
                yield point

    def _value(self, point: Point) -> Value:
        if point.name in self._kept:
            return self._kept[point.name]
        value = self._world.sense(WorldPoint(self.device, point.name, self.device))
        if value is None or isinstance(value, str | bytes):
            return value
        if point.type == "bit":
            return bool(value)
        return self._in_unit(point, float(value))

    def _in_unit(self, point: Point, value: float) -> float:
        unit = self._units.get(point.name, "")
        return convert(value, unit, point.unit) if unit and point.unit else value


def _words(values: Mapping[Point, Value]) -> dict[int, int]:
    """Address -> word; bits that share a register are OR-ed."""
    words: dict[int, int] = {}
    for point, value in values.items():
        for at, word in enumerate(encode(point, value), start=point.address):
            words[at] = words.get(at, 0) | word
    return words


def _constant(point: Point) -> Value:
    """What a point shows that the world knows nothing of: 0 where it may be, else the low end of its range."""
    if point.type == "bit":
        return False
    if point.type == "string":
        return "sim"
    ranges = [each for each in (point.valid, point.write_range) if each is not None]
    choices = [0.0, *(low for low, _ in ranges), *((low + high) / 2 for low, high in ranges)]
    return next((c for c in choices if all(_between(c, each) for each in ranges) and _holds(point, c)), 0.0)


def _holds(point: Point, value: float) -> bool:
    try:
        encode(point, value)
    except ValueError:
        return False
    return True


def _between(value: Value, span: tuple[float, float]) -> bool:
    return isinstance(value, int | float) and span[0] <= value <= span[1]
