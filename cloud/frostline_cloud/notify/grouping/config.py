"""The `group` table of a route."""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from frostline_core.config import ConfigModel, nearest

NAMES = ("site", "node", "device", "kind", "zone", "metric", "rule")
"""What alerts may be grouped by, besides `label.<key>`."""

_LABEL = re.compile(r"^label\.\S{1,200}$")


class GroupConfig(ConfigModel):
    """How the alerts of a route are told together. A table that says nothing has these defaults.

    The goods decide them: what is critical waits for nothing; of the rest a message every five minutes is as much as
    people read; and after an hour in which nobody took note goods may be lost, so that it is told again.
    """

    by: tuple[str, ...] = Field(
        default=("site",),
        max_length=10,
        description="What the alerts of a group have in common: site, node, device, kind, zone, metric, rule or "
        "label.<key>; an empty list is one group for the whole route.",
    )
    wait_s: float = Field(
        default=30.0, ge=0, le=3600, description="A new group waits so long for more before its first message."
    )
    critical_wait_s: float = Field(
        default=0.0,
        ge=0,
        le=600,
        description="The same where something is critical; it then waits for no interval either.",
    )
    interval_s: float = Field(
        default=300.0,
        ge=1,
        le=86_400,
        description="From one message of a group to the next, where nothing is critical.",
    )
    repeat_s: float = Field(
        default=3600.0,
        ge=0,
        le=7 * 86_400,
        description="A group in which nothing is new is told again after so long, while something fires of which "
        "nobody took note. 0 for never.",
    )

    @field_validator("by")
    @classmethod
    def _is_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in NAMES and not _LABEL.match(name):
                raise ValueError(f"no '{name}'{nearest(name, list(NAMES))}: use {', '.join(NAMES)} or label.<key>")
        if len(set(value)) < len(value):
            raise ValueError("names something twice")
        return value
