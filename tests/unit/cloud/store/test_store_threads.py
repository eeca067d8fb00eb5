"""What users of InfluxDB report of ids in tags cannot happen with our rows."""

from __future__ import annotations

import json

from frostline_cloud.store.line import LineEncoder
from frostline_cloud.store.port import Place, Row

EPCS = [f"urn:epc:id:sgtin:0614141.812345.{serial}" for serial in range(50)]


def tags(line: bytes | str) -> str:
    text = line.decode() if isinstance(line, bytes) else line
    return text.split(" ", 1)[0]


def test_influxdb_7151_24406_a_tag_that_moves_is_no_series_of_its_own() -> None:
    shelf, encoder = Place("stock_zone", "hamburg", "gw-1", "shelf-1", "shelf"), LineEncoder()
    moves = [json.dumps({"event": "arrived", "epc": epc}) for epc in EPCS]

    lines = [encoder.line(Row(shelf, 1_000 + number, [("movement_text", move)])) for number, move in enumerate(moves)]

    assert len({tags(line) for line in lines}) == 1
