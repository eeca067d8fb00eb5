"""Config of the LLRP driver."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal

from pydantic import Field, model_validator

from frostline_core.config import ConfigModel
from frostline_edge.driver import DriverConfig
from frostline_edge.drivers.llrp.behaviours import Behaviour

_ID = r"^[A-Za-z0-9_.-]+$"


class Mobility(StrEnum):
    """How readily a tag changes its zone."""

    DOCK = "dock"
    SHELF = "shelf"


class Zone(ConfigModel):
    """A place that one or more antennas of the reader cover."""

    name: str = Field(description="The zone's device id: letters, digits, _ . -", pattern=_ID, max_length=64)
    antennas: tuple[int, ...] = Field(description="Ports of the reader that hear this zone, from 1.", min_length=1)


class Config(DriverConfig):
    """One reader."""

    type: Literal["llrp"] = Field(description="llrp")
    name: str = Field(
        description="The reader's device id: letters, digits, _ . -; unique in the gateway.",
        pattern=_ID,
        max_length=64,
    )
    host: str = Field(description="The reader's address or name.", min_length=1)
    port: int = Field(default=5084, description="LLRP port (5084 is the registered one).", ge=1, le=65535)
    behaviour: Behaviour = Field(
        default=Behaviour.NORMAL,
        description="fast (few tags in motion, portals), normal, or deep (many tags at rest, dense stock).",
    )
    power_dbm: float | None = Field(
        default=None,
        description="Most transmit power; the reader's next step below is taken. Absent: the reader's setting.",
        ge=-10,
        le=40,
    )
    mobility: Mobility = Field(
        default=Mobility.DOCK,
        description="dock: a tag moves within seconds. shelf: within a minute or two, and stray reads move nothing.",
    )
    departed_after_s: float = Field(
        default=600.0, description="A tag that nobody has heard for so long has left.", ge=1, le=86_400
    )
    check_s: float = Field(default=30.0, description="How often departures are looked for.", ge=0.1, le=600)
    settle_s: float = Field(
        default=30.0,
        description="So long after each connection, counts are unknown; tags found in the first such time were there.",
        ge=0,
        le=3600,
    )
    report_s: float = Field(default=5.0, description="How often counts and rates are read out.", ge=0.1, le=300)
    keepalive_s: float = Field(
        default=10.0,
        description="Period of the reader's keepalives; three periods of silence end the link.",
        ge=0.1,
        le=300,
    )
    timeout_s: float = Field(default=5.0, description="Longest wait for a connection or an answer.", gt=0, le=60)
    max_gtins: int = Field(
        default=500, description="GTINs with a count of their own, per zone; more go to other_count.", ge=1, le=5000
    )
    max_tags: int = Field(
        default=20_000, description="Tags kept in memory; further ones are ignored and counted.", ge=1, le=200_000
    )
    zone: tuple[Zone, ...] = Field(description="The zones that the antennas cover.", min_length=1)

    @model_validator(mode="after")
    def _each_once(self) -> Config:
        ports = [port for zone in self.zone for port in zone.antennas]
        _refuse_twice("device ids", [self.name, *(zone.name for zone in self.zone)])
        _refuse_twice("antennas", ports)
        if min(ports) < 1:
            raise ValueError("antennas count from 1")
        return self


def _refuse_twice(what: str, values: Sequence[object]) -> None:
    twice = sorted({str(value) for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"{what} must differ; twice: {', '.join(twice)}")
