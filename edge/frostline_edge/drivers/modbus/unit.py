"""One device on the bus: its description, its plan of requests, and one poll of it."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from frostline_core.errors import ProtocolError
from frostline_core.reading import DeviceDescription, MetricDescription, Reading, Value
from frostline_edge.drivers.modbus.breaker import Breaker
from frostline_edge.drivers.modbus.bus import Bus
from frostline_edge.drivers.modbus.config import UnitConfig
from frostline_edge.drivers.modbus.faults import GarbledError, RefusedError, SilentError
from frostline_edge.drivers.modbus.late import Span
from frostline_edge.drivers.modbus.planner import Block, plan, split
from frostline_edge.profiles.model import Point, Profile, Table
from frostline_edge.profiles.registers import Codec, codec, datatype
from frostline_edge.sampling import Sampling
from frostline_edge.scan import Scan

# The device does not have (all of) what was asked: illegal address, illegal value (a count that it does not like).
_TOO_MUCH = (2, 3)

_Part = tuple[int, slice, Callable[[Sequence[int]], Value]]
"""A point's place among the unit's points, where it lies in a block's answer, and what decodes it."""


@dataclass(slots=True)
class _Compiled:
    """A block as it is decoded: its request, its parts, and the last answer with what came of it.

    Decoding costs more than looking whether the registers are still the same.
    """

    block: Block
    span: Span
    parts: list[_Part]
    words: Sequence[int]
    values: list[Value]

    def decode(self, words: Sequence[int], values: list[Value]) -> None:
        """Puts the values of an answer into their places."""
        before, known = self.words, self.values
        for number, (index, part, decode) in enumerate(self.parts):
            piece = words[part]
            if piece != before[part]:
                known[number] = decode(piece)
            values[index] = known[number]
        self.words = words


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

    scan: Scan
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
        self._codecs: dict[str, Codec] = {point.name: codec(point) for point in profile.points}
        self._names = tuple(self._points)
        self._places = {name: place for place, name in enumerate(self._names)}
        self._event_points = tuple((self._places[point.name], point.name) for point in profile.points if point.event)
        self._last_events: dict[str, Value] = {}
        self._blocks = self._compiled(plan(profile.points, profile.max_gap, profile.max_registers))

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
        values: list[Value] = [None] * len(self._names)
        answered, error = False, ""
        at_ms = 0
        todo, done = deque(self._blocks), list[_Compiled]()
        while todo:
            block = todo.popleft()
            try:
                words = await bus.read(self.config.unit, block.span)
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
                block.decode(words, values)
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

    def _compiled(self, blocks: Sequence[Block]) -> tuple[_Compiled, ...]:
        made: list[_Compiled] = []
        for block in blocks:
            parts: list[_Part] = []
            for point in block.points:
                known, first = self._codecs[point.name], point.address - block.address
                parts.append((self._places[point.name], slice(first, first + known.width), known.decode))
            span = Span(block.table, block.address, block.count)
            made.append(_Compiled(block, span, parts, (), [None] * len(parts)))
        return tuple(made)

    def _refused(self, refused: _Compiled, code: int, done: list[_Compiled]) -> tuple[_Compiled, ...]:
        """The parts to ask instead; none if the block cannot be taken apart or is refused for another reason."""
        parts = split(refused.block) if code in _TOO_MUCH else (refused.block,)
        if len(parts) > 1:
            return self._compiled(parts)
        done.append(refused)
        if code in _TOO_MUCH:
            self.statistics.refused |= {point.name: code for point in refused.block.points}
        return ()

    def _result(self, values: list[Value], now_ms: int, answered: bool, error: str) -> Poll:
        """Points that tell of events are in the scan as long as nothing has happened, so that their age is known."""
        changed: set[int] = set()
        for place, name in self._event_points:
            value = values[place]
            if value is not None:
                if self._last_events.get(name, value) != value:
                    changed.add(place)
                self._last_events[name] = value
        scan = Scan(self.name, self._names, values, now_ms)
        if not changed:
            return Poll(scan, (), answered, error)
        quiet = [place for place in range(len(values)) if place not in changed]
        rest = Scan(self.name, tuple(self._names[each] for each in quiet), [values[each] for each in quiet], now_ms)
        return Poll(rest, tuple(scan[place] for place in sorted(changed)), answered, error)


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
