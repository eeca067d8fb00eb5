"""Which tag is in which zone, and when it came, moved and left. Pure: reads and instants in, movements out.

Instants are milliseconds of a clock that never jumps, from any origin: a gateway that learns the right time must not
lose its stock.

A tag arrives with its first read, moves when another zone hears it better, and departs when no zone has heard it for
`departed_after_ms`. To hear better means at least `min_reads` reads and a mean signal that beats the old zone's by an
advantage. The advantage starts at `advantage_db` and sinks by `slope_db_per_ms` once the old zone has not heard the tag
for `hold_off_ms`; so a stray read moves nothing, and a tag that has really gone is given up soon.
Source of the rule and its numbers: EdgeX Foundry, LLRP inventory, mobility profile.

A zone that cannot hear (reader away, antenna unplugged) is not empty: it is unknown. None of its tags departs, and
`known` says when its counts can be trusted again: each tag that was there has been heard, or had one whole
`departed_after_ms` to be heard and was then taken as departed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from frostline_core.epc import gtin14

_MEAN_OVER = 20
"""Reads in the moving mean of a zone's signal."""

_SIGHT_MS = 60_000
"""Reads further apart than this are no series: a stray read an hour does not add up to a move."""


class Event(StrEnum):
    """What can happen to a tag."""

    ARRIVED = "arrived"
    MOVED = "moved"
    DEPARTED = "departed"


@dataclass(frozen=True, slots=True)
class Movement:
    """Something happened to a tag.

    Attributes:
        event: What.
        epc: The tag.
        source: Zone that it left; "" when it arrived.
        target: Zone that it is in now; "" when it departed.
        at_ms: When it was noticed.
        seen_ms: When it was last heard.
    """

    event: Event
    epc: bytes
    source: str
    target: str
    at_ms: int
    seen_ms: int


@dataclass(frozen=True, slots=True)
class PresenceRules:
    """When a tag counts as arrived, moved and departed; see the module's text.

    Attributes:
        departed_after_ms: Unheard for so long, a tag has left.
        settle_ms: So long after a zone starts to hear, its counts are not trusted yet.
        min_reads: Reads in another zone that a move takes.
        advantage_db: How much stronger the other zone must hear.
        hold_off_ms: How long the old zone may miss the tag before the advantage sinks.
        slope_db_per_ms: How fast it sinks; negative.
        most_tags: Tags kept in memory; reads of further ones are counted in `ignored` and dropped.
    """

    departed_after_ms: int = 600_000
    settle_ms: int = 30_000
    min_reads: int = 2
    advantage_db: float = 6.0
    hold_off_ms: int = 500
    slope_db_per_ms: float = -0.008
    most_tags: int = 20_000


DOCK = PresenceRules()
SHELF = PresenceRules(hold_off_ms=60_000, slope_db_per_ms=-0.0005)
"""EdgeX's numbers for asset tracking and for retail."""


@dataclass(slots=True)
class _Sight:
    """How one zone has heard one tag."""

    reads: int = 0
    mean_dbm: float = 0.0
    last_ms: int = 0

    def add(self, rssi_dbm: float, at_ms: int) -> None:
        if at_ms - self.last_ms > _SIGHT_MS:
            self.reads = 0
        self.reads += 1
        if self.reads == 1:
            self.mean_dbm = rssi_dbm
        else:
            self.mean_dbm += (rssi_dbm - self.mean_dbm) / min(self.reads, _MEAN_OVER)
        self.last_ms = at_ms


@dataclass(slots=True)
class _Tag:
    zone: str
    gtin: str
    seen_ms: int
    sights: dict[str, _Sight] = field(default_factory=dict)


@dataclass(slots=True)
class _Zone:
    """A zone that hears: since when, whether it ever settled, and what it has not heard again since an outage."""

    hearing: bool = False
    since_ms: int = 0
    settled: bool = False
    missing: set[bytes] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)


