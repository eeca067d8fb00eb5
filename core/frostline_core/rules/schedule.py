"""When a rule is on duty: hours of the week in a time zone, with maintenance as exceptions.

    [rule.schedule]
    zone = "Europe/Amsterdam"
    hours = ["mon-fri 08:00-18:00", "sat 09:00-13:00"]      # 22:00-06:00 goes over midnight

Hours are local: where clocks change, an hour that does not exist is left out, and one that comes twice counts twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property, lru_cache
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field

from frostline_core.config import ConfigModel
from frostline_core.rules.state import FOREVER_MS

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(r"^(?:([a-z]{3})(?:-([a-z]{3}))? )?(\d{2}):(\d{2})-(\d{2}):(\d{2})$")
_MIDNIGHT = 24 * 60
_LOOK_DAYS = 9  # a week, and a day on either side

Window = tuple[frozenset[int], int, int]
"""(weekdays from 0 for Monday, first minute of the day, minute after the last; more than a day: over midnight)."""


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"{name!r} is not an IANA time zone such as 'Europe/Amsterdam'") from error
    return name


def _hours(text: str) -> str:
    window(text)
    return text


@lru_cache(maxsize=1000)
def window(text: str) -> Window:
    """Reads `"mon-fri 08:00-18:00"`; without days it is every day, and an end before the start is the next day's.

    Raises:
        ValueError: It is not of that form.
    """
    found = _HOURS.match(text)
    if found is None:
        raise ValueError('hours are written "mon-fri 08:00-18:00", "sat 09:00-13:00" or "22:00-06:00"')
    first, last, *numbers = found.groups()
    h1, m1, h2, m2 = (int(each) for each in numbers)
    start, end = h1 * 60 + m1, h2 * 60 + m2
    if m1 > 59 or m2 > 59 or start >= _MIDNIGHT or end > _MIDNIGHT or start == end:
        raise ValueError(f"{text!r}: the times are not times of a day from 00:00 to 24:00, or are the same")
    for day in (first, last):
        if day is not None and day not in _DAYS:
            raise ValueError(f"{text!r}: days are {', '.join(_DAYS)}")
    begin = _DAYS.index(first) if first else 0
    count = (_DAYS.index(last) - begin) % 7 + 1 if last else 1
    days = range(begin, begin + count) if first else range(7)
    return frozenset(day % 7 for day in days), start, end if end > start else end + _MIDNIGHT


class Schedule(ConfigModel):
    """Hours of the week in which a rule may open incidents; outside of them it only watches."""

    zone: Annotated[str, AfterValidator(_zone)] = Field(description="IANA time zone, for example Europe/Amsterdam.")
    hours: tuple[Annotated[str, AfterValidator(_hours)], ...] = Field(
        min_length=1, max_length=50, description='For example ["mon-fri 08:00-18:00"].'
    )

    def is_open(self, at_ms: int) -> bool:
        """Whether the rule is on duty at that instant."""
        return any(start <= at_ms < end for start, end in self._around(at_ms))

    def closed_until_ms(self, at_ms: int) -> int:
        """When it opens next after an instant at which it is closed; `FOREVER_MS` when it never does."""
        return min((start for start, _ in self._around(at_ms) if start > at_ms), default=FOREVER_MS)

    @cached_property
    def _zone_info(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    def _around(self, at_ms: int) -> tuple[tuple[int, int], ...]:
        here = datetime.fromtimestamp(at_ms / 1000, self._zone_info).date()
        return _spans(self.zone, self.hours, here)


@lru_cache(maxsize=10_000)
def _spans(zone: str, hours: tuple[str, ...], here: date) -> tuple[tuple[int, int], ...]:
    """Spans of UTC milliseconds that are open on the days around a date."""
    return tuple(_opened(ZoneInfo(zone), [window(text) for text in hours], here))


def _opened(zone: ZoneInfo, windows: list[Window], here: date) -> Iterator[tuple[int, int]]:
    for offset in range(-1, _LOOK_DAYS - 1):
        day = here + timedelta(days=offset)
        for days, start, end in windows:
            if day.weekday() in days:
                span = (wall_ms(zone, day, start), wall_ms(zone, day, end, ends=True))
                if span[0] < span[1]:
                    yield span


def wall_ms(zone: ZoneInfo, day: date, minute: int, *, ends: bool = False) -> int:
    """A local time of day in UTC milliseconds.

    Where it comes twice, a window that begins then begins at the first, and one that `ends` then ends at the second: on
    duty for longer rather than for shorter. Where it does not exist it is when the clock jumps.
    """
    whole, rest = divmod(minute, _MIDNIGHT)
    local = datetime.combine(day + timedelta(days=whole), time(rest // 60, rest % 60), zone)
    first, second = (local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    found = second if ends else first
    if first > second:
        offset = local.utcoffset()
        minutes = range(round((first - second).total_seconds()) // 60)
        around = (second + timedelta(minutes=each) for each in minutes)
        found = next((each for each in around if each.astimezone(zone).utcoffset() != offset), first)
    return round(found.timestamp() * 1000)
