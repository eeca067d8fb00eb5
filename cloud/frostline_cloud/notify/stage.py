"""Which stage of an incident a notification tells of; it decides the words, and routes may ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from frostline_cloud.alerts.event import EventType


class Stage(StrEnum):
    """The stages.

    FIRING: it began. UPDATED: it is notably worse, or its severity changed. ESCALATED: nobody has taken note in time.
    RESOLVED: it is over. RETROACTIVE: it was found in samples that came late. NO_DATA: it began because data is
    missing. DIGEST: many at once, beyond a budget. GROUP: many that belong together.
    """

    FIRING = "firing"
    UPDATED = "updated"
    ESCALATED = "escalated"
    RESOLVED = "resolved"
    RETROACTIVE = "retroactive"
    NO_DATA = "no_data"
    DIGEST = "digest"
    GROUP = "group"


_BY_TYPE = {
    EventType.UPDATED: Stage.UPDATED,
    EventType.ESCALATED: Stage.ESCALATED,
    EventType.RESOLVED: Stage.RESOLVED,
    EventType.DIGEST: Stage.DIGEST,
    EventType.GROUP: Stage.GROUP,
}


def stage_of(body: Mapping[str, Any]) -> Stage:
    """The stage that a notification's body tells of."""
    found = _BY_TYPE.get(body.get("type", ""))
    if found is not None:
        return found
    if body.get("incident", {}).get("retroactive"):
        return Stage.RETROACTIVE
    return Stage.NO_DATA if body.get("value") is None else Stage.FIRING
