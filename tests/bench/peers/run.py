"""Peers side by side with ours: same load, machine and run. What cannot be installed is left out, and says why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.bench.peers import gateways, install, kills, streams


def measure() -> dict[str, Any]:
    """Streams, kills and gateways; {"skipped": why} where a peer is not to be had."""
    parts = {
        "mqtt_to_influxdb": _unless_missing(install.node_red, streams.measure),
        "killed": _unless_missing(install.node_red, kills.measure),
        "modbus_to_mqtt": _unless_missing(install.thingsboard, gateways.measure),
    }
    reasons = [part["skipped"] for part in parts.values() if "skipped" in part]
    return parts | ({"skipped": reasons[0]} if len(reasons) == len(parts) else {})


def _unless_missing(need: Callable[[], object], part: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        need()
    except install.NotInstallableError as why:
        return {"skipped": str(why)}
    return part()


def table(result: dict[str, Any]) -> str:
    """Three tables as text, and what was left out."""
    streamed, killed, gateway = (result[name] for name in ("mqtt_to_influxdb", "killed", "modbus_to_mqtt"))
    lines = [f"left out: {part['skipped']}" for part in (streamed, killed, gateway) if "skipped" in part]
    if "skipped" not in streamed:
        columns = ("cpu_us_per_point", "points_per_s", "rss_mib", "missing")
        lines += _lines("MQTT to InfluxDB", columns, {f"{s}: {who}": row for s, who, row in _pairs(streamed)})
    if "skipped" not in killed:
        rows = {name: row for name, row in killed.items() if isinstance(row, dict)}
        lines += _lines("kill -9", ("kills", "sent", "stored", "missing"), rows)
    if "skipped" not in gateway:
        rows = gateway["thingsboard_gateway"] | {"frostline": gateway["frostline_gateway"]}
        lines += _lines("Modbus to MQTT", ("samples_kept_per_s", "cpu_percent", "rss_mib"), rows)
    return "\n".join(lines)


def _pairs(streamed: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(s, who, row) for s, found in streamed.items() for who, row in found.items() if isinstance(row, dict)]


def _lines(title: str, columns: tuple[str, ...], rows: dict[str, dict[str, Any]]) -> list[str]:
    width = max(len(name) for name in (title, *rows))
    head = f"{title:<{width}}  " + "  ".join(f"{column:>18}" for column in columns)
    return ["", head, *(f"{n:<{width}}  " + "  ".join(f"{row[c]:>18g}" for c in columns) for n, row in rows.items())]
