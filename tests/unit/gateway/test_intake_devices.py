"""What the intake tells of devices: births, deaths, newest values, commands and reads of tags."""

from __future__ import annotations

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from frostline_core.diary import COMMAND
from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Reading
from frostline_gateway.devices import Devices
from frostline_gateway.diary import Diary
from frostline_gateway.intake import (
    Intake,
)
from frostline_gateway.spool import Spool
from tests.unit.gateway.intake_rows import EVERY, NOW_MS, ROOM, intake_on, payloads_of, reading, rows_of


def test_births_changes_and_deaths_are_told_once(spool: Spool) -> None:
    intake = Intake(spool, Devices(), {}, lambda: NOW_MS)
    told: list[str] = []
    intake.on_device(told.append)
    intake.born(ROOM, {})
    intake.born(ROOM, {})
    intake.died("room-1", "unplugged")
    intake.died("room-1", "unplugged")
    assert told == ["room-1", "room-1"]
    assert intake.devices.states()["room-1"].reason == "unplugged"


def test_a_driver_that_is_stopped_kills_no_device(spool: Spool) -> None:
    intake = intake_on(spool)
    intake.close()
    intake.died("room-1", "the driver was stopped")
    assert "room-1" in intake.devices


def test_births_carry_the_newest_samples(spool: Spool) -> None:
    intake = intake_on(spool)
    intake.scan("room-1", [reading(1.0)])
    intake.scan("room-1", [reading(2.0)])
    assert intake.devices["room-1"].values["air_temperature"].value == 2.0


def test_a_device_born_with_another_metric_keeps_the_values_it_still_has(spool: Spool) -> None:
    intake = intake_on(spool)
    told: list[str] = []
    intake.on_device(told.append)
    intake.scan("room-1", [reading(1.0)])
    more = replace(ROOM, metrics=(*ROOM.metrics[:1], MetricDescription("humidity", DataType.DOUBLE, "%")))
    intake.born(more, {})
    assert told == ["room-1"]
    assert intake.devices["room-1"].values["air_temperature"].value == 1.0
    intake.scan("room-1", [reading(2.0)])
    assert intake.devices["room-1"].values["air_temperature"].value == 2.0


def test_a_device_that_comes_back_has_no_values_of_before(spool: Spool) -> None:
    intake = intake_on(spool)
    intake.scan("room-1", [reading(1.0)])
    intake.died("room-1", "unplugged")
    assert "room-1" not in intake.devices
    intake.born(ROOM, {})
    assert intake.devices["room-1"].values == {}


async def test_what_became_of_a_command_is_an_event_of_the_gateway(spool: Spool, writer: ThreadPoolExecutor) -> None:
    intake = intake_on(spool)
    Diary(intake.event, lambda: NOW_MS).command({"device": "room-1", "outcome": "done"})
    await intake.flush(writer)
    (row,) = rows_of(spool)
    (metric,) = payloads_of(spool)[0].metrics
    assert (row.device, row.samples, metric.name) == ("", 1, COMMAND)
    assert json.loads(str(metric.value)) == {"device": "room-1", "outcome": "done"}
    birth, *_ = intake.devices.node_metrics()
    assert (birth.name, birth.value) == (COMMAND, metric.value)


async def test_reads_of_tags_are_marked_as_the_first_to_go(spool: Spool, writer: ThreadPoolExecutor) -> None:
    dock = DeviceDescription(
        "dock",
        "rfid_reader",
        "",
        (MetricDescription("read", DataType.STRING), MetricDescription("note", DataType.TEXT)),
    )
    intake = intake_on(spool)
    intake.born(dock, {"read": EVERY})
    intake.scan("dock", [Reading("dock", "read", "3034F4A3B80C1240000003E8", NOW_MS)])
    intake.scan("dock", [Reading("dock", "note", "door side", NOW_MS)])
    intake.event("dock", [Reading("dock", "read", "3034F4A3B80C1240000003E9", NOW_MS)])
    await intake.flush(writer)
    spool.close()  # writes the tables
    with sqlite3.connect(spool.path) as connection:
        found = connection.execute("SELECT raw, count(*) FROM row GROUP BY raw").fetchall()
    connection.close()
    assert found == [(0, 2), (1, 1)]
