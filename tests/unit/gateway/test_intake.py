"""Readings become rows on the disk, in groups that a broker takes."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor

import pytest

from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Quality, Reading, Stream
from frostline_edge.sampling import Sampling
from frostline_gateway.devices import Devices
from frostline_gateway.intake import MOST_MEMORY_BYTES, Intake, IntakeLimits
from frostline_gateway.packing import MOST_METRICS_IN_ROW, MOST_ROW_BYTES, MOST_TEXT
from frostline_gateway.spool import Spool
from tests.support.services import eventually_async
from tests.unit.gateway.intake_rows import EVERY, NOW_MS, ROOM, intake_on, payloads_of, reading, rows_of


async def test_a_scan_is_one_row_with_names_types_and_times(spool: Spool, writer: ThreadPoolExecutor) -> None:
    intake = intake_on(spool)
    intake.scan("room-1", [reading(-18.5, NOW_MS - 5), Reading("room-1", "door_open", True, NOW_MS)])
    assert await intake.flush(writer)
    (row,) = rows_of(spool)
    (payload,) = payloads_of(spool)
    assert (row.device, row.samples, row.first_ms, row.last_ms) == ("room-1", 2, NOW_MS - 5, NOW_MS)
    assert [(m.name, m.datatype, m.value, m.timestamp_ms, m.alias) for m in payload.metrics] == [
        ("air_temperature", DataType.DOUBLE, -18.5, NOW_MS - 5, None),
        ("door_open", DataType.BOOLEAN, True, NOW_MS, None),
    ]
    assert payload.seq is None


async def test_quality_other_than_good_travels_with_the_sample(spool: Spool, writer: ThreadPoolExecutor) -> None:
    intake = intake_on(spool)
    bad = Reading("room-1", "air_temperature", None, NOW_MS, Quality.BAD)
    intake.scan("room-1", [bad, Reading("room-1", "door_open", True, NOW_MS, Quality.UNCERTAIN)])
    await intake.flush(writer)
    first, second = payloads_of(spool)[0].metrics
    assert (first.is_null, first.properties["Quality"].value) == (True, 0)
    assert (second.value, second.properties["Quality"].value) == (True, 500)


async def test_an_event_goes_to_the_events_stream_and_is_never_thinned(
    spool: Spool, writer: ThreadPoolExecutor
) -> None:
    intake = intake_on(spool)
    for _ in range(2):
        intake.event("room-1", [Reading("room-1", "door_open", True, NOW_MS)])
    await intake.flush(writer)
    assert [(run.stream, run.last) for run in spool.runs()] == [(Stream.EVENTS, 2)]


async def test_what_says_nothing_new_makes_no_row(spool: Spool, writer: ThreadPoolExecutor) -> None:
    intake = intake_on(spool)
    intake.born(ROOM, {"air_temperature": Sampling()})
    for _ in range(3):
        intake.scan("room-1", [reading(-18.5)])
    await intake.flush(writer)
    assert len(rows_of(spool)) == 1
    account = spool.view().account
    assert (account.read, account.kept, account.filtered, account.rejected) == (3, 1, 2, 0)


async def test_an_override_takes_the_place_of_the_driver_s_sampling(spool: Spool, writer: ThreadPoolExecutor) -> None:
    intake = intake_on(spool, {("room-1", "air_temperature"): {"calibration_offset": -0.5, "deadband": 2.0}})
    intake.born(ROOM, {"air_temperature": EVERY})
    intake.scan("room-1", [reading(10.0)])
    await intake.flush(writer)
    assert payloads_of(spool)[0].metrics[0].value == 9.5


def test_an_override_of_a_metric_that_is_not_there_is_said(spool: Spool, caplog: pytest.LogCaptureFixture) -> None:
    intake = Intake(spool, Devices(), {("room-1", "air_temprature"): {"deadband": 1.0}}, lambda: NOW_MS)
    intake.born(ROOM, {})
    intake.born(ROOM, {})
    assert caplog.text.count("[[override]] of 'air_temprature', which it does not have") == 1


def test_a_sampling_that_cannot_work_is_said_and_its_readings_rejected(
    spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    intake = Intake(spool, Devices(), {("room-1", "air_temperature"): {"source_unit": "bar"}}, lambda: NOW_MS)
    with caplog.at_level(logging.ERROR):
        intake.born(ROOM, {})
    intake.scan("room-1", [reading(1.0)])
    assert "cannot convert bar" in caplog.text
    assert intake.unbooked.rejected == 1
    assert "room-1" not in intake.devices


async def test_a_wide_scan_becomes_several_rows(spool: Spool, writer: ThreadPoolExecutor) -> None:
    count = 2 * MOST_METRICS_IN_ROW + 1
    wide = DeviceDescription("wide", "x", "", tuple(MetricDescription(f"m{i}", DataType.INT32) for i in range(count)))
    intake = intake_on(spool)
    intake.born(wide, {})
    intake.scan("wide", [Reading("wide", f"m{i}", i, NOW_MS) for i in range(count)])
    await intake.flush(writer)
    assert [row.samples for row in rows_of(spool)] == [MOST_METRICS_IN_ROW, MOST_METRICS_IN_ROW, 1]


async def test_a_scan_of_long_texts_becomes_rows_that_a_broker_takes(spool: Spool, writer: ThreadPoolExecutor) -> None:
    names = [f"t{i}" for i in range(20)]
    texts = DeviceDescription("texts", "x", "", tuple(MetricDescription(name, DataType.STRING) for name in names))
    intake = intake_on(spool)
    intake.born(texts, {})
    intake.scan("texts", [Reading("texts", name, "x" * MOST_TEXT, NOW_MS) for name in names])
    await intake.flush(writer)
    rows = rows_of(spool)
    assert sum(row.samples for row in rows) == 20
    assert all(len(row.payload) <= MOST_ROW_BYTES for row in rows)


async def test_rows_in_memory_are_bounded_by_what_they_weigh(spool: Spool) -> None:
    intake = intake_on(spool)
    note = "x" * MOST_TEXT
    for i in range(MOST_MEMORY_BYTES // MOST_TEXT + 10):
        intake.event("room-1", [Reading("room-1", "note", f"{i}{note}"[:MOST_TEXT], NOW_MS)])
    assert intake.unbooked.kept == MOST_MEMORY_BYTES // MOST_TEXT + 10
    assert sum(intake.unbooked.lost.values()) >= 10


@pytest.mark.parametrize("text", ["\ud800", "x" * (MOST_TEXT + 1)], ids=["no UTF-8", "too long"])
async def test_text_that_no_message_can_carry_is_a_bad_sample(
    spool: Spool, writer: ThreadPoolExecutor, text: str
) -> None:
    intake = intake_on(spool)
    intake.scan("room-1", [Reading("room-1", "note", text, NOW_MS)])
    await intake.flush(writer)
    (metric,) = payloads_of(spool)[0].metrics
    assert (metric.is_null, metric.properties["Quality"].value) == (True, 0)


async def test_the_writer_groups_rows_and_writes_them_soon(spool: Spool, writer: ThreadPoolExecutor) -> None:
    intake = intake_on(spool, limits=IntakeLimits(flush_s=0.01))
    task = asyncio.create_task(intake.run(writer))
    intake.scan("room-1", [reading(1.0)])
    await eventually_async(lambda: rows_of(spool))
    task.cancel()
    await asyncio.wait([task])
    assert intake.in_hand == 0


async def test_what_devices_answer_one_after_the_other_is_one_write(spool: Spool, writer: ThreadPoolExecutor) -> None:
    intake, groups = intake_on(spool, limits=IntakeLimits(flush_s=1.0)), []
    spool.listen(lambda: groups.append(spool.held_rows))
    task = asyncio.create_task(intake.run(writer))
    for value in range(5):
        intake.scan("room-1", [reading(float(value))])
        await asyncio.sleep(0)  # the writer may look in between
    await eventually_async(lambda: groups)
    task.cancel()
    await asyncio.wait([task])
    assert groups == [5]


async def test_an_append_that_is_under_way_is_known_before_the_writer_ends(
    spool: Spool, writer: ThreadPoolExecutor
) -> None:
    intake = intake_on(spool)
    intake.scan("room-1", [reading(1.0)])
    task = asyncio.create_task(intake.flush(writer))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (len(rows_of(spool)), intake.in_hand) == (1, 0)


@pytest.mark.parametrize(("flush_s", "rows"), [(1.0, [1, 1, 1]), (5.0, [3])])
async def test_where_rows_wait_for_seconds_those_of_a_device_become_one_however_few(
    spool: Spool, writer: ThreadPoolExecutor, flush_s: float, rows: list[int]
) -> None:
    intake = intake_on(spool, limits=IntakeLimits(flush_s=flush_s))
    for n in range(3):
        intake.scan("room-1", [reading(float(n), NOW_MS + n)])
    assert await intake.flush(writer)
    assert [row.samples for row in rows_of(spool)] == rows
