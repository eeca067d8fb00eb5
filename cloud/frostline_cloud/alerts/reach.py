"""What a silence would cover, before it is made: open alerts, those of the last week, and devices.

Matchers on metric, rule or severity say nothing of a device, so devices are counted by the others alone. What is
looked at is bounded: `MOST_ALERTS` alerts and `MOST_DEVICES` devices; `is_cut` says that there are more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection, select

from frostline_cloud.alerts.incident import Incident
from frostline_cloud.alerts.read import NEEDS_SOMEBODY, Filters, alerts
from frostline_cloud.alerts.silences import LABEL, Silence, Subject, check_matchers
from frostline_cloud.sql.tables import alert, device

WEEK_MS: Final = 7 * 24 * 3600 * 1000
MOST_ALERTS: Final = 5_000
MOST_DEVICES: Final = 5_000
MOST_SHOWN: Final = 100
_OF_DEVICES: Final = ("site", "node", "device")


@dataclass(frozen=True, slots=True)
class Reach:
    """What matchers cover.

    Attributes:
        open: Open alerts, newest first, at most `MOST_SHOWN`.
        open_count: How many these are in all.
        week_count: Alerts that opened in the last 7 days.
        devices: Site, gateway and device, at most `MOST_SHOWN`.
        device_count: How many these are in all.
        device_total: How many devices are known.
        is_cut: There was more to look at than the bounds allow: the counts are of a part.
    """

    open: tuple[Incident, ...]
    open_count: int
    week_count: int
    devices: tuple[tuple[str, str, str], ...]
    device_count: int
    device_total: int
    is_cut: bool


def reach(connection: Connection, matchers: Mapping[str, str], now_ms: int) -> Reach:
    """What a silence with these matchers would cover now.

    Raises:
        ConfigError: A matcher is not known, or together they match everything.
    """
    check_matchers(matchers)
    wanted = Silence(0, matchers, "", "", now_ms, now_ms)
    shown = alerts(connection, Filters(states=NEEDS_SOMEBODY, limit=1000))
    covered = [each for each in shown if wanted.matches(Subject.of(each))]
    query = select(alert).where(alert.c.opened_ms >= now_ms - WEEK_MS).order_by(alert.c.opened_ms.desc())
    recent = connection.execute(query.limit(MOST_ALERTS + 1)).all()
    columns = (device.c.site, device.c.node, device.c.device, device.c.labels)
    by_key = select(*columns).order_by(device.c.site, device.c.node, device.c.device)
    known = connection.execute(by_key.limit(MOST_DEVICES + 1)).all()
    of_device = {name: each for name, each in matchers.items() if name in _OF_DEVICES or name.startswith(LABEL)}
    where = replace(wanted, matchers=of_device)
    devices = [
        (row.site, row.node, row.device)
        for row in known[:MOST_DEVICES]
        if where.matches(Subject("", "", "", row.site, row.node, row.device, "", "", row.labels or {}))
    ]
    return Reach(
        open=tuple(covered[:MOST_SHOWN]),
        open_count=len(covered),
        week_count=sum(wanted.matches(Subject.of(row)) for row in recent[:MOST_ALERTS]),
        devices=tuple(devices[:MOST_SHOWN]),
        device_count=len(devices),
        device_total=min(len(known), MOST_DEVICES),
        is_cut=len(shown) >= 1000 or len(recent) > MOST_ALERTS or len(known) > MOST_DEVICES,
    )
