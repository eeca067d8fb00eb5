"""One device on the bus: its description, its plan of requests, and one poll of it."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from frostline_core.errors import ProtocolError
from frostline_core.reading import DeviceDescription, MetricDescription, Quality, Reading, Value
from frostline_edge.drivers.modbus.breaker import Breaker
from frostline_edge.drivers.modbus.bus import Bus, GarbledError, RefusedError, SilentError, Span
from frostline_edge.drivers.modbus.config import UnitConfig
from frostline_edge.drivers.modbus.planner import Block, plan, split
from frostline_edge.profiles.model import Point, Profile, Table
from frostline_edge.profiles.registers import Codec, codec, datatype
from frostline_edge.sampling import Sampling

# The device does not have (all of) what was asked: illegal address, illegal value (a count that it does not like).
_TOO_MUCH = (2, 3)

_Part = tuple[str, slice, Callable[[Sequence[int]], Value]]
"""A point's name, where it lies in a block's answer, and what decodes it."""


@dataclass(slots=True)
class UnitStatistics:
    """What polling a unit came to, since the driver was built.

    Attributes:
        polls: Polls that were begun.
        answered: Polls with at least one answer.
        silent: Requests without an answer in time.
        garbled: Answers that did not belong to their request.
        missed: Ticks that passed while a poll was under way or the bus was busy; they are not made up for.
        requests: Requests that one poll takes, as learnt so far.
        refused: Points that the device does not have, with the exception code.
    """

    polls: int = 0
    answered: int = 0
    silent: int = 0
    garbled: int = 0
    missed: int = 0
    requests: int = 0
    refused: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Poll:
    """What one poll gave.

    Attributes:
        scan: Every point that is not in `events`; without a value where there was none.
        events: Points declared as events whose value has changed.
        answered: Whether the device answered at all.
        error: Why not everything was read; "" if it was.
    """

    scan: tuple[Reading, ...]
    events: tuple[Reading, ...]
    answered: bool
    error: str


class Unit:
    """A device: config, profile, and what has been learnt of it."""

    def __init__(self, config: UnitConfig, profile: Profile) -> None:
        self.config = config
        self.breaker = Breaker()
        self.statistics = UnitStatistics()
        self.description = _describe(config, profile)
        self.sampling: Mapping[str, Sampling] = {point.name: _sampling(point) for point in profile.points}
        self._points = {point.name: point for point in profile.points}
        self._blocks = plan(profile.points, profile.max_gap, profile.max_registers)
        self._codecs: dict[str, Codec] = {point.name: codec(point) for point in profile.points}
        self._parts: dict[tuple[Table, int, int], tuple[Block, list[_Part]]] = {}
        self._event_points = frozenset(point.name for point in profile.points if point.event)
        self._last_events: dict[str, Value] = {}

    @property
    def name(self) -> str:
        """The device's id."""
        return self.config.name

    async def poll(self, bus: Bus, wall_ms: Callable[[], int]) -> Poll:
        """Reads everything once; stops at the first silence, so that a dead device costs one time-out.

        Args:
            bus: Where the unit is.
            wall_ms: The time; all readings carry that of the first answer, or of the end if there was none.

        Raises:
            UnavailableError: The line is gone.
        """
        self.statistics.polls += 1
        values: dict[str, Value] = {}
        answered, error = False, ""
        at_ms = 0
        todo, done = deque(self._blocks), list[Block]()
        while todo:
            block = todo.popleft()
            try:
                words = await bus.read(self.config.unit, Span(block.table, block.address, block.count))
            except RefusedError as refusal:
                at_ms = at_ms or wall_ms()
                answered, error = True, str(refusal)
                todo.extendleft(reversed(self._refused(block, refusal.code, done)))
                continue
            except SilentError as silence:
                self.statistics.silent += 1
                error = str(silence)
            except GarbledError as garbage:
                self.statistics.garbled += 1
                error = str(garbage)
            else:
                at_ms = at_ms or wall_ms()
                answered = True
                done.append(block)
                self._decode(block, words, values)
                continue
            done += [block, *todo]
            break
        self._blocks = tuple(done)
        self.statistics.requests = len(done)
        self.statistics.answered += answered
        return self._result(values, at_ms or wall_ms(), answered, error)

    def encoded(self, metric: str, value: Value) -> tuple[Span, list[int], int]:
        """Where and what to write: span, words and mask.

        Raises:
            ProtocolError: There is no such writable point, or the value is out of its range or of the wrong type.
        """
        point = self._points.get(metric)
        if point is None or not point.writable:
            raise ProtocolError(f"{self.name} has no writable metric '{metric}'")
        if point.write_range is not None and isinstance(value, int | float) and not isinstance(value, bool):
            low, high = point.write_range
            if not (math.isfinite(value) and low <= value <= high):
                raise ProtocolError(f"{self.name}/{metric}: {value} is outside {low} to {high} {point.unit}".rstrip())
        if value is None:
            raise ProtocolError(f"{self.name}/{metric}: a value is needed")
        try:
            words = self._codecs[metric].encode(value)
        except ValueError as error:
            raise ProtocolError(f"{self.name}/{error}") from error
        is_flag = point.type == "bit" and point.table is Table.HOLDING
        mask = 1 << (point.bit or 0) if is_flag else 0xFFFF
        return Span(point.table, point.address, len(words)), words, mask

    def _decode(self, block: Block, words: Sequence[int], values: dict[str, Value]) -> None:
        place = block.table, block.address, block.count
        known = self._parts.get(place)
        if known is None or known[0] is not block:
            known = self._parts[place] = block, self._compiled(block)
        for name, part, decode in known[1]:
            values[name] = decode(words[part])

    def _compiled(self, block: Block) -> list[_Part]:
        found: list[_Part] = []
        for point in block.points:
            known, first = self._codecs[point.name], point.address - block.address
            found.append((point.name, slice(first, first + known.width), known.decode))
        return found

    def _refused(self, block: Block, code: int, done: list[Block]) -> tuple[Block, ...]:
        """The parts to ask instead; none if the block cannot be taken apart or is refused for another reason."""
        parts = split(block) if code in _TOO_MUCH else (block,)
        if len(parts) > 1:
            return parts
        done.append(block)
        if code in _TOO_MUCH:
            self.statistics.refused |= {point.name: code for point in block.points}
        return ()

    def _result(self, values: Mapping[str, Value], now_ms: int, answered: bool, error: str) -> Poll:
        scan: list[Reading] = []
        events: list[Reading] = []
        device = self.name
        for name in self._points:
            value = values.get(name)
            reading = Reading(device, name, value, now_ms, Quality.BAD if value is None else Quality.GOOD)
            if name in self._event_points and value is not None:
                is_change = self._last_events.get(name, value) != value
                self._last_events[name] = value
                (events if is_change else scan).append(reading)
            else:
                scan.append(reading)
        return Poll(tuple(scan), tuple(events), answered, error)


def _describe(config: UnitConfig, profile: Profile) -> DeviceDescription:
    metrics = tuple(
        MetricDescription(
            name=point.name,
            datatype=datatype(point),
            unit=point.unit,
            low=point.valid[0] if point.valid else None,
            high=point.valid[1] if point.valid else None,
            writable=point.writable,
        )
        for point in profile.points
    )
    return DeviceDescription(config.name, profile.kind, config.zone, metrics, dict(config.labels))


def _sampling(point: Point) -> Sampling:
    return Sampling(
        deadband=point.deadband,
        min_interval_s=point.min_interval_s,
        max_interval_s=point.max_interval_s,
    )
