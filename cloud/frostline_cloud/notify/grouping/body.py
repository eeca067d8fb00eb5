"""What a group's message says: what fired, what became worse, what is over, and what goes on since before; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import Row

from frostline_cloud.alerts.event import EventType
from frostline_cloud.alerts.message import instant
from frostline_cloud.notify.grouping.group import Group
from frostline_core.rules import Severity

MOST_LISTED: Final = 50
"""Alerts that each part of a message lists, the gravest, and a digest in all; the others are counted."""

PARTS: Final = ("fired", "worse", "escalated", "resolved", "firing")
"""The parts of a message: new, told before and changed in three ways, and told before and unchanged."""

_PART = {
    EventType.FIRING.value: "fired",
    EventType.UPDATED.value: "worse",
    EventType.ESCALATED.value: "escalated",
    EventType.RESOLVED.value: "resolved",
}


def gravity(severity: str) -> int:
    """A number to sort by: the gravest has the least."""
    return -Severity(severity).rank


def body(
    message_id: str, group: Group, rows: Sequence[Row[Any]], going_on: Mapping[str, dict[str, Any]], now_ms: int
) -> dict[str, Any]:
    """One entry an alert, its newest, in one part; the gravest first.

    An alert that fired and is over since the message before is among those that are over; `was_told` is false there.

    Args:
        message_id: Of the message.
        group: Whose it is.
        rows: What waited.
        going_on: Body by alert of those that fire, were told before, and of which nobody took note.
        now_ms: UTC.
    """
    parts: dict[str, list[dict[str, Any]]] = {name: [] for name in PARTS}
    for alert, entry, types in _newest(rows):
        part = _part(entry["type"], types)
        if part == "resolved":
            entry |= {"was_told": EventType.FIRING.value not in types}
        if part:
            parts[part].append(entry)
        elif alert not in going_on:
            parts["firing"].append(entry)
    told = {entry["incident"]["id"] for name in PARTS for entry in parts[name]}
    parts["firing"] += [entry for alert, entry in going_on.items() if alert not in told]
    for entries in parts.values():
        entries.sort(key=_order)
    severe = [entry for name in PARTS if name != "resolved" for entry in parts[name]] or parts["resolved"]
    gravest = min((entry["incident"]["severity"] for entry in severe), key=gravity)
    return {
        "type": EventType.GROUP.value,
        "id": message_id,
        "timestamp": instant(now_ms),
        "group": {"id": group.id, "route": group.route, "by": dict(group.labels)},
        "severity": gravest,
        "repeated": not any(parts[name] for name in PARTS if name != "firing"),
        "last_told_at": instant(group.told_ms),
        "counts": {name: len(parts[name]) for name in PARTS},
        **{name: parts[name][:MOST_LISTED] for name in PARTS},
    }


def _order(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    """The gravest first, of those the oldest, of those by name."""
    series, incident = entry["series"], entry["incident"]
    names = (series["site"], series["device"], series["metric"], entry["rule"]["id"])
    return (gravity(incident["severity"]), entry["timestamp"], *names)


def _newest(rows: Sequence[Row[Any]]) -> list[tuple[str, dict[str, Any], set[str]]]:
    """Of each alert its newest body, and the types of all that waited."""
    newest: dict[str, Row[Any]] = {}
    types: dict[str, set[str]] = {}
    for row in sorted(rows, key=lambda row: row.revision):
        newest[row.alert] = row
        types.setdefault(row.alert, set()).add(row.type)
    return [(alert, orjson.loads(row.body), types[alert]) for alert, row in newest.items()]


def _part(newest: str, types: set[str]) -> str:
    """Where an alert is listed; "" where it is only told again."""
    if newest != EventType.RESOLVED and EventType.FIRING.value in types:
        return "fired"
    return _PART.get(newest, "")
