"""The `[[rotation]]` tables of cloud.toml."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, field_validator, model_validator

from frostline_cloud.notify.oncall.override import Override, clash, fault_of, shown
from frostline_cloud.notify.receivers.settings import known_zone
from frostline_cloud.notify.routing.config import DAYS, WindowConfig
from frostline_core.config import ConfigModel

_HAND_OVER = re.compile(r"^(?:(mon|tue|wed|thu|fri|sat|sun) )?([01][0-9]|2[0-3]):([0-5][0-9])$")
_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$")]


class Every(StrEnum):
    """What a turn is counted in."""

    DAY = "day"
    WEEK = "week"

    @property
    def days(self) -> int:
        """How many days it has."""
        return 7 if self is Every.WEEK else 1


def _moment(value: object) -> object:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise ValueError("must be a time such as 2026-12-24T08:00:00, local or with its offset") from error
    if not isinstance(value, datetime):
        raise ValueError("needs a time of day: 2026-12-24T08:00:00")
    return value


Moment = Annotated[datetime, BeforeValidator(_moment)]
"""A time on the clock of the rotation's zone, or one with its offset."""


class OverrideConfig(ConfigModel):
    """Somebody else for a while, whoever's turn it is: holidays, illness, a swap."""

    who: _Name = Field(description="A receiver; it need not be a member.")
    begin: Moment = Field(alias="from", description="When it begins, local or with its offset: 2026-12-24T08:00:00.")
    end: Moment = Field(alias="to", description="When it is over.")
    instead_of: str = Field(
        "", max_length=100, description="Only in turns of this member; whoever's turn it is where absent."
    )


class RotationConfig(ConfigModel):
    """A `[[rotation]]` table: people who take turns. Routes and steps of escalation name it where they name receivers.

    A turn begins when the clock on the wall shows `hand_over`. Where the clock is put forward over it, that is right
    after the jump; where it is put back, the first of the two. The turns go on for ever in both directions, so that
    somebody is on call before `begin` too.
    """

    name: _Name = Field(description="Unique name, also among receivers.")
    members: tuple[_Name, ...] = Field(
        min_length=1, max_length=100, description="Receivers in the order of their turns; who is named twice has two."
    )
    begin: date = Field(description="A day on which a turn of the first member begins, for example 2026-11-23.")
    every: Every = Field(Every.WEEK, description="What turns are counted in: day or week.")
    length: int = Field(1, ge=1, le=52, description="How many days or weeks a turn has.")
    hand_over: str = Field(
        "08:00", description='Local time at which turns change; may name the day that `begin` is: "mon 08:00".'
    )
    time_zone: str = Field("UTC", description="IANA time zone of everything in this table.")
    during: tuple[WindowConfig, ...] = Field(
        (), max_length=50, description="Windows of time in which somebody is on call; empty for always."
    )
    fallback: str = Field(
        "", max_length=100, description="The receiver that is told while nobody is on call, outside of `during`."
    )
    override: tuple[OverrideConfig, ...] = Field((), max_length=500, description="Somebody else for a while.")

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        return known_zone(value)

    @field_validator("hand_over")
    @classmethod
    def _is_time(cls, value: str) -> str:
        if not _HAND_OVER.match(value):
            raise ValueError("must be a time of day, HH:MM, of a week with its day before it: mon 08:00")
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        day, starts = self.hand_over.partition(" ")[0], DAYS[self.begin.weekday()].value
        if " " in self.hand_over and self.every is Every.DAY:
            raise ValueError("hand_over: names a day, but turns change each day; leave the day out, or every = 'week'")
        if " " in self.hand_over and day != starts:
            raise ValueError(f"begin: {self.begin} is a {starts}, and hand_over says {day}")
        overrides = self.overrides
        for each, fault in ((each, fault_of(each)) for each in overrides):
            if fault:
                raise ValueError(f"override: {fault}")
            if each.instead_of and each.instead_of not in self.members:
                raise ValueError(f"override: instead_of: {each.instead_of} is no member")
        if both := clash(overrides):
            first, second = both
            raise ValueError(f"override: from {shown(second.from_ms)} both {first.who} and {second.who} are on call")
        return self

    @property
    def minute(self) -> int:
        """Minute of the day at which turns change."""
        hour, minute = self.hand_over.rpartition(" ")[2].split(":")
        return int(hour) * 60 + int(minute)

    @property
    def people(self) -> Sequence[str]:
        """Everybody who may be on call by this table."""
        return tuple(dict.fromkeys([*self.members, *(each.who for each in self.override)]))

    @property
    def receivers(self) -> Sequence[str]:
        """Every receiver that it names."""
        return tuple(dict.fromkeys([*self.people, *filter(None, [self.fallback])]))

    @property
    def overrides(self) -> tuple[Override, ...]:
        """Those of this table.

        Raises:
            ValueError: The clock of the zone never shows the begin or the end of one, or does so twice.
        """
        zone = ZoneInfo(self.time_zone)
        return tuple(
            Override(
                self.name, each.who, _instant(each.begin, zone, "from"), _instant(each.end, zone, "to"), each.instead_of
            )
            for each in self.override
        )


def _instant(at: datetime, zone: ZoneInfo, key: str) -> int:
    if at.tzinfo is None:
        first, second = (at.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        if first > second:
            raise ValueError(f"override: {key}: {at} never is in {zone.key}: the clock is put forward over it")
        if first < second:
            offset = first.astimezone(zone).isoformat()
            raise ValueError(f"override: {key}: {at} comes twice in {zone.key}; say which with its offset: {offset}")
        at = first
    return round((at - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))
