"""The `[[route]]` tables of cloud.toml."""

from __future__ import annotations

from datetime import time
from enum import StrEnum
from typing import Self

from pydantic import Field, field_validator, model_validator

from frostline_cloud.notify.grouping.config import GroupConfig
from frostline_cloud.notify.receivers.settings import known_zone
from frostline_cloud.notify.stage import Stage
from frostline_core.config import ConfigModel
from frostline_core.rules import Severity


class Day(StrEnum):
    """Days of the week, Monday first."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


DAYS = tuple(Day)
_CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$"


class WindowConfig(ConfigModel):
    """A window of time that comes each week, by the clock on the wall.

    Where the clock is put forward, a window that would begin in the missing hour begins right after it; where it is put
    back, both passes of the hour count. A window past midnight belongs to the day on which it begins.
    """

    days: tuple[Day, ...] = Field(DAYS, min_length=1, description="mon to sun; all where absent.")
    begin: str = Field("00:00", pattern=_CLOCK, description="Local time of its first minute, HH:MM.")
    end: str = Field("24:00", pattern=_CLOCK, description="Local time at which it is over; before `begin`: tomorrow.")

    @model_validator(mode="after")
    def _has_length(self) -> Self:
        if self.begin == self.end or self.begin == "24:00":
            raise ValueError("begin and end must differ; the whole day is begin = '00:00', end = '24:00'")
        return self

    def minutes(self) -> tuple[int, int]:
        """Begin and end in minutes of the day, end being 1 to 1440."""
        begin, end = (_minutes(each) for each in (self.begin, self.end))
        return begin, end or 1440

    def covers(self, weekday: int, at: time) -> bool:
        """Whether a local weekday (Monday is 0) and time lie in it."""
        begin, end = self.minutes()
        minute = at.hour * 60 + at.minute
        today, yesterday = DAYS[weekday] in self.days, DAYS[weekday - 1] in self.days
        if begin < end:
            return today and begin <= minute < end
        return (today and minute >= begin) or (yesterday and minute < end)


class EscalateConfig(ConfigModel):
    """One step: who is told when nobody has taken note by then."""

    after_minutes: float = Field(ge=0.01, le=7 * 1440, description="Minutes after the alert was first told.")
    to: tuple[str, ...] = Field(min_length=1, max_length=50, description="Names of receivers and rotations.")


class RouteConfig(ConfigModel):
    """A `[[route]]` table. Every condition that it states must hold; a list holds where one of its entries does.

    Routes are looked at in the order of the file. The first that fits takes the alert, and no other is looked at unless
    it says `continue = true`. Who was told of an alert is also told how it goes on and that it is over, whatever the
    time is by then.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$", description="Unique name.")
    to: tuple[str, ...] = Field(max_length=50, description="Names of receivers and rotations; empty tells nobody.")
    severities: tuple[Severity, ...] = Field((), description="info, warning, critical; empty for all.")
    sites: tuple[str, ...] = Field((), max_length=1000, description="Sites, with * and ? as wildcards; empty for all.")
    rules: tuple[str, ...] = Field((), max_length=1000, description="Ids of rules, with wildcards; empty for all.")
    kinds: tuple[str, ...] = Field((), max_length=100, description="Kinds of device, with wildcards; empty for all.")
    zones: tuple[str, ...] = Field((), max_length=1000, description="Zones, with wildcards; empty for all.")
    stages: tuple[Stage, ...] = Field((), description="firing, updated, resolved, ...; empty for all.")
    labels: dict[str, str] = Field({}, max_length=50, description="Labels of the device, values with wildcards.")
    during: tuple[WindowConfig, ...] = Field((), max_length=50, description="Windows of time; empty for always.")
    outside: bool = Field(False, description="Whether the route holds outside of `during` instead.")
    time_zone: str = Field("UTC", description="IANA time zone of `during`.")
    go_on: bool = Field(False, alias="continue", description="Whether later routes are looked at too.")
    group: GroupConfig | None = Field(
        None, description="What belongs together is told together; where absent, alerts are told one by one."
    )
    escalate: tuple[EscalateConfig, ...] = Field((), max_length=20, description="Steps until somebody takes note.")

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        return known_zone(value)

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        if self.outside and not self.during:
            raise ValueError("outside needs `during`")
        waits = [step.after_minutes for step in self.escalate]
        if waits != sorted(set(waits)):
            raise ValueError("escalate: each step comes later than the one before")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Receivers and rotations that it names, steps included."""
        return tuple(dict.fromkeys([*self.to, *(name for step in self.escalate for name in step.to)]))


def _minutes(clock: str) -> int:
    hour, minute = clock.split(":")
    return int(hour) * 60 + int(minute)
