"""The driver contract: connect, emit, raise. And how drivers are found: by their folder.

A driver is a folder `drivers/<type>/` with README.md, sample.toml, config.py (`class Config(DriverConfig)`) and
driver.py (`class Driver`). It never retries, never sleeps off an error and never logs an outage: it raises
UnavailableError or ProtocolError and its supervisor starts it again. Inside one driver a dead device must not slow
another; a driver that polls several devices says so per device with `Emit.died` and `Emit.born`, and raises only when
nothing is left to poll.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Protocol, runtime_checkable

from pydantic import Field

from frostline_core.config import ConfigModel, nearest
from frostline_core.errors import ConfigError
from frostline_core.reading import DeviceDescription, Reading, Value
from frostline_edge.sampling import Sampling


class DriverConfig(ConfigModel):
    """What every driver's config has."""

    type: str = Field(description="The driver's folder, for example modbus.")
    name: str = Field(description="Unique in the gateway; names the task, the metrics and the log lines.", min_length=1)


class Emit(Protocol):
    """Where a driver puts what it reads. No call blocks, waits or raises."""

    def born(self, device: DeviceDescription, sampling: Mapping[str, Sampling]) -> None:
        """The device answers: for the first time, after an outage, or with other metrics than before.

        Args:
            device: What it is, with every metric that it can send from now on.
            sampling: By metric name, how its readings become samples; a metric without an entry is kept as it comes.
        """

    def scan(self, device: str, readings: Sequence[Reading]) -> None:
        """What one poll of one device gave, together. A reading without a value says that there was none."""

    def event(self, device: str, readings: Sequence[Reading]) -> None:
        """Something happened (a door, a tag moved): never thinned, and in the events stream."""

    def died(self, device: str, reason: str) -> None:
        """The device no longer answers; every metric is stale from now on.

        Also said of a device that the config names and that has never answered, so that the reason is known; and by a
        driver that is about to raise, of every device that had been born.
        """


@runtime_checkable
class Driver(Protocol):
    """Reads one bus, reader or broker. Built as `Driver(config)`; building touches nothing outside."""

    def devices(self) -> Sequence[str]:
        """Ids of the devices that the config names; more may be born later (zones, tags, JSON devices)."""

    async def run(self, emit: Emit) -> None:
        """Connects, emits for ever, and raises when the connection as a whole is gone.

        Raises:
            UnavailableError: Nothing answers; try again later.
            ProtocolError: The other side spoke wrongly; drop the session and try again.
        """


@runtime_checkable
class Writer(Protocol):
    """A driver that can write to its devices; only points that a profile or config declares writable."""

    async def write(self, device: str, metric: str, value: Value) -> None:
        """Writes one value and returns when the device has confirmed it. Overtakes polls on the bus.

        Raises:
            UnavailableError: The device did not answer, or `run` is not connected.
            ProtocolError: The device refused the value, or no such writable point.
        """


def types() -> list[str]:
    """The names of the driver folders."""
    package = importlib.import_module("frostline_edge.drivers")
    return sorted(found.name for found in pkgutil.iter_modules(package.__path__) if found.ispkg)


def config_model(type_name: str) -> type[DriverConfig]:
    """The config model of a driver type.

    Raises:
        ConfigError: No such folder; the message offers the nearest type.
    """
    model: type[DriverConfig] = _module(type_name, "config").Config
    return model


def build(config: DriverConfig) -> Driver:
    """The driver for a checked config."""
    driver: Driver = _module(config.type, "driver").Driver(config)
    return driver


def _module(type_name: str, part: str) -> ModuleType:
    if type_name not in types():
        raise ConfigError(
            f"unknown driver type '{type_name}'{nearest(type_name, types())}; known: {', '.join(types())}"
        )
    return importlib.import_module(f"frostline_edge.drivers.{type_name}.{part}")
