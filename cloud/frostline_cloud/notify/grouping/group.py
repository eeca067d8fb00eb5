"""One group: who it is, and when it is looked at next; pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row

from frostline_cloud.notify.grouping.config import GroupConfig

LOOK_MS: Final = 3_600_000
"""A group in which something fires is looked at once in so long, even where nothing is ever repeated."""

APART_MS: Final = 5_000
"""From one message of a group to the next, whatever is critical: in a storm one message stands for hundreds."""

_LABEL: Final = "label."


@dataclass(frozen=True, slots=True)
class Group:
    """A row of the table `notice_group`.

    Attributes:
        id: Made of receiver, route and labels: the same each time.
        receiver: Who is told.
        route: Which route chose them.
        labels: What its alerts have in common.
        next_ms: When it is looked at.
        lease_ms: Until when a process works on it; 0 for nobody.
        told_ms: When its newest message was delivered; None before the first.
        firing: Alerts that fire, by that message.
    """

    id: str
    receiver: str
    route: str
    labels: Mapping[str, str]
    next_ms: int = 0
    lease_ms: int = 0
    told_ms: int | None = None
    firing: int = 0

    @classmethod
    def of(cls, receiver: str, route: str, labels: Mapping[str, str]) -> Group:
        """The group of a receiver, a route and labels, before anything is known of it."""
        name = json.dumps([receiver, route, sorted(labels.items())], ensure_ascii=False)
        return cls(f"grp_{hashlib.sha256(name.encode()).hexdigest()[:32]}", receiver, route, dict(labels))

    @classmethod
    def from_row(cls, row: Row[Any]) -> Group:
        """The group in a row of the table."""
        return cls(**{name: row._mapping[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True, slots=True)
class Standing:
    """What there is to say of a group.

    Attributes:
        waits: News waits.
        critical: Some of it is critical, and not only the end of something.
        is_open: One of its alerts is not over.
    """

    waits: bool = False
    critical: bool = False
    is_open: bool = False


def labels_of(config: GroupConfig, body: Mapping[str, Any]) -> dict[str, str]:
    """What a notification has of what its route groups by; "" where it lacks something."""
    series = body["series"]
    found = {}
    for name in config.by:
        if name.startswith(_LABEL):
            found[name] = str((series.get("labels") or {}).get(name.removeprefix(_LABEL), ""))
        else:
            found[name] = str((body["rule"]["id"] if name == "rule" else series.get(name)) or "")
    return found


def next_look(config: GroupConfig | None, group: Group, standing: Standing, now_ms: int) -> int | None:
    """When a group is looked at next; None: it is over and may be forgotten.

    That everything is over is told after `wait_s`, where the message before said that something fires: people may be
    on their way. It does not end the interval, so that an alert that comes and goes is not told faster by going.

    Args:
        config: Of its route; None: the route groups no longer, and what waits is told now.
        group: As it is in SQL.
        standing: What there is to say.
        now_ms: UTC.
    """
    if standing.waits:
        return now_ms if config is None else _news_ms(config, group, standing, now_ms)
    if config is None or group.told_ms is None:
        return None
    if standing.is_open:
        again_ms = _ms(config.repeat_s) or LOOK_MS
        return group.told_ms + again_ms if group.told_ms + again_ms > now_ms else now_ms + again_ms
    ends_ms = group.told_ms + _ms(config.interval_s)
    return ends_ms if ends_ms > now_ms else None


def _news_ms(config: GroupConfig, group: Group, standing: Standing, now_ms: int) -> int:
    if standing.critical:
        urgent_ms = now_ms + _ms(config.critical_wait_s)
        return urgent_ms if group.told_ms is None else max(urgent_ms, group.told_ms + APART_MS)
    soon_ms = now_ms + _ms(config.wait_s)
    if group.told_ms is None or (group.firing and not standing.is_open):
        return soon_ms
    return max(soon_ms, group.told_ms + _ms(config.interval_s))


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
