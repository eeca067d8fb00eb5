"""What a zone tells the cloud: its description, its counts and its movements. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping

from frostline_core.epc import decode, gtin14
from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Quality, Reading
from frostline_edge.drivers.llrp.presence import Event, Movement
from frostline_edge.sampling import Sampling

KIND = "stock_zone"
_COUNT = "{count}"
_OWN = ("tags_present", "other_count")


class ZoneStock:
    """One zone as a device. A GTIN keeps its metric once it has been there; an EPC is never a metric name."""

    def __init__(self, zone: str, reader: str, most_gtins: int) -> None:
        self.zone = zone
        self._reader = reader
        self._most_gtins = most_gtins
        self._gtins: dict[str, None] = {}

    def grow(self, counts: Mapping[str, int]) -> bool:
        """Takes up GTINs that are new, up to the bound; the device must be born again when this is true."""
        room = self._most_gtins - len(self._gtins)
        fresh = sorted(gtin for gtin in counts if gtin and gtin not in self._gtins)[:room]
        self._gtins |= dict.fromkeys(fresh)
        return bool(fresh)

    def description(self) -> DeviceDescription:
        """The device with a metric for each GTIN that it has seen."""
        numbers = [*_OWN, *(f"count_{gtin}" for gtin in self._gtins)]
        metrics = [MetricDescription(name, DataType.INT64, _COUNT, low=0) for name in numbers]
        metrics.append(MetricDescription("movement", DataType.STRING))
        return DeviceDescription(self.zone, KIND, self.zone, tuple(metrics), {"reader": self._reader})

    def sampling(self) -> dict[str, Sampling]:
        """Every movement is kept; counts when they change."""
        counts = {metric.name: Sampling() for metric in self.description().metrics}
        return counts | {"movement": Sampling(every=True)}

    def readings(self, counts: Mapping[str, int], known: bool, at_ms: int) -> list[Reading]:
        """The counts at an instant; each is bad, without a value, while they are not known."""
        values = {f"count_{gtin}": counts.get(gtin, 0) for gtin in self._gtins}
        total = sum(counts.values())
        values |= {"tags_present": total, "other_count": total - sum(values.values())}
        quality = Quality.GOOD if known else Quality.BAD
        return [Reading(self.zone, name, value if known else None, at_ms, quality) for name, value in values.items()]


def movement_reading(movement: Movement, utc_offset_ms: int) -> Reading:
    """A movement as a reading of the zone that it ends in; a departure belongs to the zone that was left.

    Args:
        movement: What happened.
        utc_offset_ms: What to add to its instants to have UTC.
    """
    zone = movement.source if movement.event is Event.DEPARTED else movement.target
    epc = decode(movement.epc)
    text = {
        "event": movement.event.value,
        "epc": epc.raw_hex,
        "uri": epc.uri,
        "gtin": gtin14(epc),
        "from": movement.source or None,
        "to": movement.target or None,
        "at_ms": movement.at_ms + utc_offset_ms,
        "last_seen_ms": movement.seen_ms + utc_offset_ms,
    }
    return Reading(zone, "movement", json.dumps(text, separators=(",", ":")), movement.at_ms + utc_offset_ms)
