"""Whose turn it is, until when, and who follows.

Everything is asked of one function, `who`, which looks at the clock on the wall; the calendar asks it at each moment at
which its answer may change. Therefore what is shown and who is called cannot differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice, takewhile
from typing import Final
from zoneinfo import ZoneInfo

from frostline_cloud.notify.oncall.config import RotationConfig
from frostline_cloud.notify.oncall.override import Override, holding
from frostline_core.rules.schedule import wall_ms

HORIZON_DAYS: Final = 400
"""So far ahead the calendar is looked at: a year, with both changes of clocks."""

_DAY_MINUTES: Final = 1440
_MINUTE_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Duty:
    """A span in which the same receiver is on call.

    Attributes:
        who: The receiver; "" while nobody is.
        begin_ms: UTC; of the first one the moment that was asked for.
        end_ms: UTC; None where it does not end within `HORIZON_DAYS`.
        override: What put it there; None where it is a turn.
    """

    who: str
    begin_ms: int
    end_ms: int | None
    override: Override | None = None


@dataclass(frozen=True, slots=True)
class Rotation:
    """A rotation.

    Attributes:
        config: Its table.
        planned: The overrides of the table.
        made: Those that were made over API and console; they go before the others.
    """

    config: RotationConfig
    planned: Sequence[Override]
    made: Sequence[Override] = ()

    @classmethod
    def of(cls, config: RotationConfig) -> Rotation:
        """The rotation of a table."""
        return cls(config, config.overrides)

    def with_overrides(self, made: Sequence[Override]) -> Rotation:
        """The same rotation with those of these overrides that are its own."""
        return replace(self, made=tuple(each for each in made if each.rotation == self.name))

    @property
    def name(self) -> str:
        """Its name."""
        return self.config.name

    @property
    def zone(self) -> ZoneInfo:
        """Its time zone."""
        return ZoneInfo(self.config.time_zone)

    def who(self, at_ms: int) -> str:
        """The receiver that is on call; "" where nobody is."""
        return self._found(at_ms)[0]

    def duties(self, from_ms: int, most: int, until_ms: int | None = None) -> list[Duty]:
        """Who is on call then, and who follows.

        Args:
            from_ms: UTC; the first duty is cut there.
            most: At most so many.
            until_ms: Only those that begin before; None for all.
        """
        found = takewhile(lambda each: until_ms is None or each.begin_ms < until_ms, self._duties(from_ms))
        return list(islice(found, most))

    def edges(self, from_ms: int) -> Iterator[int]:
        """The moments within `HORIZON_DAYS` after an instant at which somebody else may be on call, in order."""
        zone = self.zone
        until_ms = from_ms + HORIZON_DAYS * _DAY_MINUTES * _MINUTE_MS
        planned = {edge for each in (*self.planned, *self.made) for edge in (each.from_ms, each.to_ms)}
        windows = (minute % _DAY_MINUTES for window in self.config.during for minute in window.minutes())
        minutes = {self.config.minute, *windows}
        first = datetime.fromtimestamp(from_ms / 1000, zone).date() - timedelta(days=1)
        seen_ms = from_ms
        for number in range(HORIZON_DAYS + 3):
            day = first + timedelta(days=number)
            begin_ms, end_ms = wall_ms(zone, day, 0), wall_ms(zone, day + timedelta(days=1), 0)
            found = set(_on(zone, day, minutes)) | {edge for edge in planned if begin_ms <= edge < end_ms}
            for edge in sorted(found):
                if seen_ms < edge <= until_ms:
                    seen_ms = edge
                    yield edge

    def _duties(self, from_ms: int) -> Iterator[Duty]:
        who, override = self._found(from_ms)
        began_ms = from_ms
        for edge in self.edges(from_ms):
            found = self._found(edge)
            if found != (who, override):
                yield Duty(who, began_ms, edge, override)
                (who, override), began_ms = found, edge
        yield Duty(who, began_ms, None, override)

    def _found(self, at_ms: int) -> tuple[str, Override | None]:
        """Who is on call, and by which override."""
        who, found = self._by_turn(at_ms), None
        for some in (self.planned, self.made):
            override = holding(some, at_ms, who)
            if override is not None:
                who, found = override.who, override
        return who, found

    def _by_turn(self, at_ms: int) -> str:
        local = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self.zone)
        if self.config.during and not any(each.covers(local.weekday(), local.time()) for each in self.config.during):
            return ""
        members = self.config.members
        return members[self._turn(local.date(), at_ms) % len(members)]

    def _turn(self, today: date, at_ms: int) -> int:
        """Number of the turn; 0 is the one that starts on the day `begin`."""
        number = (today - self.config.begin).days // self._days
        while at_ms < self._starts_ms(number):
            number -= 1
        while at_ms >= self._starts_ms(number + 1):
            number += 1
        return number

    def _starts_ms(self, turn: int) -> int:
        return wall_ms(self.zone, self.config.begin + timedelta(days=turn * self._days), self.config.minute)

    @property
    def _days(self) -> int:
        return self.config.every.days * self.config.length


def _on(zone: ZoneInfo, day: date, minutes: set[int]) -> Iterator[int]:
    """When the clock shows these minutes of a day, both times where there are two, and when it is changed that day."""
    for minute in minutes:
        yield wall_ms(zone, day, minute)
        yield wall_ms(zone, day, minute, ends=True)
    low, high = (wall_ms(zone, each, 0) for each in (day, day + timedelta(days=1)))
    before = _offset(zone, low)
    if before != _offset(zone, high):
        while high - low > _MINUTE_MS:
            middle = low + (high - low) // (2 * _MINUTE_MS) * _MINUTE_MS
            low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
        yield high


def _offset(zone: ZoneInfo, at_ms: int) -> timedelta | None:
    return datetime.fromtimestamp(at_ms / 1000, zone).utcoffset()
