"""How the canary has done: its latencies and its failures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from sqlalchemy import Connection, select

from frostline_cloud.sql.tables import canary


@dataclass(frozen=True, slots=True)
class Figures:
    """Of the newest flights.

    Attributes:
        flights: How many were looked at.
        failed: How many of them did not arrive.
        p50_ms: Half of those that arrived took no longer; None if none arrived.
        p95_ms: 95 % of them took no longer.
        last_ms: When the newest began; None if there was none.
        last_took_ms: How long it took; None if it did not arrive.
        last_error: Why; "" if it did.
        arrived_ms: When the newest that arrived began.
    """

    flights: int = 0
    failed: int = 0
    p50_ms: int | None = None
    p95_ms: int | None = None
    last_ms: int | None = None
    last_took_ms: int | None = None
    last_error: str = ""
    arrived_ms: int | None = None


def figures(connection: Connection, limit: int = 100) -> Figures:
    """The figures of the newest `limit` flights."""
    rows = connection.execute(select(canary).order_by(canary.c.id.desc()).limit(limit)).all()
    if not rows:
        return Figures()
    arrived = [row for row in rows if row.took_ms is not None]
    times = sorted(row.took_ms for row in arrived)
    return Figures(
        flights=len(rows),
        failed=len(rows) - len(arrived),
        p50_ms=percentile(times, 50),
        p95_ms=percentile(times, 95),
        last_ms=rows[0].at_ms,
        last_took_ms=rows[0].took_ms,
        last_error=rows[0].error,
        arrived_ms=arrived[0].at_ms if arrived else None,
    )


def percentile(ordered: Sequence[int], percent: int) -> int | None:
    """The smallest value that so many percent do not exceed (nearest rank); None of nothing."""
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)] if ordered else None
