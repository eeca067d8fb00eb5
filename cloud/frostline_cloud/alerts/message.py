"""What a receiver is told: one JSON object for each notification."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

from frostline_cloud.alerts.event import EventType
from frostline_cloud.alerts.incident import Incident
from frostline_core.rules import Severity


@lru_cache(256)
def instant(ms: int | None) -> str | None:
    """RFC 3339 in UTC with milliseconds, or None."""
    if ms is None:
        return None
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def render(kind: EventType, message_id: str, incident: Incident, event_ms: int, noted_ms: int) -> str:
    """The body of a notification, made once: every attempt to deliver it carries the same bytes; see `content`."""
    return orjson.dumps(content(kind, message_id, incident, event_ms, noted_ms)).decode()


def content(kind: EventType, message_id: str, incident: Incident, event_ms: int, noted_ms: int) -> dict[str, Any]:
    """What a notification says.

    Args:
        kind: What it says.
        message_id: Id of the notification; the receiver's key against duplicates.
        incident: As it is after the change.
        event_ms: When it happened at the sensor.
        noted_ms: When the cloud knew.
    """
    evidence = incident.evidence
    return {
        "type": kind.value,
        "id": message_id,
        "timestamp": instant(event_ms),
        "noted_at": instant(noted_ms),
        "revision": incident.revision,
        "summary": incident.summary,
        "incident": {
            "id": incident.id,
            "state": incident.state,
            "severity": incident.severity,
            "retroactive": incident.retroactive,
            "opened_at": instant(incident.opened_ms),
            "fired_at": instant(incident.fired_ms),
            "resolved_at": instant(incident.resolved_ms),
            "acknowledged_by": incident.acknowledged_by,
        },
        "rule": {"id": incident.rule, "title": evidence.get("title"), "version": evidence.get("rule_version")},
        "series": {
            "site": incident.site,
            "node": incident.node,
            "device": incident.device,
            "kind": evidence.get("kind"),
            "zone": incident.zone,
            "metric": incident.metric,
            "labels": evidence.get("labels", {}),
        },
        "value": incident.value,
        "limit": evidence.get("limit"),
        "unit": evidence.get("unit") or None,
    }


def news(kind: EventType, receiver: str, incident: Incident, event_ms: int, noted_ms: int) -> dict[str, Any]:
    """A new row of the outbox; the arguments are those of `render`, and to whom it goes."""
    message_id = f"msg_{uuid.uuid4().hex}"
    return {
        "id": message_id,
        "alert": incident.id,
        "revision": incident.revision,
        "type": kind.value,
        "receiver": receiver,
        "body": render(kind, message_id, incident, event_ms, noted_ms),
        "state": "waiting",
        "created_ms": noted_ms,
        "due_ms": noted_ms,
        "attempts": 0,
        "critical": incident.severity == Severity.CRITICAL,
    }
