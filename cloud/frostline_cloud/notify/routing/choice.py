"""Which routes take a notification, and so who is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo

from frostline_cloud.notify.routing.config import RouteConfig
from frostline_cloud.notify.routing.facts import Facts


@dataclass(frozen=True, slots=True)
class Choice:
    """What the routes say.

    Attributes:
        routes: Those that took it, in order.
        receivers: Receiver or rotation to the name of the first route that named it.
    """

    routes: tuple[RouteConfig, ...]
    receivers: dict[str, str]


def choose(routes: Sequence[RouteConfig], facts: Facts, now_ms: int) -> Choice:
    """Looks at the routes in order: the first that fits takes it; `continue` lets later ones take it too.

    Args:
        routes: In the order of the file.
        facts: What it is about.
        now_ms: UTC milliseconds, for routes with windows of time.
    """
    taken: list[RouteConfig] = []
    for route in routes:
        if matches(route, facts, now_ms):
            taken.append(route)
            if not route.go_on:
                break
    receivers: dict[str, str] = {}
    for route in taken:
        for name in route.to:
            receivers.setdefault(name, route.name)
    return Choice(tuple(taken), receivers)


def matches(route: RouteConfig, facts: Facts, now_ms: int) -> bool:
    """Whether every condition of a route holds."""
    if route.severities and facts.severity not in route.severities:
        return False
    if route.stages and facts.stage not in route.stages:
        return False
    globs = ((route.sites, facts.site), (route.rules, facts.rule), (route.kinds, facts.kind), (route.zones, facts.zone))
    if not all(_any(patterns, value) for patterns, value in globs):
        return False
    if not all(key in facts.labels and fnmatchcase(facts.labels[key], glob) for key, glob in route.labels.items()):
        return False
    return is_time(route, now_ms)


def is_time(route: RouteConfig, now_ms: int) -> bool:
    """Whether a route's windows allow it now."""
    if not route.during:
        return True
    local = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(ZoneInfo(route.time_zone))
    inside = any(window.covers(local.weekday(), local.time()) for window in route.during)
    return inside is not route.outside


def _any(patterns: Sequence[str], value: str) -> bool:
    return not patterns or any(fnmatchcase(value, pattern) for pattern in patterns)
