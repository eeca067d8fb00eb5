"""When nobody is on call: looked for over the coming year, with its changes of clocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from heapq import merge

from frostline_cloud.notify.oncall.rotation import Rotation
from frostline_cloud.notify.routing import RouteConfig


def holes(rotations: Sequence[Rotation], from_ms: int) -> Iterator[tuple[int, int]]:
    """Spans in which none of some rotations has anybody on call, in order; within the rotations' horizon.

    Args:
        rotations: That are named together: it is enough that one of them has somebody.
        from_ms: UTC.
    """
    began_ms: int | None = None
    for at_ms in (from_ms, *merge(*(each.edges(from_ms) for each in rotations))):
        is_empty = not any(each.who(at_ms) for each in rotations)
        if is_empty and began_ms is None:
            began_ms = at_ms
        elif not is_empty and began_ms is not None:
            yield began_ms, at_ms
            began_ms = None
    if began_ms is not None:
        yield began_ms, at_ms


def gaps(rotations: Sequence[Rotation], routes: Sequence[RouteConfig], now_ms: int) -> list[str]:
    """What is wrong with rotations that can be read, a sentence each: nobody on call, and no use.

    Args:
        rotations: All of them.
        routes: That may name them.
        now_ms: UTC; the coming year is looked at.
    """
    known = {each.name: each for each in rotations}
    named = [(f"route '{route.name}'", route.to) for route in routes]
    named += [
        (f"route '{route.name}', step {number}", step.to)
        for route in routes
        for number, step in enumerate(route.escalate, 1)
    ]
    found = [_empty(where, [known[name] for name in to if name in known], now_ms) for where, to in named]
    used = {name for _, to in named for name in to}
    found += [f"rotation '{name}' is named by no route and no step" for name in known if name not in used]
    return [each for each in found if each]


def _empty(where: str, rotations: Sequence[Rotation], now_ms: int) -> str:
    """That nobody is on call at times and no receiver is named to be told then; "" where somebody always is told."""
    if not rotations or any(each.config.fallback for each in rotations):
        return ""
    spans = list(holes(rotations, now_ms))
    if not spans:
        return ""
    zone, (begin_ms, end_ms) = rotations[0].zone, spans[0]
    begin, end = (datetime.fromtimestamp(each / 1000, zone) for each in (begin_ms, end_ms))
    names = ", ".join(f"'{each.name}'" for each in rotations)
    more = f", and {len(spans) - 1} times more in a year" if len(spans) > 1 else ""
    span = f"from {begin:%a %Y-%m-%d %H:%M %Z} to {end:%a %Y-%m-%d %H:%M %Z}{more}"
    return f"{where}: nobody is on call in {names} {span}; name a fallback in the rotation, or every receiver is told"
