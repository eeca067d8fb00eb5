"""A device and a count of stock as the first page shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from frostline_cloud.api.live import find
from frostline_cloud.console.front.facts import Facts
from frostline_cloud.console.front.values import (
    NO_HISTORY,
    DeviceKey,
    History,
    Shown,
    key_of,
    main_metric,
    shown,
)
from frostline_cloud.sql.registry import KnownDevice

COUNT: Final = "count_"
_BESIDE: Final = (
    "setpoint",
    "evaporator_temperature",
    "door_open",
    "defrost_active",
    "alarm_active",
    "compressor_running",
    "discharge_pressure",
    "capacity",
    "humidity",
    "frequency",
    "energy_import",
)
_BESIDE_MOST: Final = 4


@dataclass(frozen=True, slots=True)
class Card:
    """A device.

    Attributes:
        beside: Other values worth a word: numbers, and flags that are set.
        severity: Of its worst open alert; "" without one.
    """

    key: DeviceKey
    kind: str
    zone: str
    main: Shown
    beside: tuple[Shown, ...]
    severity: str
    history: History = NO_HISTORY


@dataclass(frozen=True, slots=True)
class Stock:
    """How many of one product a zone holds."""

    key: DeviceKey
    zone: str
    item: str
    count: Shown


def card_of(device: KnownDevice, facts: Facts, worst: Mapping[DeviceKey, str]) -> Card:
    """The card of a device; `worst` is the severity of its worst open alert, by device."""
    key = key_of(device)
    values = facts.values.get(key, ())
    name = main_metric(device)
    main = find(values, name) if name is not None else None
    empty = Shown((name or "").replace("_", " "), "–", "", "", facts.fault or "not read yet", None)  # noqa: RUF001
    beside = [
        shown(value, facts.now_ms)
        for value in (find(values, other) for other in _BESIDE if other != name)
        if value is not None and value.value is not None and value.value is not False
    ]
    return Card(
        key=key,
        kind=device.description.kind.replace("_", " "),
        zone=device.description.zone,
        main=empty if main is None else shown(main, facts.now_ms),
        beside=tuple(beside[:_BESIDE_MOST]),
        severity=worst.get(key, ""),
        history=facts.histories.get(key, NO_HISTORY),
    )


def stock_of(device: KnownDevice, facts: Facts) -> list[Stock]:
    """What a zone holds, a line for each product."""
    return [
        Stock(
            key_of(device),
            device.description.zone,
            value.metric.name.removeprefix(COUNT),
            shown(value, facts.now_ms),
        )
        for value in facts.values.get(key_of(device), ())
        if value.metric.name.startswith(COUNT)
    ]
