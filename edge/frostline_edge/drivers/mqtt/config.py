"""Config of the MQTT driver."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from frostline_core import endpoint
from frostline_core.config import ConfigModel
from frostline_core.units import convert, unit
from frostline_edge.driver import DriverConfig
from frostline_edge.drivers.mqtt.path import JsonPath
from frostline_edge.drivers.mqtt.topic import TopicPattern

_NAME = r"^[a-z][a-z0-9_]*$"
_ID = r"^[A-Za-z0-9_.-]+$"


class MetricType(StrEnum):
    """What a value in the JSON is."""

    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    TEXT = "text"


class Metric(ConfigModel):
    """One value in the messages of a topic."""

    name: str = Field(description="Metric name: lower case, words joined by _.", pattern=_NAME, max_length=64)
    path: str = Field(description="Where it stands in the JSON: a.b[0].c; empty when the whole payload is the value.")
    type: MetricType = Field(default=MetricType.NUMBER, description="number, integer, boolean or text.")
    unit: str = Field(default="", description="UCUM code of the metric.")
    source_unit: str = Field(default="", description="UCUM code of the values in the JSON, where it differs.")
    true_when: bool | int | str = Field(
        default=True, description="For boolean: the JSON value that means true; any other of its type means false."
    )
    valid: tuple[float, float] | None = Field(
        default=None, description="What the sensor can really measure; a value outside is bad."
    )
    deadband: float = Field(default=0.0, description="Smallest change worth a sample, in the unit.", ge=0)
    deadband_percent: float = Field(default=0.0, description="The same in percent of the last sample.", ge=0)
    min_interval_s: float = Field(default=0.0, description="Never more often than this.", ge=0)
    max_interval_s: float = Field(default=300.0, description="A message after so long is kept, changed or not.", gt=0)
    calibration_offset: float = Field(default=0.0, description="Added to the value, in the metric's unit.")
    event: bool = Field(default=False, description="A change is an event: never thinned, sent in the events lane.")

    @field_validator("path")
    @classmethod
    def _is_path(cls, value: str) -> str:
        JsonPath.parse(value)
        return value

    @model_validator(mode="after")
    def _fits(self) -> Metric:
        numeric = self.type in (MetricType.NUMBER, MetricType.INTEGER)
        unit(self.unit)
        if self.source_unit:
            convert(0.0, self.source_unit, self.unit)
        if not numeric and (self.unit or self.source_unit or self.valid):
            raise ValueError(f"a {self.type.value} has no unit and no valid range")
        return self


class Match(ConfigModel):
    """Topics of one sort, and what their messages hold."""

    topic: str = Field(
        description="Pattern with named levels: {device} is needed, {zone} sets the zone, others become labels."
    )
    kind: str = Field(description="Device kind: the measurement in the store.", pattern=_NAME, max_length=64)
    zone: str = Field(default="", description="Where these devices stand, unless the topic says it.")
    metric: tuple[Metric, ...] = Field(description="What to take from a message.", min_length=1, max_length=200)
    availability: str = Field(
        default="", description="Topic with {device} that says online or offline, as text or as JSON with 'state'."
    )
    max_silence_s: float = Field(
        default=3600.0, description="A device without a message for so long is dead.", gt=0, le=604_800
    )
    accept_retained: bool = Field(
        default=False,
        description="Take values that the broker had kept; they count as uncertain, their age is unknown.",
    )

    @field_validator("topic", "availability")
    @classmethod
    def _is_pattern(cls, value: str) -> str:
        if value:
            TopicPattern.parse(value)
        return value

    @model_validator(mode="after")
    def _fits(self) -> Match:
        names = [metric.name for metric in self.metric]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"metric names must differ; twice: {', '.join(twice)}")
        if not self.topic:
            raise ValueError("topic must not be empty")
        return self


class Config(DriverConfig):
    """One broker."""

    type: Literal["mqtt"] = Field(description="mqtt")
    name: str = Field(
        description="Device id of the broker's own metrics: letters, digits, _ . -; unique in the gateway.",
        pattern=_ID,
        max_length=64,
    )
    url: str = Field(
        default="mqtt://127.0.0.1:1883",
        description="The broker: mqtt://host:port, or mqtts://host:port with TLS.",
    )
    username: str = Field(default="", description="User at the broker; empty for none.")
    password: SecretStr | None = Field(
        default=None, description="A reference to the password: ${env:NAME} or ${file:/path}."
    )
    insecure: bool = Field(
        default=False, description="Allow a password over mqtt:// to another machine, where others can read it."
    )
    ca_file: str = Field(
        default="", description="For mqtts: certificate of the broker's authority; empty: the system's."
    )
    prefix: str = Field(
        default="",
        description="Put before every device id of this broker.",
        pattern=r"^[A-Za-z0-9_.-]*$",
        max_length=32,
    )
    keepalive_s: int = Field(default=30, description="MQTT keep-alive.", ge=5, le=3600)
    timeout_s: float = Field(
        default=5.0, description="Longest wait for the connection and for subscriptions.", gt=0, le=60
    )
    report_s: float = Field(default=60.0, description="How often the broker's own metrics are sent.", ge=0.1, le=3600)
    max_devices: int = Field(
        default=200, description="Devices taken up; messages of more are refused.", ge=1, le=10_000
    )
    max_queue: int = Field(
        default=1000, description="Messages that may wait to be read; more are dropped and counted.", ge=1, le=100_000
    )
    max_payload_bytes: int = Field(default=65_536, description="Longer messages are refused.", ge=16, le=1_048_576)
    match: tuple[Match, ...] = Field(description="Which topics to read.", min_length=1, max_length=100)

    @field_validator("url")
    @classmethod
    def _is_broker(cls, value: str) -> str:
        endpoint.broker(value)
        return value

    @model_validator(mode="after")
    def _keeps_the_password(self) -> Config:
        if self.password and not self.username:
            raise ValueError("a password needs a username")
        if self.password:
            endpoint.check_exposed(endpoint.broker(self.url), insecure=self.insecure)
        return self
