"""A small cold store behind the API: real SQLite, the embedded store, two sites, and what happens in them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, insert

from frostline_cloud.api import HttpConfig, Services
from frostline_cloud.sql import migrate, open_engine, tables
from frostline_cloud.store import Place, Row, Store, StoreConfig, open_store
from frostline_core.reading import DataType
from frostline_core.rules import RuleSet, parse

NOW_MS = 1_790_000_000_000
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS

FREEZER_WARM = parse(
    {
        "type": "threshold",
        "id": "freezer-warm",
        "title": "Freezer too warm",
        "severity": "critical",
        "select": {"kind": "cold_room", "metric": "air_temperature"},
        "above": -15.0,
        "for": "10m",
    },
    "test",
)


@dataclass
class Cloud:
    """What a test changes: the time, and what ingest says."""

    now_ms: int = NOW_MS
    status: dict[str, object] = field(default_factory=lambda: {"connected": True, "online": True, "reason": ""})

    def services(self, folder: Path, config: HttpConfig | None = None) -> Services:
        """Services on empty databases in a folder."""
        engine = open_engine(f"sqlite:///{folder}/frostline.db")
        migrate(engine)
        store = open_store(StoreConfig(path=folder / "frostline.duckdb", memory_mb=64, threads=1))
        rules = RuleSet.of([FREEZER_WARM])
        return Services(engine, store, rules, self._status, config or HttpConfig(), self._clock)

    def _status(self) -> Mapping[str, object]:
        return self.status

    def _clock(self) -> int:
        return self.now_ms


def seed(engine: Engine, store: Store, now_ms: int = NOW_MS) -> None:
    """Fills both databases: see the functions below for what is in them."""
    with engine.begin() as connection:
        _fleet(connection, now_ms)
        _account(connection, now_ms)
        seed_alerts(connection, now_ms)
    store.write(_samples(now_ms))


ROOMS = (("freezer-1", "freezer-1", -21.0), ("chiller-1", "chiller-1", 3.5), ("dock-1", "loading-dock", 9.0))


def _fleet(connection: Connection, now_ms: int) -> None:
    born = {"online": True, "birth_ms": now_ms - HOUR_MS}
    for site, node, online in (("berlin", "gw-1", True), ("truck-7", "gw-1", False)):
        connection.execute(insert(tables.site).values(site=site, first_seen_ms=now_ms - 30 * HOUR_MS))
        connection.execute(
            insert(tables.node).values(
                site=site,
                node=node,
                proved=True,
                bd_seq=3,
                spool="00000000000000aa",
                held=["00aa000000000001"],
                birth_ms=born["birth_ms"],
                online=online,
                death_ms=None if online else now_ms - 20 * MINUTE_MS,
            )
        )
    for device, zone, _ in ROOMS:
        _device(connection, ("berlin", "gw-1", device), "cold_room", zone, born)
        for metric, datatype, unit in (
            ("air_temperature", DataType.FLOAT, "Cel"),
            ("setpoint", DataType.FLOAT, "Cel"),
            ("door_open", DataType.BOOLEAN, ""),
            ("note", DataType.STRING, ""),
            ("alarm_active", DataType.BOOLEAN, ""),
        ):
            _metric(connection, ("berlin", "gw-1", device, metric), datatype, unit)
    _device(connection, ("truck-7", "gw-1", "box"), "cold_room", "box", born)
    _metric(connection, ("truck-7", "gw-1", "box", "air_temperature"), DataType.FLOAT, "Cel")
    _device(connection, ("berlin", "gw-1", "rack-a"), "stock_zone", "aisle-3", born)
    for gtin in ("04012345000016", "04012345000023"):
        _metric(connection, ("berlin", "gw-1", "rack-a", f"count_{gtin}"), DataType.INT64, "{count}")
    _device(connection, ("berlin", "gw-1", "meter-1"), "power_meter", "", born)
    _metric(connection, ("berlin", "gw-1", "meter-1", "power_total"), DataType.FLOAT, "kW")


def _device(
    connection: Connection, key: tuple[str, str, str], kind: str, zone: str, born: Mapping[str, object]
) -> None:
    site, node, device = key
    connection.execute(
        insert(tables.device).values(
            site=site, node=node, device=device, kind=kind, zone=zone, labels={"product": "vaccines"}, **born
        )
    )


def _metric(connection: Connection, key: tuple[str, str, str, str], datatype: DataType, unit: str) -> None:
    site, node, device, metric = key
    connection.execute(
        insert(tables.metric).values(
            site=site, node=node, device=device, metric=metric, datatype=datatype, unit=unit, writable=False
        )
    )


def _account(connection: Connection, now_ms: int) -> None:
    rows: list[dict[str, Any]] = [
        {"day": "2026-09-20", "received": 1000, "written": 990, "dead_lettered": 3, "duplicate": 7},
        {"day": "2026-09-21", "received": 500, "written": 500, "dead_lettered": 0, "duplicate": 0},
    ]
    for row in rows:
        connection.execute(insert(tables.account).values(site="berlin", node="gw-1", **row))
    for number, reason in enumerate(("spool full", "host state restored", "clock not set")):
        connection.execute(
            insert(tables.loss).values(
                site="berlin",
                node="gw-1",
                run="00aa000000000001",
                first=number * 10 + 1,
                last=number * 10 + 5,
                reason=reason,
                samples=None if number == 2 else 5,
                at_ms=now_ms - number * HOUR_MS,
            )
        )
    connection.execute(
        insert(tables.dead_letter).values(
            site="berlin",
            node="gw-1",
            device="meter-1",
            topic="spBv1.0/berlin/DDATA/gw-1/meter-1",
            reason="in the future by 3 h",
            size=2,
            raw=b"\x00\xff",
            at_ms=now_ms - HOUR_MS,
        )
    )
    connection.execute(
        insert(tables.run).values(
            run="00bb000000000001",
            site="berlin",
            node="gw-1",
            stream=1,
            committed=40,
            announced=55,
            at_ms=now_ms - 30 * HOUR_MS,
        )
    )


def seed_alerts(connection: Connection, now_ms: int) -> None:
    """One that fires, one that clears, one that is over."""
    where = {"site": "berlin", "node": "gw-1", "metric": "air_temperature", "rule": "freezer-warm", "evidence": {}}
    for number, (device, severity, state, minutes) in enumerate(
        (
            ("freezer-1", "critical", "firing", 25),
            ("chiller-1", "warning", "clearing", 70),
            ("dock-1", "info", "resolved", 600),
        )
    ):
        opened = now_ms - minutes * MINUTE_MS
        connection.execute(
            insert(tables.alert).values(
                id=f"00000000-0000-4000-8000-00000000000{number}",
                device=device,
                zone=device,
                severity=severity,
                state=state,
                revision=2,
                retroactive=False,
                opened_ms=opened,
                fired_ms=opened + 10 * MINUTE_MS,
                resolved_ms=opened + 30 * MINUTE_MS if state == "resolved" else None,
                value=-11.5,
                summary=f"{device}: air temperature above -15 °C for 10 minutes",
                **where,
            )
        )
        for revision, (before, after) in enumerate((("ok", "pending"), ("pending", "firing")), 1):
            connection.execute(
                insert(tables.alert_event).values(
                    alert=f"00000000-0000-4000-8000-00000000000{number}",
                    revision=revision,
                    before=before,
                    after=after,
                    at_ms=opened + (revision - 1) * 10 * MINUTE_MS,
                    noted_ms=opened + (revision - 1) * 10 * MINUTE_MS + 400,
                    value=-12.0,
                    note="",
                )
            )


def _samples(now_ms: int) -> list[Row]:
    rows = []
    for device, zone, base in ROOMS:
        place = Place("cold_room", "berlin", "gw-1", device, zone)
        for minute in range(360, -1, -1):
            if device == "chiller-1" and 120 <= minute < 200:
                continue  # the gap that charts must show
            value = base + math.sin(minute / 17.0) + (6.0 if device == "freezer-1" and minute < 35 else 0.0)
            fields: list[tuple[str, float | str]] = [
                ("air_temperature", round(value, 2)),
                ("setpoint", base),
                ("door_open", float(minute % 90 < 3)),
            ]
            rows.append(Row(place, now_ms - minute * MINUTE_MS - 20_000, fields))
    rows.append(
        Row(Place("cold_room", "berlin", "gw-1", "dock-1", "loading-dock"), now_ms - 5_000, [("note_text", "open")])
    )
    rows.append(
        Row(
            Place("cold_room", "berlin", "gw-1", "dock-1", "loading-dock"),
            now_ms - 4_000,
            [("air_temperature_quality", 0.0)],
        )
    )
    rows.append(
        Row(Place("cold_room", "truck-7", "gw-1", "box", "box"), now_ms - 20 * MINUTE_MS, [("air_temperature", -18.25)])
    )
    counts: list[tuple[str, float | str]] = [("count_04012345000016", 14.0), ("count_04012345000023", 0.0)]
    rows.append(Row(Place("stock_zone", "berlin", "gw-1", "rack-a", "aisle-3"), now_ms - 9_000, counts))
    rows.append(Row(Place("power_meter", "berlin", "gw-1", "meter-1", ""), now_ms - 3_000, [("power_total", 12.4)]))
    return rows
