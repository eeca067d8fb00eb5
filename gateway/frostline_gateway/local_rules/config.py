"""The configuration of local rules: where they are, and which outputs of this gateway they may drive."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr, field_validator, model_validator

from frostline_core.config import ConfigModel


class Act(StrEnum):
    """What to do with an output in a moment when no rule says it."""

    KEEP = "keep"
    ON = "on"
    OFF = "off"

    @property
    def state(self) -> bool | None:
        """On, off, or None: leave it as it is."""
        return None if self is Act.KEEP else self is Act.ON


Level = StrictBool | StrictInt | StrictFloat | StrictStr


class OutputConfig(ConfigModel):
    """`[[output]]`: what rules with `where = "gateway"` switch. A rule can only name what is declared here."""

    name: str = Field(description="What rules call it.", pattern=r"^[a-z0-9][a-z0-9_-]{0,99}$")
    device: str = Field(default="", description="Device of a driver that can write, with `metric`.")
    metric: str = Field(default="", description="A point of it that its profile declares writable.")
    file: Path | None = Field(default=None, description="Instead: a file that is written, such as a GPIO's value.")
    on: Level = Field(default=True, description="What is written for on; a file has true as 1.")
    off: Level = Field(default=False, description="What is written for off.")
    at_start: Act = Field(default=Act.KEEP, description="Until the first sample: keep, on or off.")
    at_stop: Act = Field(default=Act.KEEP, description="When the gateway is stopped.")
    at_unknown: Act = Field(default=Act.KEEP, description="While a series has no data and nothing fires.")
    interval_s: float = Field(default=5.0, description="It is written at most so often.", ge=1.0, le=3600.0)

    @model_validator(mode="after")
    def _goes_to_one_place(self) -> Self:
        if bool(self.device) != bool(self.metric) or bool(self.device) == (self.file is not None):
            raise ValueError("an output is either device and metric, or a file")
        if self.file is not None and not self.file.is_absolute():
            raise ValueError("file: must be an absolute path")
        if type(self.on) is type(self.off) and self.on == self.off:
            raise ValueError("on and off are the same")
        return self

    @property
    def target(self) -> str:
        """Where it goes, for people."""
        return str(self.file) if self.file is not None else f"{self.device}/{self.metric}"


class RulesConfig(ConfigModel):
    """`[rules]`: rules that also work while the cloud is away."""

    folder: Path | None = Field(
        default=None,
        description='Folder of rule files, *.toml and *.yaml; those with where = "gateway" that may select something '
        "here are used.",
    )

    @field_validator("folder")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_absolute():
            raise ValueError("must be an absolute path")
        return value
