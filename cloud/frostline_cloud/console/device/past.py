"""One metric of a device over time, with its virtual buffer beside it: read for all who look at it, and bounded.

At most `MOST` are kept; each is read anew when a 300th of its range has passed, and not more often than every 10 s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Final

from sqlalchemy import Connection
from starlette.exceptions import HTTPException

from frostline_cloud.api import Caller, Services
from frostline_cloud.api.fleet import known_device
from frostline_cloud.api.series import SeriesOut, show_series
from frostline_cloud.console.front.values import LONGEST_SILENCE_MS, DeviceKey, with_gaps
from frostline_cloud.console.holes import Gap
from frostline_cloud.console.kept import Kept
from frostline_cloud.console.limits import Limit, in_force_on
from frostline_cloud.console.plot import Point
from frostline_cloud.sql import ledger, registry
from frostline_cloud.sql.ledger import Span
from frostline_cloud.sql.registry import KnownDevice, Scope
from frostline_core.rules.selector import BUFFERED

MOST: Final = 50
_POINTS: Final = 600
_AGAIN_MS: Final = 10_000
_AGAIN_PART: Final = 300
_HOUR_MS: Final = 3_600_000
_MOST_LOSSES: Final = 200


class Range(StrEnum):
    """How much of the past is shown."""

    HOUR = "1h"
    HOURS = "6h"
    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"

    @property
    def length_ms(self) -> int:
        """In milliseconds."""
        return _LENGTHS[self]


_LENGTHS: Final = {
    Range.HOUR: _HOUR_MS,
    Range.HOURS: 6 * _HOUR_MS,
    Range.DAY: 24 * _HOUR_MS,
    Range.WEEK: 7 * 24 * _HOUR_MS,
    Range.MONTH: 30 * 24 * _HOUR_MS,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody looks at.

    Attributes:
        device: Site, gateway and id.
        metric: As it is measured.
        range: How much of the past.
        with_buffer: Whether the virtual buffer is wanted too.
    """

    device: DeviceKey
    metric: str
    range: Range
    with_buffer: bool


@dataclass(frozen=True, slots=True)
class Past:
    """A metric over time.

    Attributes:
        read_ms: When it was read; the view ends there.
        series: What was measured, by interval.
        points: Its means, with None where nothing is known.
        buffered: The virtual buffer, with None where it has no value; empty where it was not asked for or has none.
        doubt: Why there is no buffer although one was asked for; "" otherwise.
        limits: That are in force, on what is measured or on its buffer.
        blind: Spans of which it is known that nothing came of them.
    """

    read_ms: int
    series: SeriesOut
    points: tuple[Point, ...]
    buffered: tuple[Point, ...] = ()
    doubt: str = ""
    limits: tuple[Limit, ...] = ()
    blind: tuple[Gap, ...] = ()

    @property
    def longest_ms(self) -> int:
        """Samples further apart have a gap between them."""
        return max(self.series.bucket_ms, LONGEST_SILENCE_MS)


@dataclass(slots=True)
class Pasts:
    """What all pages share; from any thread."""

    _kept: Kept[Wanted, Past] = field(default_factory=lambda: Kept(MOST))

    def of(self, wanted: Wanted) -> partial[Past]:
        """What reads it, as a call of the API."""
        return partial(self._read, wanted=wanted)

    def _read(self, services: Services, caller: Caller, wanted: Wanted) -> Past:
        now_ms = services.clock()
        lasts_ms = max(_AGAIN_MS, wanted.range.length_ms // _AGAIN_PART)
        known = self._kept.get(wanted)
        if known is not None and 0 <= now_ms - known.read_ms < lasts_ms:
            return known
        found = read(services, caller, wanted)
        self._kept.put(wanted, found)
        return found


def read(services: Services, caller: Caller, wanted: Wanted) -> Past:
    """Reads it.

    Raises:
        HTTPException: There is no such device or metric, or it is no number.
        UnavailableError: SQL or the store does not answer.
    """
    now_ms = services.clock()
    ask = partial(
        show_series,
        services,
        caller,
        *wanted.device,
        start=now_ms - wanted.range.length_ms,
        end=now_ms,
        max_points=_POINTS,
    )
    series = ask(wanted.metric)
    known = known_device(services, Scope(*wanted.device))
    with services.reading() as connection:
        blind = _blind(connection, known, (series.from_ms, series.to_ms))
    longest_ms = max(series.bucket_ms, LONGEST_SILENCE_MS)
    buffered: tuple[Point, ...] = ()
    doubt = ""
    if wanted.with_buffer:
        try:
            buffered = with_gaps(ask(f"{wanted.metric}{BUFFERED}").points, longest_ms)
        except HTTPException as error:
            doubt = str(error.detail)
    limits = in_force_on(known, wanted.metric, services.in_force())
    return Past(now_ms, series, with_gaps(series.points, longest_ms, blind), buffered, doubt, limits, blind)


def _blind(connection: Connection, known: KnownDevice, view: tuple[int, int]) -> tuple[Gap, ...]:
    """Since when it is offline, and what its gateway lost without a count: nobody was there to measure.

    The newest 200 entries of the list of losses are looked at.
    """
    begin_ms, end_ms = view
    listed = ledger.losses(connection, Span(known.site, known.node, begin_ms, most=_MOST_LOSSES))
    found = [
        Gap(each.from_ms, each.to_ms)
        for each in listed
        if each.samples is None and each.recovered_ms is None and each.from_ms is not None and each.to_ms is not None
    ]
    nodes = [] if known.node_online else registry.nodes(connection, Scope(known.site, known.node), most=1)
    deaths = [each.death_ms for each in nodes] + ([] if known.online else [known.death_ms])
    offline = [Gap(at_ms, end_ms) for at_ms in deaths if at_ms is not None and at_ms < end_ms]
    return tuple(sorted([*found, *offline], key=lambda each: each.from_ms))
