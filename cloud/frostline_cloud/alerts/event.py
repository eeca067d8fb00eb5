"""The kinds of news that there are of an incident."""

from __future__ import annotations

from enum import StrEnum


class EventType(StrEnum):
    """What a notification says of an incident; ESCALATED and DIGEST are written by notify only."""

    FIRING = "alert.firing"
    UPDATED = "alert.updated"
    RESOLVED = "alert.resolved"
    ESCALATED = "alert.escalated"
    DIGEST = "alert.digest"
