"""An intake on a spool, and what it wrote there."""

from __future__ import annotations

from collections.abc import Mapping

from frostline_core.commit import Row
from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Reading
from frostline_core.sparkplug import Payload, decode
from frostline_edge.sampling import Sampling
from frostline_gateway.devices import Devices
from frostline_gateway.intake import (
    Intake,
    IntakeLimits,
)
from frostline_gateway.spool import Spool

NOW_MS = 1_700_000_000_000
ROOM = DeviceDescription(
    "room-1",
    "cold_room",
    "",
    (
        MetricDescription("air_temperature", DataType.DOUBLE, "Cel"),
        MetricDescription("door_open", DataType.BOOLEAN),
        MetricDescription("note", DataType.STRING),
    ),
)
EVERY = Sampling(every=True)


def intake_on(
    spool: Spool,
    overrides: Mapping[tuple[str, str], Mapping[str, object]] | None = None,
    limits: IntakeLimits | None = None,
) -> Intake:
    intake = Intake(spool, Devices(), overrides or {}, lambda: NOW_MS, limits)
    intake.born(ROOM, {})
    return intake


def reading(value: float, at_ms: int = NOW_MS, metric: str = "air_temperature") -> Reading:
    return Reading("room-1", metric, value, at_ms)


def rows_of(spool: Spool) -> list[Row]:
    found = []
    for run in spool.runs():
        n = 1
        while (row := spool.next_row(run.run, n)) is not None:
            found.append(row)
            n = row.n + 1
    return found


def payloads_of(spool: Spool) -> list[Payload]:
    return [decode(row.payload) for row in rows_of(spool)]


def break_disk(spool: Spool) -> None:
    """The next append fails: the room that the spool holds in reserve is gone and cannot be made again, once."""
    reserve = spool.path.with_name(f"{spool.path.name}.reserve")
    reserve.unlink(missing_ok=True)
    reserve.symlink_to("/nonexistent/reserve")
