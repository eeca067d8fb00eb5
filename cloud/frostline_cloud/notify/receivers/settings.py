"""What every receiver has in its table, whatever its kind."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from frostline_cloud.alerts.event import EventType
from frostline_core.config import ConfigModel
from frostline_core.rules import Severity


def known_zone(value: str) -> str:
    """The name of an IANA time zone.

    Raises:
        ValueError: There is none of that name.
    """
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("is not a time zone; use a name such as Europe/Amsterdam, Asia/Shanghai or UTC") from error
    return value


class BudgetConfig(ConfigModel):
    """How many notifications a receiver takes one by one; what is beyond comes as a digest. Critical ones always pass.

    A window slides: `per_hour = 30` are at most 30 in any 60 minutes.
    """

    per_minute: int | None = Field(default=None, ge=1, le=100_000, description="At most so many in any minute.")
    per_hour: int | None = Field(default=None, ge=1, le=1_000_000, description="At most so many in any hour.")
    digest_every_s: float = Field(
        default=300.0, ge=1, le=86_400, description="A notification that is held waits at most so long for its digest."
    )

    @property
    def windows_ms(self) -> tuple[tuple[int, int], ...]:
        """Length of a window and how many it takes."""
        both = ((60_000, self.per_minute), (3_600_000, self.per_hour))
        return tuple((length, most) for length, most in both if most is not None)


class ReceiverSettings(ConfigModel):
    """The keys that all receivers share."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$", description="Unique name, shown with each delivery.")
    timeout_s: float = Field(10.0, gt=0, le=60, description="The longest that one attempt may take, in seconds.")
    types: tuple[EventType, ...] = Field((), description="Types to send, for example alert.firing; empty for all.")
    severities: tuple[Severity, ...] = Field((), description="Severities to send; empty for all.")
    fallback: str = Field(
        "",
        max_length=100,
        description="The receiver that is told when this one is gone or fails, and that gets what this one does not.",
    )
    budget: BudgetConfig = Field(BudgetConfig(), description="How many notifications come one by one.")


class PeopleSettings(ReceiverSettings):
    """The keys of receivers whose messages people read."""

    language: str = Field(
        "en", pattern=r"^[A-Za-z0-9-]{2,20}$", description="en, zh-Hans, zh-Hant, or a folder of your own templates."
    )
    time_zone: str = Field("UTC", description="IANA time zone in which times are shown, beside UTC.")
    budget: BudgetConfig = Field(
        BudgetConfig(per_minute=6, per_hour=30), description="How many notifications come one by one."
    )

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        return known_zone(value)
