"""What routes look at, taken from a notification's body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from frostline_cloud.notify.stage import Stage, stage_of


@dataclass(frozen=True, slots=True)
class Facts:
    """What a notification is about.

    Attributes:
        severity: Of the incident.
        site: Of the series.
        rule: Its id.
        stage: What is told.
        kind: Of the device.
        zone: Of the device.
        labels: Of the device.
    """

    severity: str
    site: str
    rule: str
    stage: Stage = Stage.FIRING
    kind: str = ""
    zone: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


def facts_of(body: Mapping[str, Any]) -> Facts:
    """The facts in a body."""
    series = body["series"]
    return Facts(
        severity=body["incident"]["severity"],
        site=series["site"],
        rule=body["rule"]["id"],
        stage=stage_of(body),
        kind=series.get("kind") or "",
        zone=series.get("zone") or "",
        labels={str(key): str(value) for key, value in (series.get("labels") or {}).items()},
    )
