"""JSON values as readings, by what the config says of them. Pure."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass

from frostline_core.errors import ProtocolError
from frostline_core.reading import DataType, MetricDescription, Quality, Reading, Value
from frostline_edge.drivers.mqtt.config import Metric, MetricType
from frostline_edge.drivers.mqtt.path import ABSENT, JsonPath
from frostline_edge.sampling import Sampling

_NUMERAL = re.compile(r"[+-]?\d{1,30}(\.\d{1,30})?([eE][+-]?\d{1,3})?")
_MAX_TEXT = 4096
_TYPES = {
    MetricType.NUMBER: DataType.DOUBLE,
    MetricType.INTEGER: DataType.INT64,
    MetricType.BOOLEAN: DataType.BOOLEAN,
    MetricType.TEXT: DataType.STRING,
}


@dataclass(frozen=True, slots=True)
class Source:
    """One metric, ready to be read from documents."""

    metric: Metric
    path: JsonPath

    @classmethod
    def of(cls, metric: Metric) -> Source:
        """From its config."""
        return cls(metric, JsonPath.parse(metric.path))

    def description(self) -> MetricDescription:
        """The metric as the device's birth describes it."""
        low, high = self.metric.valid or (None, None)
        return MetricDescription(self.metric.name, _TYPES[self.metric.type], self.metric.unit, low, high)

    def sampling(self) -> Sampling:
        """How its readings become samples."""
        return Sampling(
            deadband=self.metric.deadband,
            deadband_percent=self.metric.deadband_percent,
            min_interval_s=self.metric.min_interval_s,
            max_interval_s=self.metric.max_interval_s,
            calibration_offset=self.metric.calibration_offset,
            source_unit=self.metric.source_unit,
        )

    def reading(self, device: str, document: object, at_ms: int, quality: Quality) -> Reading | None:
        """What the document says, or None where it says nothing of this metric.

        A null, or a value of another type, is a bad reading: the device spoke of it and gave nothing usable.
        """
        found = self.path.find(document)
        if found is ABSENT:
            return None
        value = _value(found, self.metric)
        return Reading(device, self.metric.name, value, at_ms, Quality.BAD if value is None else quality)


def document(payload: bytes) -> object:
    """The JSON document in a payload.

    Raises:
        ProtocolError: It is none, or nested beyond reason.
    """
    try:
        return json.loads(payload, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"no JSON: {error}") from error


def online(payload: bytes) -> bool | None:
    """What an availability message says: text (`Online`, as Tasmota) or JSON `{"state": "online"}` (Zigbee2MQTT).

    Returns:
        None where it says neither online nor offline.
    """
    text = payload[:200].decode("utf-8", "replace").strip()
    if text.startswith("{"):
        try:
            found = JsonPath.parse("state").find(document(payload))
        except ProtocolError:
            return None
        text = found if isinstance(found, str) else ""
    return {"online": True, "offline": False}.get(text.lower())


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is no JSON")


def _value(found: object, metric: Metric) -> Value:
    match metric.type:
        case MetricType.NUMBER:
            return _number(found)
        case MetricType.INTEGER:
            number = _number(found)
            whole = number is not None and number.is_integer() and abs(number) < 2**63
            return int(number) if number is not None and whole else None
        case MetricType.BOOLEAN:
            same_type = type(found) is type(metric.true_when)
            return found == metric.true_when if same_type else None
        case MetricType.TEXT:
            return found if isinstance(found, str) and len(found) <= _MAX_TEXT else None


def _number(found: object) -> float | None:
    """A finite number; also one in quotes, as simple firmware writes it."""
    if isinstance(found, bool) or not isinstance(found, int | float | str):
        return None
    if isinstance(found, str) and not _NUMERAL.fullmatch(found.strip()):
        return None
    try:
        number = float(found)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
