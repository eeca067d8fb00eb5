"""Evidence: what was measured around an alert, gathered from the store and frozen in SQL when the alert is closed.

What is read is bounded: half an hour before and after, at most `MOST_READ` samples of the alert's own series, of
which at most `MOST_KEPT` are kept one by one; of more, each interval's lowest, highest and mean. Coverage says how much
of the alert's time samples speak for; where it is below 1 nobody knows what was in between.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, insert, select

from frostline_cloud.alerts.handling import MOST_TEXT, Act, Doing, handlings, keep, locked, note
from frostline_cloud.alerts.incident import Incident
from frostline_cloud.alerts.read import Filters
from frostline_cloud.sql.tables import alert_evidence
from frostline_cloud.store.port import Place, Store
from frostline_core.errors import ConfigError
from frostline_core.rules import Phase, duration

AROUND_MS: Final = 30 * 60_000
"""How much before and after an alert is kept."""

MOST_READ: Final = 200_000
"""Samples that are read for one alert; what comes after is only in the intervals."""

MOST_KEPT: Final = 2_000
"""Samples, or intervals, that are kept."""

_MAX_GAP_MS: Final = 600_000  # of rules that say nothing else
_COMPLIANCE: Final = "compliance"


TO_CLOSE: Final = Filters(states=(Phase.RESOLVED.value,), is_closed=False, category=_COMPLIANCE)
"""Alerts about compliance that are over and wait for cause and disposition."""


class Disposition(StrEnum):
    """What became of the goods."""

    RELEASE = "release"
    QUARANTINE = "quarantine"
    DESTROY = "destroy"


@dataclass(frozen=True, slots=True)
class Closing:
    """What somebody says when they close an alert.

    Attributes:
        cause: Why it happened; "" where nothing is said.
        disposition: What became of the goods; None where nothing is said.
    """

    cause: str = ""
    disposition: Disposition | None = None


def gather(store: Store, incident: Incident, now_ms: int) -> dict[str, Any]:
    """What was measured around an alert, as JSON values.

    Args:
        store: Where the samples are.
        incident: The alert.
        now_ms: The end of one that is not over.

    Raises:
        UnavailableError: The store does not answer.
    """
    begin = incident.opened_ms if incident.fired_ms is None else min(incident.fired_ms, incident.opened_ms)
    end = now_ms if incident.resolved_ms is None else max(incident.resolved_ms, begin)
    place = Place(
        str(incident.evidence.get("kind") or ""), incident.site, incident.node, incident.device, incident.zone
    )
    tally = _Tally(begin, end, longest_gap_ms(incident.evidence.get("rule")))
    start_ms, end_ms = max(0, begin - AROUND_MS), end + AROUND_MS
    if incident.metric and place.measurement:
        for at_ms, value in store.samples(place, incident.metric, start_ms, end_ms):
            if not tally.take(at_ms, value):
                break
    found: dict[str, Any] = {
        "from_ms": start_ms,
        "to_ms": end_ms,
        "begin_ms": begin,
        "end_ms": incident.resolved_ms,
        "duration_ms": end - begin,
        "suppressed_ms": incident.evidence.get("suppressed_ms", 0),
        "rule": incident.evidence.get("rule"),
        "limit": incident.evidence.get("limit"),
        "unit": incident.evidence.get("unit"),
    }
    found |= tally.said()
    if tally.count > MOST_KEPT or tally.is_cut:
        length_ms = max(1_000, math.ceil((end_ms - start_ms) / MOST_KEPT / 1_000) * 1_000)
        buckets = store.series(place, incident.metric, start_ms, end_ms, length_ms)
        found |= {"samples": [], "interval_ms": length_ms}
        found["intervals"] = [[each.at_ms, each.low, each.mean, each.high, each.count] for each in buckets]
    return found


def frozen(connection: Connection, alert_id: str) -> tuple[dict[str, Any], int] | None:
    """The evidence of an alert that was closed, and when that was."""
    row = connection.execute(select(alert_evidence).where(alert_evidence.c.id == alert_id)).one_or_none()
    return None if row is None else (row.content, row.frozen_ms)


def check_closing(incident: Incident, closing: Closing) -> None:
    """Whether an alert may be closed with these words.

    Raises:
        ConfigError: It is not over, or it is about compliance and cause or disposition are missing.
    """
    if incident.state != Phase.RESOLVED.value:
        raise ConfigError(f"the alert is {incident.state}: it is closed when it is over")
    if len(closing.cause) > MOST_TEXT:
        raise ConfigError(f"a cause has at most {MOST_TEXT} characters")
    if is_compliance(incident) and not (closing.cause.strip() and closing.disposition):
        raise ConfigError("an alert about compliance is closed with a cause and a disposition")


def is_compliance(incident: Incident) -> bool:
    """Whether the rule decides about goods, as it was when the alert opened."""
    return incident.category == _COMPLIANCE


def close(connection: Connection, alert_id: str, closing: Closing, content: Mapping[str, Any], doing: Doing) -> bool:
    """Closes an alert that is over, with its evidence; returns whether there is such an alert.

    Args:
        connection: In a transaction that may write.
        alert_id: The alert.
        closing: What there is to say.
        content: From `gather`.
        doing: Who, and when.

    Raises:
        ConfigError: As `check_closing`, or it is closed already.
    """
    row = next(iter(locked(connection, [alert_id])), None)
    if row is None:
        return False
    check_closing(Incident.from_row(row._mapping), closing)
    known = handlings(connection, [alert_id])[alert_id]
    if known.closed_ms is not None:
        raise ConfigError(f"{known.closed_by} has closed the alert already")
    what = f", {closing.disposition}" if closing.disposition else ""
    cause = closing.cause.strip()
    note(connection, row, (Act.CLOSE, f"closed by {doing.who}{what}{': ' if cause else ''}{cause}"), doing)
    disposition = None if closing.disposition is None else closing.disposition.value
    said = {"cause": cause or None, "disposition": disposition}
    keep(connection, alert_id, closed_ms=doing.now_ms, closed_by=doing.who, **said)
    connection.execute(insert(alert_evidence).values(id=alert_id, content=dict(content), frozen_ms=doing.now_ms))
    return True


def longest_gap_ms(rule: Mapping[str, Any] | None) -> int:
    """How long a value speaks, by the rule as it was when the alert opened (`evidence["rule"]`)."""
    said = ((rule or {}).get("content") or {}).get("max_gap")
    return _MAX_GAP_MS if said is None else duration.parse(said)


@dataclass(slots=True)
class _Tally:
    """What the samples add up to; lowest, highest, mean and coverage are of the alert's own time."""

    begin: int
    end: int
    max_gap_ms: int
    count: int = 0
    within: int = 0
    low: float = math.inf
    high: float = -math.inf
    total: float = 0.0
    covered_ms: int = 0
    last_ms: int | None = None
    is_cut: bool = False
    samples: list[list[float]] | None = None

    def take(self, at_ms: int, value: float) -> bool:
        """Takes a sample in; whether more are wanted."""
        if self.count >= MOST_READ:
            self.is_cut = True
            return False
        if self.samples is None:
            self.samples = []
        self._cover(at_ms)
        self.count += 1
        self.last_ms = at_ms
        if len(self.samples) <= MOST_KEPT:
            self.samples.append([at_ms, value])
        if self.begin <= at_ms <= self.end:
            self.within += 1
            self.total += value
            self.low, self.high = min(self.low, value), max(self.high, value)
        return True

    def said(self) -> dict[str, Any]:
        """As JSON values; `read_to_ms` where there were more samples than are read."""
        cut_ms = self.last_ms if self.is_cut else None
        if not self.is_cut:
            self._cover(self.end)
        length = self.end - self.begin
        some = self.within > 0
        return {
            "count": self.within,
            "low": self.low if some else None,
            "high": self.high if some else None,
            "mean": self.total / self.within if some else None,
            "coverage": None if length <= 0 else round(min(1.0, self.covered_ms / length), 4),
            "read_to_ms": cut_ms,
            "samples": (self.samples or [])[:MOST_KEPT],
            "interval_ms": None,
            "intervals": [],
        }

    def _cover(self, until_ms: int) -> None:
        """The last sample speaks until the next, or for `max_gap`."""
        if self.last_ms is None:
            return
        speaks = min(until_ms, self.last_ms + self.max_gap_ms, self.end) - max(self.last_ms, self.begin)
        self.covered_ms += max(0, speaks)
