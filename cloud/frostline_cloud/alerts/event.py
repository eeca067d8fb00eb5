"""The kinds of news that there are of an incident."""

from __future__ import annotations

from enum import StrEnum


class EventType(StrEnum):
    """What a notification says of an incident; what comes after RESOLVED is written by notify only.

    REPEATED: it still fires, and nobody took note. DIGEST, GROUP: of many at once.
    """

    FIRING = "alert.firing"
    UPDATED = "alert.updated"
    RESOLVED = "alert.resolved"
    ESCALATED = "alert.escalated"
    REPEATED = "alert.repeated"
    DIGEST = "alert.digest"
    GROUP = "alert.group"
