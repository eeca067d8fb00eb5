"""A zone as a device: metrics by GTIN within bounds, unknown counts without a value, movements as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from frostline_core.config import parse
from frostline_core.errors import ConfigError
from frostline_core.reading import Quality
from frostline_edge.drivers.llrp.config import Config
from frostline_edge.drivers.llrp.presence import Event, Movement
from frostline_edge.drivers.llrp.stock import ZoneStock, movement_reading


def test_a_new_gtin_adds_its_metric_once() -> None:
    stock = ZoneStock("dock", "reader", 10)
    assert stock.grow({"00000000000017": 1})
    assert not stock.grow({"00000000000017": 5, "": 3})
    assert stock.description().metric("count_00000000000017") is not None


def test_gtins_beyond_the_bound_and_other_tags_are_counted_together() -> None:
    stock, counts = ZoneStock("dock", "reader", 1), {"00000000000017": 4, "00000000000024": 2, "": 1}
    stock.grow(counts)
    found = {reading.metric: reading.value for reading in stock.readings(counts, True, 1)}
    assert found == {"count_00000000000017": 4, "tags_present": 7, "other_count": 3}


def test_a_gtin_that_has_gone_counts_zero() -> None:
    stock = ZoneStock("dock", "reader", 1)
    stock.grow({"00000000000017": 4})
    found = {reading.metric: reading.value for reading in stock.readings({}, True, 1)}
    assert found["count_00000000000017"] == 0


def test_unknown_counts_have_no_value() -> None:
    stock = ZoneStock("dock", "reader", 1)
    stock.grow({"00000000000017": 4})
    found = stock.readings({"00000000000017": 4}, False, 1)
    assert {(reading.value, reading.quality) for reading in found} == {(None, Quality.BAD)}


def test_every_reading_has_its_description() -> None:
    stock = ZoneStock("dock", "reader", 5)
    stock.grow({"00000000000017": 4})
    description = stock.description()
    assert all(description.metric(reading.metric) for reading in stock.readings({}, True, 1))


def test_counts_are_kept_when_they_change_and_movements_always() -> None:
    stock = ZoneStock("dock", "reader", 5)
    stock.grow({"00000000000017": 4})
    every = {name for name, sampling in stock.sampling().items() if sampling.every}
    assert every == {"movement"}
    assert set(stock.sampling()) == {metric.name for metric in stock.description().metrics}


def test_a_movement_says_what_when_and_where() -> None:
    epc = bytes.fromhex("3074257BF7194E4000001A85")
    reading = movement_reading(Movement(Event.MOVED, epc, "dock", "store", 20, 15), 1000)
    assert (reading.device, reading.metric, reading.at_ms) == ("store", "movement", 1020)
    assert json.loads(str(reading.value)) == {
        "event": "moved",
        "epc": "3074257BF7194E4000001A85",
        "uri": "urn:epc:id:sgtin:0614141.812345.6789",
        "gtin": "80614141123458",
        "from": "dock",
        "to": "store",
        "at_ms": 1020,
        "last_seen_ms": 1015,
    }


def test_a_departure_belongs_to_the_zone_that_was_left() -> None:
    reading = movement_reading(Movement(Event.DEPARTED, b"\x01", "dock", "", 20, 10), 0)
    assert (reading.device, json.loads(str(reading.value))["to"]) == ("dock", None)


_CONFIG = {"type": "llrp", "name": "reader", "host": "192.0.2.1", "zone": [{"name": "dock", "antennas": [1, 2]}]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"zone": [{"name": "a", "antennas": [1]}, {"name": "b", "antennas": [1]}]}, "antennas must differ; twice: 1"),
        ({"zone": [{"name": "reader", "antennas": [1]}]}, "device ids must differ; twice: reader"),
        ({"zone": [{"name": "a", "antennas": [0]}]}, "antennas count from 1"),
        ({"zone": [{"name": "a/b", "antennas": [1]}]}, "zone.0.name"),
        ({"behavior": "fast"}, "did you mean 'behaviour'"),
    ],
)
def test_config_faults_name_key_and_remedy(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(_CONFIG | change, Config, str(Path("gateway.toml")))
