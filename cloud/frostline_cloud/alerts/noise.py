"""Which rules call too often: how many alerts, how many notifications, and how much of it is flapping.

An alert flaps when the same rule fires for the same series again within half an hour of its end. The flap score of a
rule is the part of its alerts that do: near 1 it wants hysteresis, `for` or `clear_for`; near 0 it does not.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, select

from frostline_cloud.sql.tables import alert, outbox

DAY_MS: Final = 24 * 3600 * 1000
AGAIN_MS: Final = 30 * 60_000
"""An alert that fires so soon after the end of the one before flaps."""

MOST_ALERTS: Final = 50_000
"""Alerts that one table looks at, the newest."""


@dataclass(frozen=True, slots=True)
class Noise:
    """How much a rule called.

    Attributes:
        rule: Its id.
        alerts: That fired.
        flaps: Of these, so soon after the one before of the same series.
        notifications: That went to people or machines for it.
        seen: Alerts of which somebody took note.
        noisiest_series: Site, gateway, device and metric with the most alerts.
        noisiest_count: How many those are.
    """

    rule: str
    alerts: int
    flaps: int
    notifications: int
    seen: int
    noisiest_series: str
    noisiest_count: int

    @property
    def flap_score(self) -> float:
        """0 to 1: the part of its alerts that flap."""
        return self.flaps / self.alerts if self.alerts else 0.0


def noisiest(connection: Connection, since_ms: int, limit: int = 20) -> list[Noise]:
    """The rules with the most alerts that fired since, the noisiest first."""
    columns = (alert.c.rule, alert.c.site, alert.c.node, alert.c.device, alert.c.metric)
    query = select(*columns, alert.c.fired_ms, alert.c.resolved_ms, alert.c.acknowledged_ms)
    query = query.where(alert.c.opened_ms >= since_ms, alert.c.fired_ms.is_not(None))
    newest = query.order_by(alert.c.opened_ms.desc()).limit(MOST_ALERTS)
    by_rule: dict[str, Counter[tuple[str, ...]]] = {}
    seen: Counter[str] = Counter()
    flaps: Counter[str] = Counter()
    ended: dict[tuple[str, ...], int | None] = {}
    for row in reversed(connection.execute(newest).all()):
        series: tuple[str, ...] = (row.site, row.node, row.device, row.metric)
        by_rule.setdefault(row.rule, Counter())[series] += 1
        seen[row.rule] += row.acknowledged_ms is not None
        before_ms = ended.get((row.rule, *series))
        flaps[row.rule] += before_ms is not None and row.fired_ms - before_ms <= AGAIN_MS
        ended[row.rule, *series] = row.resolved_ms
    told = _notifications(connection, since_ms)
    found = []
    for rule, counts in by_rule.items():
        ((noisy, most),) = counts.most_common(1)
        where = "/".join(part for part in noisy if part)
        found.append(Noise(rule, counts.total(), flaps[rule], told.get(rule, 0), seen[rule], where, most))
    return sorted(found, key=lambda each: (-each.alerts, each.rule))[:limit]


def _notifications(connection: Connection, since_ms: int) -> dict[str, int]:
    joined = outbox.join(alert, alert.c.id == outbox.c.alert)
    query = select(alert.c.rule, func.count().label("n")).select_from(joined).group_by(alert.c.rule)
    sent = query.where(outbox.c.state == "delivered", alert.c.opened_ms >= since_ms)
    return {row.rule: row.n for row in connection.execute(sent)}
