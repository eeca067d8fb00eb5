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
