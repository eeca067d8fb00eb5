"""Values and histories as a card shows them: text, unit, age, doubt; made without a browser."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from frostline_cloud.api.live import LiveValue
from frostline_cloud.sql.registry import KnownDevice
from frostline_cloud.store.port import Bucket
from frostline_core.reading import Quality
from frostline_core.units import UNITS

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
DeviceKey = tuple[str, str, str]
"""Site, node and device."""


@dataclass(frozen=True, slots=True)
class History:
    """The last hours of a device's main metric.

    Attributes:
        points: (UTC ms, value or None where there is a gap).
        limits: What the rules hold it against now, in its unit.
        start_ms: Where it begins.
        end_ms: When it was read.
    """

    points: tuple[tuple[int, float | None], ...] = ()
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
    """

    name: str
    text: str
    unit: str
    doubt: str
    stale: str
    age_ms: int | None


def with_gaps(buckets: Iterable[Bucket], longest_ms: int) -> tuple[tuple[int, float | None], ...]:
    """The means of intervals, with None wherever two of them lie more than `longest_ms` apart."""
    points: list[tuple[int, float | None]] = []
    for bucket in buckets:
        if points and bucket.at_ms - points[-1][0] > longest_ms:
            points.append((points[-1][0] + longest_ms, None))
        points.append((bucket.at_ms, bucket.mean))
    return tuple(points)


def main_metric(device: KnownDevice) -> str | None:
    """The metric that a device is looked at for; None for one that has no number."""
    names = [metric.name for metric in device.description.metrics]
    for wanted in _MAIN.get(device.description.kind, ()):
        if wanted in names:
            return wanted
    return next((metric.name for metric in device.description.metrics if metric.unit), None)


def key_of(device: KnownDevice) -> DeviceKey:
    """A device's key."""
    return device.site, device.node, device.description.id


def shown(value: LiveValue, now_ms: int) -> Shown:
    """A value as text."""
    name = value.metric.name
    doubt = "" if value.quality in (None, Quality.GOOD) else value.quality.name.lower()
    unit = UNITS[value.metric.unit].symbol if value.metric.unit in UNITS else value.metric.unit
    return Shown(
        _SHORT.get(name, name.replace("_", " ")),
        _text(name, value.value),
        unit,
        doubt,
        value.stale,
        value.age_ms(now_ms),
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