class Presence:
    """The tags of one reader. Lives as long as the process: a reader's restart forgets nothing."""

    def __init__(self, rules: PresenceRules, zones: Iterable[str]) -> None:
        self._rules = rules
        self._zones = {name: _Zone() for name in zones}
        self._tags: dict[bytes, _Tag] = {}
        self.ignored = 0

    def hear(self, zone: str, at_ms: int) -> None:
        """The zone hears from now on; its tags must prove themselves again."""
        state = self._zones[zone]
        if not state.hearing:
            state.hearing, state.since_ms = True, at_ms
            state.missing = {epc for epc, tag in self._tags.items() if tag.zone == zone}

    def deafen(self, zone: str) -> None:
        """The zone no longer hears; what is in it is unknown, and stays."""
        self._zones[zone].hearing = False

    def read(self, epc: bytes, zone: str, rssi_dbm: float | None, at_ms: int) -> Movement | None:
        """A tag was heard in a zone.

        Args:
            epc: The tag.
            zone: Where.
            rssi_dbm: How strong. Without it only time decides: 0 dBm is taken in every zone.
            at_ms: When.

        Returns:
            What that means, if it changes anything. A tag that a zone finds while it settles for the first time was
            there before us and has not arrived.
        """
        tag = self._tags.get(epc)
        if tag is None:
            return self._arrive(epc, zone, rssi_dbm or 0.0, at_ms)
        tag.seen_ms = at_ms
        self._zones[tag.zone].missing.discard(epc)
        sight = tag.sights.setdefault(zone, _Sight())
        sight.add(rssi_dbm or 0.0, at_ms)
        if zone == tag.zone or not self._beats(sight, tag, at_ms):
            return None
        source = tag.zone
        self._zones[source].counts[tag.gtin] -= 1
        self._zones[zone].counts[tag.gtin] += 1
        tag.zone, tag.sights = zone, {zone: sight}
        return Movement(Event.MOVED, epc, source, zone, at_ms, at_ms)

    def check(self, at_ms: int) -> list[Movement]:
        """Which tags have departed by now, and which zones have settled. To be called now and then."""
        for zone in self._zones.values():
            zone.settled |= zone.hearing and at_ms - zone.since_ms >= self._rules.settle_ms
            for gtin in [gtin for gtin, count in zone.counts.items() if not count]:
                del zone.counts[gtin]  # else it grows with every trade item that ever passed
        limit = at_ms - self._rules.departed_after_ms
        gone = [(epc, tag) for epc, tag in self._tags.items() if tag.seen_ms <= limit and self._heeds(tag, limit)]
        for epc, tag in gone:
            del self._tags[epc]
            self._zones[tag.zone].counts[tag.gtin] -= 1
            self._zones[tag.zone].missing.discard(epc)
        return [Movement(Event.DEPARTED, epc, tag.zone, "", at_ms, tag.seen_ms) for epc, tag in gone]

    def known(self, zone: str, at_ms: int) -> bool:
        """Whether the zone's counts say what is there, as of the last `check`."""
        state = self._zones[zone]
        return state.hearing and at_ms - state.since_ms >= self._rules.settle_ms and not state.missing

    def counts(self, zone: str) -> Mapping[str, int]:
        """Tags in the zone by GTIN-14; "" counts those that name no trade item. What has gone is 0 until a `check`."""
        return self._zones[zone].counts

    def _arrive(self, epc: bytes, zone: str, rssi_dbm: float, at_ms: int) -> Movement | None:
        if len(self._tags) >= self._rules.most_tags:
            self.ignored += 1
            return None
        gtin = gtin14(epc) or ""
        self._tags[epc] = _Tag(zone, gtin, at_ms, {zone: _Sight(1, rssi_dbm, at_ms)})
        state = self._zones[zone]
        state.counts[gtin] += 1
        if not state.settled and at_ms - state.since_ms < self._rules.settle_ms:
            return None
        return Movement(Event.ARRIVED, epc, "", zone, at_ms, at_ms)

    def _beats(self, other: _Sight, tag: _Tag, at_ms: int) -> bool:
        if other.reads < self._rules.min_reads:
            return False
        current = tag.sights.get(tag.zone)
        if current is None:
            return True
        missed_ms = max(0, at_ms - current.last_ms - self._rules.hold_off_ms)
        return other.mean_dbm >= current.mean_dbm + self._rules.advantage_db + self._rules.slope_db_per_ms * missed_ms

    def _heeds(self, tag: _Tag, limit_ms: int) -> bool:
        """Whether the tag's zone has listened for long enough to miss it."""
        zone = self._zones[tag.zone]
        return zone.hearing and zone.since_ms <= limit_ms
