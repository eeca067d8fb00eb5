"""Sample notifications, one a stage, for previews: what people will read before anything has happened."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from frostline_cloud.alerts.event import EventType
from frostline_cloud.alerts.message import instant
from frostline_cloud.notify.links.writing import linked, to_note
from frostline_cloud.notify.stage import Stage

_TYPES = {
    Stage.UPDATED: EventType.UPDATED,
    Stage.ESCALATED: EventType.ESCALATED,
    Stage.RESOLVED: EventType.RESOLVED,
    Stage.DIGEST: EventType.DIGEST,
    Stage.GROUP: EventType.GROUP,
}


def sample(stage: Stage, now_ms: int, public_url: str = "") -> dict[str, Any]:
    """The body of a made-up notification: a cold room in Rotterdam that is too warm. Its links lead nowhere."""
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    made = _group(now) if stage is Stage.GROUP else _digest(now) if stage is Stage.DIGEST else _single(stage, now)
    return linked(made, public_url, "sample" if to_note(made) else "") if public_url else made


def _digest(now: datetime) -> dict[str, Any]:
    """Two warnings."""
    return {
        "type": EventType.DIGEST.value,
        "id": "dig_sample",
        "timestamp": _text(now),
        "count": 12,
        "incidents": 2,
        "severity": "warning",
        "by_rule": [{"name": "Cold room too warm", "count": 2}],
        "by_site": [{"name": "rotterdam", "count": 2}],
        "items": [
            _single(kind, now) | {"incident": _incident(kind, now) | {"severity": "warning"}}
            for kind in (Stage.FIRING, Stage.RESOLVED)
        ],
    }


def _group(now: datetime) -> dict[str, Any]:
    """Of a site: one alert is new, one became worse, one is over and one goes on."""
    shown = {"fired": Stage.FIRING, "worse": Stage.UPDATED, "escalated": None, "resolved": Stage.RESOLVED}
    parts = {name: [] if stage is None else [_room(stage, now, n)] for n, (name, stage) in enumerate(shown.items(), 1)}
    parts["firing"] = [_room(Stage.FIRING, now, len(shown) + 1)]
    return {
        "type": EventType.GROUP.value,
        "id": "grp_sample",
        "timestamp": _text(now),
        "group": {"id": "grp_sample", "route": "sample", "by": {"site": "rotterdam"}},
        "severity": "critical",
        "repeated": False,
        "last_told_at": _text(now - timedelta(minutes=5)),
        "counts": {name: len(entries) for name, entries in parts.items()},
        **parts,
    }


def _room(stage: Stage, now: datetime, number: int) -> dict[str, Any]:
    body = _single(stage, now)
    room = f"chiller-{number}"
    incident = body["incident"] | {"id": f"00000000-0000-4000-8000-{number:012}"}
    return body | {"series": body["series"] | {"device": room, "zone": room}, "incident": incident}


def _single(stage: Stage, now: datetime) -> dict[str, Any]:
    body: dict[str, Any] = {
        "type": _TYPES.get(stage, EventType.FIRING).value,
        "id": "msg_sample",
        "timestamp": _text(now - timedelta(minutes=1)),
        "noted_at": _text(now),
        "revision": 2,
        "summary": "Cold room too warm: rotterdam chiller-1 air temperature 9.4 °C (limit 8 °C)",
        "incident": _incident(stage, now),
        "rule": {"id": "chiller-too-warm", "title": "Cold room too warm", "version": "sample"},
        "series": {
            "site": "rotterdam",
            "node": "gw-1",
            "device": "chiller-1",
            "kind": "cold_room",
            "zone": "chiller-1",
            "metric": "air_temperature",
            "labels": {"product": "dairy"},
        },
        "value": None if stage is Stage.NO_DATA else 9.4,
        "limit": None if stage is Stage.NO_DATA else 8.0,
        "unit": "Cel",
    }
    if stage is Stage.ESCALATED:
        body["escalation"] = {"route": "sample", "step": 1, "after_s": 600}
    return body


def _incident(stage: Stage, now: datetime) -> dict[str, Any]:
    fired = now - (timedelta(hours=6) if stage is Stage.RETROACTIVE else timedelta(minutes=11))
    over = stage is Stage.RESOLVED
    return {
        "id": "00000000-0000-4000-8000-000000000000",
        "state": "resolved" if over else "firing",
        "severity": "critical",
        "retroactive": stage is Stage.RETROACTIVE,
        "opened_at": _text(fired - timedelta(minutes=5)),
        "fired_at": _text(fired),
        "resolved_at": _text(now) if over else None,
        "acknowledged_by": None,
    }


def _text(at: datetime) -> str | None:
    return instant(round(at.timestamp() * 1000))
