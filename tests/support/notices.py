"""Notifications for tests of receivers: bodies as ingest writes them, and certificates for servers on loopback."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from frostline_cloud.notify.receivers.receiver import Message


def body(**changes: Any) -> dict[str, Any]:
    """A notification that a room in Hamburg is too warm; `incident`, `series` and `rule` are merged into ours."""
    made: dict[str, Any] = {
        "type": "alert.firing",
        "id": "msg_1",
        "timestamp": "2026-01-31T12:00:00.000Z",
        "noted_at": "2026-01-31T12:00:00.180Z",
        "revision": 2,
        "summary": "Freezer too warm: hamburg room-1 air temperature -12.5 °C (limit -15 °C)",
        "incident": {
            "id": "5f0d0000-0000-4000-8000-000000000001",
            "state": "firing",
            "severity": "critical",
            "retroactive": False,
            "opened_at": "2026-01-31T11:50:00.000Z",
            "fired_at": "2026-01-31T12:00:00.000Z",
            "resolved_at": None,
            "acknowledged_by": None,
        },
        "rule": {"id": "freezer-warm", "title": "Freezer too warm", "version": "9a0364b9e99bb480"},
        "series": {
            "site": "hamburg",
            "node": "gw-1",
            "device": "room-1",
            "kind": "cold_room",
            "zone": "freezer-1",
            "metric": "air_temperature",
            "labels": {"product": "fish"},
        },
        "value": -12.5,
        "limit": -15.0,
        "unit": "Cel",
    }
    for key, value in changes.items():
        made[key] = made[key] | value if isinstance(made.get(key), dict) and isinstance(value, dict) else value
    return made


def message(**changes: Any) -> Message:
    """The same as a receiver gets it."""
    made = body(**changes)
    return Message(made["id"], made["type"], json.dumps(made, ensure_ascii=False))


def certificate(folder: Path, *names: str) -> Path:
    """A certificate of its own authority for host names and 127.0.0.1, with its key, in one PEM file."""
    made = folder / "both.pem"
    subject = ",".join([*(f"DNS:{name}" for name in names), "IP:127.0.0.1"])
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    about = ["-days", "2", "-subj", f"/CN={names[0]}", "-addext", f"subjectAltName={subject}"]
    files = ["-keyout", str(made), "-out", str(folder / "certificate.pem")]
    subprocess.run([*request, *about, *files], check=True, capture_output=True)
    made.write_text(made.read_text() + (folder / "certificate.pem").read_text())
    return made
