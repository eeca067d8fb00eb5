"""Where the kernel shows a sensor, and one reading of it. Blocking; runs in a worker's thread."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

from frostline_core.errors import UnavailableError
from frostline_core.reading import MetricDescription
from frostline_edge.drivers.sensors.config import ChipConfig, W1Config
from frostline_edge.drivers.sensors.quantity import (
    QUANTITIES,
    W1,
    channel_kind,
    describe,
    number,
    raw_value,
    w1_slave,
    w1_value,
)
from frostline_edge.sampling import Sampling

# A sysfs attribute is at most one page.
_PAGE_BYTES = 4096


class Source(Protocol):
    """One sensor."""

    metrics: tuple[MetricDescription, ...]
    sampling: Mapping[str, Sampling]

    def read(self) -> Mapping[str, float | None]:
        """By metric, the value; None where the sensor says that there is none.

        Raises:
            UnavailableError: The kernel does not show it.
            ProtocolError: What the kernel shows cannot be right.
        """


class W1Source:
    """A 1-Wire thermometer under bus/w1/devices."""

    def __init__(self, config: W1Config, root: Path) -> None:
        self._folder = root / "bus/w1/devices" / config.id
        self._metric = config.metric
        self._last: float | None = None
        self.metrics: tuple[MetricDescription, ...] = (describe(config.metric, W1),)
        self.sampling: Mapping[str, Sampling] = {config.metric: Sampling(deadband=W1.deadband)}

    def read(self) -> Mapping[str, float | None]:
        """One conversion; the kernel's own `temperature` if it has one, else `w1_slave` with its check sum."""
        path = self._folder / "temperature"
        if path.exists():
            milli = number(_text(path), str(path))
        else:
            path = self._folder / "w1_slave"
            milli = w1_slave(_text(path), str(path))
        value = w1_value(milli, self._last)
        self._last = value
        return {self._metric: value}


class ChipSource(ABC):
    """A chip of hwmon or IIO, found by its name each time, because numbers change when a chip is plugged again."""

    def __init__(self, config: ChipConfig, parent: Path) -> None:
        self._config = config
        self._parent = parent
        quantities = {metric: QUANTITIES[channel_kind(channel)] for metric, channel in config.inputs.items()}
        self.metrics: tuple[MetricDescription, ...] = tuple(describe(m, q) for m, q in quantities.items())
        self.sampling: Mapping[str, Sampling] = {m: Sampling(deadband=q.deadband) for m, q in quantities.items()}

    def read(self) -> Mapping[str, float | None]:
        """Every channel once."""
        folder = self._folder()
        return {metric: self._channel(folder, channel) for metric, channel in self._config.inputs.items()}

    def _folder(self) -> Path:
        for folder in _children(self._parent):
            name = folder / "name"
            if not name.exists() or _text(name).strip() != self._config.chip:
                continue
            if not self._config.at or self._config.at in str(folder.resolve()) + str((folder / "device").resolve()):
                return folder
        at = f" at {self._config.at}" if self._config.at else ""
        raise UnavailableError(f"no chip '{self._config.chip}'{at} under {self._parent}")

    @abstractmethod
    def _channel(self, folder: Path, channel: str) -> float | None:
        """One channel; None where the chip says that there is no value."""


class HwmonSource(ChipSource):
    """Files such as temp1_input, with temp1_fault beside them."""

    def __init__(self, config: ChipConfig, root: Path) -> None:
        super().__init__(config, root / "class/hwmon")

    def _channel(self, folder: Path, channel: str) -> float | None:
        fault = folder / f"{channel}_fault"
        if fault.exists() and _text(fault).strip() == "1":
            return None
        path = folder / f"{channel}_input"
        return number(_text(path), str(path)) / QUANTITIES[channel_kind(channel)].per_unit


class IioSource(ChipSource):
    """Files such as in_temp_input, or in_temp_raw with in_temp_scale and in_temp_offset."""

    def __init__(self, config: ChipConfig, root: Path) -> None:
        super().__init__(config, root / "bus/iio/devices")

    def _channel(self, folder: Path, channel: str) -> float | None:
        quantity = QUANTITIES[channel_kind(channel)]
        ready = folder / f"in_{channel}_input"
        if ready.exists():
            return number(_text(ready), str(ready)) / quantity.per_unit
        raw = folder / f"in_{channel}_raw"
        value = number(_text(raw), str(raw))
        return raw_value(value, self._shared(folder, channel, "offset", 0.0), self._scale(folder, channel), quantity)

    def _scale(self, folder: Path, channel: str) -> float:
        return self._shared(folder, channel, "scale", 1.0)

    def _shared(self, folder: Path, channel: str, what: str, default: float) -> float:
        """A channel's own scale or offset, or the one that all channels of its kind share."""
        for name in dict.fromkeys((channel, channel_kind(channel))):
            path = folder / f"in_{name}_{what}"
            if path.exists():
                return number(_text(path), str(path))
        return default


def _children(parent: Path) -> Iterator[Path]:
    try:
        yield from sorted(parent.iterdir())
    except OSError as error:
        raise UnavailableError(f"{parent}: {error.strerror}") from error


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_PAGE_BYTES).decode("ascii", errors="replace")
    except OSError as error:
        raise UnavailableError(f"{path}: {error.strerror}") from error
