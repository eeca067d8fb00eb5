"""How an ingest in one process tells the API in another that it lives: a line in SQL, written every few seconds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, insert, select, update

from frostline_cloud.sql.tables import setting

EVERY_S: Final = 5.0
"""How often ingest should write."""

MOST_AGE_MS: Final = 20_000
"""After so long without a line ingest is taken for dead: three beats, and a busy database."""

_KEY = "ingest_status"


def beat(connection: Connection, status: Mapping[str, object], now_ms: int) -> None:
    """Writes what ingest says of itself: `connected`, `online`, `reason`, and any numbers."""
    plain = {key: value for key, value in status.items() if isinstance(value, bool | int | float | str)}
    value = json.dumps({"at_ms": now_ms, "status": plain})
    changed = connection.execute(update(setting).where(setting.c.key == _KEY).values(value=value))
    if changed.rowcount == 0:
        connection.execute(insert(setting).values(key=_KEY, value=value))


def last_beat(connection: Connection, now_ms: int) -> dict[str, Any]:
    """What ingest last said; when that is too long ago, or nothing, that it is not connected, and why."""
    stored = connection.scalar(select(setting.c.value).where(setting.c.key == _KEY))
    if stored is None:
        return {"connected": False, "reason": "no ingest has ever reported here"}
    said = json.loads(stored)
    status: dict[str, Any] = said["status"]
    age_ms = now_ms - int(said["at_ms"])
    if age_ms > MOST_AGE_MS:
        return status | {"connected": False, "reason": f"ingest has not reported for {age_ms // 1000} s"}
    return status
