"""What is wrong with routes that can be read: alerts that nobody gets, and routes that get nothing.

Routes tell alerts apart only by what their patterns name, so that a finite number of sample alerts stands for all:
for each field one value for each pattern and one that no pattern names, and for time each boundary of a window, looked
at over the week from now. With very many patterns the samples are cut short, and what is found is still true.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice, product
from typing import Final
from zoneinfo import ZoneInfo

from frostline_cloud.notify.routing.choice import choose
from frostline_cloud.notify.routing.config import RouteConfig
from frostline_cloud.notify.routing.facts import Facts
from frostline_cloud.notify.stage import Stage
from frostline_core.rules import Severity

MOST_SAMPLES: Final = 20_000
"""Sample alerts that are looked at, at most."""

_OTHER = "any-other"
_BEGINNINGS = (Stage.FIRING, Stage.NO_DATA, Stage.RETROACTIVE)


def gaps(routes: Sequence[RouteConfig], now_ms: int) -> list[str]:
    """Sentences for people, the gravest first; empty where nothing is wrong.

    Args:
        routes: In the order of the file.
        now_ms: UTC milliseconds; the week from then is looked at.
    """
    if not routes:
        return []
    used: set[str] = set()
    alone: str | None = None
    for facts, at_ms in islice(_samples(routes, now_ms), MOST_SAMPLES):
        choice = choose(routes, facts, at_ms)
        used.update(route.name for route in choice.routes)
        if facts.severity == Severity.CRITICAL and facts.stage in _BEGINNINGS and not choice.receivers:
            alone = alone or _told(facts, at_ms)
    found = [f"no route tells anybody of {alone}; it would go to every receiver"] if alone else []
    idle = [route.name for route in routes if route.name not in used]
    return found + [f"route '{name}' never gets anything: routes before it take all that it would" for name in idle]


def _samples(routes: Sequence[RouteConfig], now_ms: int) -> Iterator[tuple[Facts, int]]:
    """Sample alerts, those of other than the named things first."""
    fields = (
        _values(pattern for route in routes for pattern in route.sites),
        _values(pattern for route in routes for pattern in route.rules),
        _values(pattern for route in routes for pattern in route.kinds),
        _values(pattern for route in routes for pattern in route.zones),
    )
    stages = tuple(Stage) if any(route.stages for route in routes) else (Stage.FIRING,)
    labels: list[dict[str, str]] = [{}]
    labels += [{key: _example(glob) for key, glob in route.labels.items()} for route in routes if route.labels]
    severities = (Severity.CRITICAL, Severity.WARNING, Severity.INFO)
    for site, rule, kind, zone in product(*fields):
        for label, stage, severity, at_ms in product(labels, stages, severities, _times(routes, now_ms)):
            yield Facts(severity.value, site, rule, stage, kind, zone, label), at_ms


def _values(patterns: Iterable[str]) -> list[str]:
    return list(dict.fromkeys([_OTHER, *(_example(pattern) for pattern in patterns)]))


def _example(pattern: str) -> str:
    """A value that a pattern fits, good enough for `*`, `?` and `[...]`."""
    text, rest = "", pattern
    while rest:
        head, rest = rest[0], rest[1:]
        if head == "[" and "]" in rest[1:]:
            inside, _, rest = rest.partition("]")
            text += inside[0] if inside[0] != "!" else "~"
        else:
            text += {"*": "", "?": "x"}.get(head, head)
    return text or _OTHER


def _times(routes: Sequence[RouteConfig], now_ms: int) -> list[int]:
    """Each boundary of each window in the week from now, and now."""
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    found = {now_ms}
    for route in routes:
        zone = ZoneInfo(route.time_zone)
        first = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
        edges = {minute for window in route.during for minute in window.minutes()}
        for day, minute in product(range(8), edges):
            at = (first.replace(tzinfo=None) + timedelta(days=day, minutes=minute)).replace(tzinfo=zone)
            found.add(round(at.timestamp() * 1000))
    return sorted(found)


def _told(facts: Facts, at_ms: int) -> str:
    when = datetime.fromtimestamp(at_ms / 1000, UTC)
    labels = "".join(f", label {key}={value}" for key, value in facts.labels.items())
    return f"a critical alert of rule '{facts.rule}' at site '{facts.site}'{labels} on {when:%A %H:%M} UTC"
