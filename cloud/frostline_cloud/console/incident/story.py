"""What happened with an alert, in order: changes, people, outputs of gateways, and who was told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from frostline_cloud.api.alerts import AlertDetailOut, EventOut, NotificationOut

MOST: Final = 200
"""Entries that are shown, the newest; the export has all."""

_LATE_MS: Final = 60_000
_PERSON, _RULE, _TOLD, _SYSTEM = (
    ("person", "person"),
    ("rule", "show_chart"),
    ("told", "notifications"),
    ("system", "settings"),
)
_STATES: Final = {
    "dead": "given up",
    "collapsed": "left out, since a later one says more",
    "skipped": "left out, since the receiver wants no such",
}
_TYPES: Final = {
    "alert.firing": "that it fires",
    "alert.updated": "news",
    "alert.escalated": "by escalation",
    "alert.resolved": "that it is over",
    "alert.repeated": "that it still fires",
    "alert.digest": "in a digest",
    "alert.group": "with its group",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line.

    Attributes:
        at_ms: When the cloud knew, or did it.
        kind: `person`, `rule`, `told` or `system`.
        icon: Of the kind.
        text: What happened.
        note: Anything else; "" for nothing.
        is_bad: Something failed.
    """

    at_ms: int
    kind: str
    icon: str
    text: str
    note: str = ""
    is_bad: bool = False


def story(alert: AlertDetailOut, unit: str) -> list[Entry]:
    """All entries by time."""
    entries = [_event(each, unit) for each in alert.timeline] + [_notification(each) for each in alert.notifications]
    return sorted(entries, key=lambda each: each.at_ms)


def _event(event: EventOut, unit: str) -> Entry:
    late = event.noted_ms - event.at_ms > _LATE_MS
    note = f"measured {(event.noted_ms - event.at_ms) // 60_000} min before it came" if late else ""
    if event.act:
        text = f"{event.who}: {event.note}" if event.act == "comment" else event.note
        return Entry(event.noted_ms, *_PERSON, text[:1].upper() + text[1:] if event.act != "comment" else text)
    value = "" if event.value is None else f", {event.value:.6g} {unit}".rstrip()
    if event.before == event.after:
        return Entry(event.noted_ms, *_SYSTEM, f"{event.note[:1].upper()}{event.note[1:]}{value}", note)
    said = f" ({event.note})" if event.note else ""
    return Entry(event.noted_ms, *_RULE, f"{event.before or 'new'} → {event.after}{value}{said}", note)


def _notification(sent: NotificationOut) -> Entry:
    tries = len(sent.attempts)
    failed = [each.error for each in sent.attempts if each.error]
    notes = []
    if sent.done_ms is not None and sent.state == "delivered":
        notes.append(f"after {max(0, sent.done_ms - sent.created_ms) / 1000:.1f} s")
    if tries > 1 or failed:
        notes.append("1 attempt" if tries == 1 else f"{tries} attempts")
    if failed:
        notes.append(failed[-1])
    what = _TYPES.get(sent.type, sent.type)
    text = f"To {sent.receiver}, {what}: {_STATES.get(sent.state, sent.state)}"
    return Entry(sent.created_ms, *_TOLD, text, ", ".join(notes), sent.state == "dead")


def newest(entries: Sequence[Entry]) -> tuple[Sequence[Entry], int]:
    """Those that are shown, and how many are left out."""
    return entries[-MOST:], max(0, len(entries) - MOST)
