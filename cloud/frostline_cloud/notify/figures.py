"""How delivery goes for each receiver, from the delivery log; for metrics and API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select

from frostline_cloud.notify.canary.figures import percentile
from frostline_cloud.notify.health import HealthState, all_health
from frostline_cloud.notify.outbox import UNADDRESSED, RowState
from frostline_cloud.sql.tables import delivery, outbox

WINDOW_MS = 24 * 3_600_000
"""The span that success and latency are taken over."""

_MOST_ATTEMPTS = 5_000


@dataclass(frozen=True, slots=True)
class ReceiverFigures:
    """How delivery to one receiver goes.

    Attributes:
        receiver: Its name.
        health: `ok`, `resting` or `gone`.
        reason: Of its newest failure; "" where it is well.
        states: Notifications by state, of all time that is kept.
        attempts: In the last 24 h, at most the newest 5,000.
        failed: How many of them failed.
        p50_ms: Half of the attempts took no longer; None without any.
        p95_ms: 95 % took no longer.
    """

    receiver: str
    health: str = HealthState.OK.value
    reason: str = ""
    states: dict[str, int] = field(default_factory=dict)
    attempts: int = 0
    failed: int = 0
    p50_ms: int | None = None
    p95_ms: int | None = None


def receiver_figures(connection: Connection, now_ms: int, names: Sequence[str] = ()) -> list[ReceiverFigures]:
    """The figures of every receiver that is named or was ever told, by name."""
    counts: dict[str, dict[str, int]] = {name: {} for name in names}
    columns = (outbox.c.receiver, outbox.c.state)
    query = select(*columns, func.count().label("n")).where(outbox.c.receiver != UNADDRESSED).group_by(*columns)
    for row in connection.execute(query):
        counts.setdefault(row.receiver, {})[row.state] = row.n
    health = {each.receiver: each for each in all_health(connection)}
    found = []
    for name in sorted({*counts, *health}):
        times, failed = _attempts(connection, name, now_ms)
        found.append(
            ReceiverFigures(
                name,
                health[name].state.value if name in health else HealthState.OK.value,
                health[name].reason if name in health else "",
                counts.get(name, {}),
                len(times),
                failed,
                percentile(times, 50),
                percentile(times, 95),
            )
        )
    return found


def _attempts(connection: Connection, receiver: str, now_ms: int) -> tuple[list[int], int]:
    """How long the attempts of the last 24 h took, in order, and how many failed.

    Of a notification that was delivered the newest attempt is the one that worked.
    """
    query = (
        select(delivery.c.outbox, delivery.c.took_ms, outbox.c.state)
        .join(outbox, outbox.c.id == delivery.c.outbox)
        .where(outbox.c.receiver == receiver, delivery.c.at_ms > now_ms - WINDOW_MS)
        .order_by(delivery.c.id.desc())
        .limit(_MOST_ATTEMPTS)
    )
    rows = connection.execute(query).all()
    worked = {row.outbox for row in rows if row.state == RowState.DELIVERED.value}
    return sorted(row.took_ms for row in rows), len(rows) - len(worked)
