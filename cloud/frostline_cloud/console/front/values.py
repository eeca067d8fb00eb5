"""Values and histories as a card shows them: text, unit, age, doubt; made without a browser."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from frostline_cloud.api.live import LiveValue
from frostline_cloud.console.holes import Gap, speaks_to_ms
from frostline_cloud.console.words import symbol_of
from frostline_cloud.sql.registry import KnownDevice
from frostline_core.reading import Quality

_MAIN: Final[Mapping[str, tuple[str, ...]]] = {
    "cold_room": ("air_temperature",),
    "compressor_rack": ("suction_pressure",),
    "power_meter": ("power_total",),
    "door": ("door_open",),
    "ambient": ("temperature", "humidity"),
    "rfid_reader": ("tags_present", "reads_per_second"),
}
_FLAGS: Final[Mapping[str, tuple[str, str]]] = {
    "door_open": ("door open", "door closed"),
    "defrost_active": ("defrosting", "no defrost"),
    "alarm_active": ("controller alarm", "no alarm"),
    "compressor_running": ("compressor on", "compressor off"),
    "fan_running": ("fan on", "fan off"),
}
_SHORT: Final[Mapping[str, str]] = {
    "evaporator_temperature": "evaporator",
    "discharge_pressure": "discharge",
    "energy_import": "energy",
}
LONGEST_SILENCE_MS: Final = 600_000
"""Twice the longest silence that a gateway keeps: samples further apart have a gap between them."""

DeviceKey = tuple[str, str, str]
"""Site, node and device."""


@dataclass(frozen=True, slots=True)
class History:
    """The last hours of a device's main metric.

    Attributes:
        points: (UTC ms, mean of an interval or None where there is a gap).
        extremes: The lowest and the highest sample; None where nothing was measured.
        limits: What the rules hold it against now, in its unit.
        start_ms: Where it begins.
        end_ms: When it was read.
    """

    points: tuple[tuple[int, float | None], ...] = ()
    extremes: tuple[float, float] | None = None
    limits: tuple[float, ...] = ()
    start_ms: int = 0
    end_ms: int = 0


NO_HISTORY: Final = History()


@dataclass(frozen=True, slots=True)
class Shown:
    """A value as text.

    Attributes:
        name: The metric in words.
        text: The value, or a dash where there is none.
        unit: Its symbol.
        doubt: `bad` or `uncertain`; "" for a good value.
        stale: Why it is not the present; "" when it is.
        age_ms: How old it is; None when it was never measured.
        is_flag: It is a switch, and its text says all.
        is_whole: It is a whole number.
    """

    name: str
    text: str
    unit: str
    doubt: str
    stale: str
    age_ms: int | None
    is_flag: bool = False
    is_whole: bool = False


class Mean(Protocol):
    """What a series did in one interval that has samples."""

    @property
    def at_ms(self) -> int:
        """Its begin, UTC milliseconds."""

    @property
    def mean(self) -> float:
        """The mean of its samples."""


def with_gaps(
    buckets: Iterable[Mean], longest_ms: int, blind: Sequence[Gap] = ()
) -> tuple[tuple[int, float | None], ...]:
    """The means of intervals, with None where one does not speak until the next: see `speaks_to_ms`."""
    points: list[tuple[int, float | None]] = []
    for bucket in buckets:
        if points and (end_ms := speaks_to_ms(points[-1][0], bucket.at_ms, longest_ms, blind)) < bucket.at_ms:
            points.append((end_ms, None))
        points.append((bucket.at_ms, bucket.mean))
    return tuple(points)


def is_switch(values: Iterable[float | None]) -> bool:
    """Whether values are those of a switch: 0 and 1, and nothing else."""
    known = {value for value in values if value is not None}
    return bool(known) and known <= {0.0, 1.0}


def main_metric(device: KnownDevice) -> str | None:
    """The metric that a device is looked at for; None for one that has no number."""
    about = device.description
    found = metric_of(about.kind, [metric.name for metric in about.metrics])
    return found or next((metric.name for metric in about.metrics if metric.unit), None)


def metric_of(kind: str, names: Sequence[str]) -> str | None:
    """The one of these that a device of a kind is looked at for; None where nobody knows."""
    return next((wanted for wanted in _MAIN.get(kind, ()) if wanted in names), None)


def key_of(device: KnownDevice) -> DeviceKey:
    """A device's key."""
    return device.site, device.node, device.description.id


def shown(value: LiveValue, now_ms: int) -> Shown:
    """A value as text."""
    name = value.metric.name
    doubt = "" if value.quality in (None, Quality.GOOD) else value.quality.name.lower()
    unit = symbol_of(value.metric.unit)
    return Shown(
        _SHORT.get(name, name.replace("_", " ")),
        _text(name, value.value),
        unit,
        doubt,
        value.stale,
        value.age_ms(now_ms),
        is_flag=isinstance(value.value, bool),
        is_whole=isinstance(value.value, int) and not isinstance(value.value, bool),
    )


def _text(name: str, value: float | int | bool | str | None) -> str:
    if value is None:
        return "–"  # noqa: RUF001 - an en dash is what people read as "no value"
    if isinstance(value, bool):
        on, off = _FLAGS.get(name, ("yes", "no"))
        return on if value else off
    if isinstance(value, float):
        return f"{value:.1f}" if abs(value) < 1000 else f"{value:,.0f}"
    return str(value)[:80]
