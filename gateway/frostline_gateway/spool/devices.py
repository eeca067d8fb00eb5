"""The spool remembers what each device was: rows may have to be declared after the device is gone."""

from __future__ import annotations

import json
import sqlite3

from frostline_core.reading import DataType, DeviceDescription, MetricDescription
from frostline_gateway.spool.statements import Recorded

DEVICES_MAX = 10_000
"""Descriptions kept; beyond it the one that changed longest ago is forgotten, and its rows are of kind `device`."""


def write(connection: Recorded, description: DeviceDescription, now_ms: int) -> None:
    """Keeps a description, inside the transaction that is open."""
    connection.execute(
        "INSERT INTO device VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
        " description = excluded.description, at_ms = excluded.at_ms",
        (description.id, _text(description), now_ms),
    )
    connection.execute(
        "DELETE FROM device WHERE id IN (SELECT id FROM device ORDER BY at_ms DESC LIMIT -1 OFFSET ?)", (DEVICES_MAX,)
    )


def read(connection: sqlite3.Connection, device: str) -> DeviceDescription | None:
    """What the device was when it last changed; None if nobody ever told."""
    found = connection.execute("SELECT description FROM device WHERE id = ?", (device,)).fetchone()
    return None if found is None else _description(device, found[0])


def _text(description: DeviceDescription) -> str:
    metrics = [[m.name, int(m.datatype), m.unit, m.low, m.high, m.writable] for m in description.metrics]
    table = {
        "kind": description.kind,
        "zone": description.zone,
        "labels": dict(description.labels),
        "metrics": metrics,
    }
    return json.dumps(table, separators=(",", ":"))


def _description(device: str, text: str) -> DeviceDescription:
    table = json.loads(text)
    metrics = tuple(
        MetricDescription(name, DataType(datatype), unit, low, high, writable)
        for name, datatype, unit, low, high, writable in table["metrics"]
    )
    return DeviceDescription(device, table["kind"], table["zone"], metrics, table["labels"])
