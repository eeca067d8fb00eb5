"""Readings to rows on the disk, and what happens when the disk does not take them."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from frostline_core.commit import GAP, Row
from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Quality, Reading, Stream
from frostline_core.sparkplug import Payload, decode
from frostline_edge.sampling import Sampling
from frostline_gateway.devices import AUDIT, Devices
from frostline_gateway.intake import (
    MOST_MEMORY_BYTES,
    MOST_METRICS_IN_ROW,
    MOST_ROW_BYTES,
    MOST_TEXT,
    Intake,
    IntakeLimits,
)
from frostline_gateway.spool import Spool
from frostline_gateway.spool.rows import Lost
from frostline_gateway.status import account_document
from tests.support.services import eventually_async

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


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool.open(tmp_path / "spool.db", 1 << 24, lambda: NOW_MS) as opened:
        yield opened


@pytest.fixture
def writer() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def _intake(
    spool: Spool,
    overrides: Mapping[tuple[str, str], Mapping[str, object]] | None = None,
    limits: IntakeLimits | None = None,
) -> Intake:
    intake = Intake(spool, Devices(), overrides or {}, lambda: NOW_MS, limits)
    intake.born(ROOM, {})
    return intake


def _reading(value: float, at_ms: int = NOW_MS, metric: str = "air_temperature") -> Reading:
    return Reading("room-1", metric, value, at_ms)


def _rows(spool: Spool) -> list[Row]:
    found = []
    for run in spool.runs():
        n = 1
        while (row := spool.next_row(run.run, n)) is not None:
            found.append(row)
            n = row.n + 1
    return found


def _payloads(spool: Spool) -> list[Payload]:
    return [decode(row.payload) for row in _rows(spool)]


def _break_disk(spool: Spool) -> None:
    """The next append fails: the room that the spool holds in reserve is gone and cannot be made again, once."""
    reserve = spool.path.with_name(f"{spool.path.name}.reserve")
    reserve.unlink(missing_ok=True)
    reserve.symlink_to("/nonexistent/reserve")


async def test_a_scan_is_one_row_with_names_types_and_times(spool: Spool, writer: ThreadPoolExecutor) -> None:
    intake = _intake(spool)
    intake.scan("room-1", [_reading(-18.5, NOW_MS - 5), Reading("room-1", "door_open", True, NOW_MS)])
    assert await intake.flush(writer)
    (row,) = _rows(spool)
    (payload,) = _payloads(spool)
    assert (row.device, row.samples, row.first_ms, row.last_ms) == ("room-1", 2, NOW_MS - 5, NOW_MS)
    assert [(m.name, m.datatype, m.value, m.timestamp_ms, m.alias) for m in payload.metrics] == [
        ("air_temperature", DataType.DOUBLE, -18.5, NOW_MS - 5, None),
        ("door_open", DataType.BOOLEAN, True, NOW_MS, None),
    ]
    assert payload.seq is None


async def test_quality_other_than_good_travels_with_the_sample(spool: Spool, writer: ThreadPoolExecutor) -> None:
    intake = _intake(spool)
    bad = Reading("room-1", "air_temperature", None, NOW_MS, Quality.BAD)
    intake.scan("room-1", [bad, Reading("room-1", "door_open", True, NOW_MS, Quality.UNCERTAIN)])
    await intake.flush(writer)
    first, second = _payloads(spool)[0].metrics
    assert (first.is_null, first.properties["Quality"].value) == (True, 0)
    assert (second.value, second.properties["Quality"].value) == (True, 500)


async def test_an_event_goes_to_the_events_stream_and_is_never_thinned(
    spool: Spool, writer: ThreadPoolExecutor
) -> None:
    intake = _intake(spool)
    for _ in range(2):
        intake.event("room-1", [Reading("room-1", "door_open", True, NOW_MS)])
    await intake.flush(writer)
    assert [(run.stream, run.last) for run in spool.runs()] == [(Stream.EVENTS, 2)]


async def test_what_says_nothing_new_makes_no_row(spool: Spool, writer: ThreadPoolExecutor) -> None:
    intake = _intake(spool)
    intake.born(ROOM, {"air_temperature": Sampling()})
    for _ in range(3):
        intake.scan("room-1", [_reading(-18.5)])
    await intake.flush(writer)
    assert len(_rows(spool)) == 1
    account = spool.account()
    assert (account.read, account.kept, account.filtered, account.rejected) == (3, 1, 2, 0)


async def test_an_override_takes_the_place_of_the_driver_s_sampling(spool: Spool, writer: ThreadPoolExecutor) -> None:
    intake = _intake(spool, {("room-1", "air_temperature"): {"calibration_offset": -0.5, "deadband": 2.0}})
    intake.born(ROOM, {"air_temperature": EVERY})
    intake.scan("room-1", [_reading(10.0)])
    await intake.flush(writer)
    assert _payloads(spool)[0].metrics[0].value == 9.5


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
    intake.scan("room-1", [_reading(1.0)])
    assert "cannot convert bar" in caplog.text
    assert intake.unbooked.rejected == 1
    assert "room-1" not in intake.devices


async def test_a_wide_scan_becomes_several_rows(spool: Spool, writer: ThreadPoolExecutor) -> None:
    count = 2 * MOST_METRICS_IN_ROW + 1
    wide = DeviceDescription("wide", "x", "", tuple(MetricDescription(f"m{i}", DataType.INT32) for i in range(count)))
    intake = _intake(spool)
    intake.born(wide, {})
    intake.scan("wide", [Reading("wide", f"m{i}", i, NOW_MS) for i in range(count)])
    await intake.flush(writer)
    assert [row.samples for row in _rows(spool)] == [MOST_METRICS_IN_ROW, MOST_METRICS_IN_ROW, 1]


async def test_a_scan_of_long_texts_becomes_rows_that_a_broker_takes(spool: Spool, writer: ThreadPoolExecutor) -> None:
    names = [f"t{i}" for i in range(20)]
    texts = DeviceDescription("texts", "x", "", tuple(MetricDescription(name, DataType.STRING) for name in names))
    intake = _intake(spool)
    intake.born(texts, {})
    intake.scan("texts", [Reading("texts", name, "x" * MOST_TEXT, NOW_MS) for name in names])
    await intake.flush(writer)
    rows = _rows(spool)
    assert sum(row.samples for row in rows) == 20
    assert all(len(row.payload) <= MOST_ROW_BYTES for row in rows)


async def test_rows_in_memory_are_bounded_by_what_they_weigh(spool: Spool) -> None:
    intake = _intake(spool)
    note = "x" * MOST_TEXT
    for i in range(MOST_MEMORY_BYTES // MOST_TEXT + 10):
        intake.event("room-1", [Reading("room-1", "note", f"{i}{note}"[:MOST_TEXT], NOW_MS)])
    assert intake.unbooked.kept == MOST_MEMORY_BYTES // MOST_TEXT + 10
    assert sum(intake.unbooked.lost.values()) >= 10


@pytest.mark.parametrize("text", ["\ud800", "x" * (MOST_TEXT + 1)], ids=["no UTF-8", "too long"])
async def test_text_that_no_message_can_carry_is_a_bad_sample(
    spool: Spool, writer: ThreadPoolExecutor, text: str
) -> None:
    intake = _intake(spool)
    intake.scan("room-1", [Reading("room-1", "note", text, NOW_MS)])
    await intake.flush(writer)
    (metric,) = _payloads(spool)[0].metrics
    assert (metric.is_null, metric.properties["Quality"].value) == (True, 0)


async def test_the_writer_groups_rows_and_writes_them_soon(spool: Spool, writer: ThreadPoolExecutor) -> None:
    intake = _intake(spool, limits=IntakeLimits(flush_s=0.01))
    task = asyncio.create_task(intake.run(writer))
    intake.scan("room-1", [_reading(1.0)])
    await eventually_async(lambda: _rows(spool), 5)
    task.cancel()
    await asyncio.wait([task])
    assert intake.in_hand == 0


async def test_what_devices_answer_one_after_the_other_is_one_write(spool: Spool, writer: ThreadPoolExecutor) -> None:
    intake, groups = _intake(spool, limits=IntakeLimits(flush_s=2.0)), []
    spool.listen(lambda: groups.append(spool.held_rows))
    task = asyncio.create_task(intake.run(writer))
    for value in range(5):
        intake.scan("room-1", [_reading(float(value))])
        await asyncio.sleep(0.02)
    await eventually_async(lambda: groups, 5)
    task.cancel()
    await asyncio.wait([task])
    assert groups == [5]


async def test_an_append_that_is_under_way_is_known_before_the_writer_ends(
    spool: Spool, writer: ThreadPoolExecutor
) -> None:
    intake = _intake(spool)
    intake.scan("room-1", [_reading(1.0)])
    task = asyncio.create_task(intake.flush(writer))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (len(_rows(spool)), intake.in_hand) == (1, 0)


# A disk that does not work.


async def test_rows_wait_in_memory_and_keep_their_order(spool: Spool, writer: ThreadPoolExecutor) -> None:
    intake = _intake(spool)
    intake.scan("room-1", [_reading(1.0)])
    _break_disk(spool)
    assert not await intake.flush(writer)
    intake.scan("room-1", [_reading(2.0)])
    assert await intake.flush(writer)
    assert [payload.metrics[0].value for payload in _payloads(spool)] == [1.0, 2.0]
    assert spool.account().lost == {}


async def test_a_failing_disk_is_said_once_and_its_end_once(
    spool: Spool, writer: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    intake = _intake(spool)
    intake.scan("room-1", [_reading(1.0)])
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            _break_disk(spool)
            await intake.flush(writer)
        assert "cannot hold room in reserve" in intake.error
        await intake.flush(writer)
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]
    assert intake.error == ""


async def test_beyond_the_bound_the_oldest_are_lost_with_reason_count_and_span(
    spool: Spool, writer: ThreadPoolExecutor
) -> None:
    intake = _intake(spool, limits=IntakeLimits(memory_rows=3))
    _break_disk(spool)
    intake.scan("room-1", [_reading(0.0, NOW_MS - 100)])
    await intake.flush(writer)
    for i in range(1, 6):
        intake.scan("room-1", [_reading(float(i), NOW_MS - 100 + i)])
    assert await intake.flush(writer)
    notice = next(m for payload in _payloads(spool) for m in payload.metrics if m.name == GAP)
    told = json.loads(str(notice.value))
    assert "cannot hold room in reserve" in told.pop("reason")
    assert told == {"samples": 3, "from_ms": NOW_MS - 100, "to_ms": NOW_MS}
    values = [m.value for payload in _payloads(spool) for m in payload.metrics if m.name == "air_temperature"]
    assert values == [3.0, 4.0, 5.0]
    account = spool.account()
    assert (account.kept, account.pending, sum(account.lost.values())) == (6, 3, 3)


async def test_a_loss_nobody_could_count_is_told_all_the_same(spool: Spool, writer: ThreadPoolExecutor) -> None:
    intake = _intake(spool)
    intake.tell_lost(Lost("unclean", None, NOW_MS - 500, NOW_MS))
    await intake.flush(writer)
    (payload,) = _payloads(spool)
    assert json.loads(str(payload.metrics[0].value)) == {
        "reason": "unclean",
        "samples": None,
        "from_ms": NOW_MS - 500,
        "to_ms": NOW_MS,
    }


async def test_what_is_read_while_a_group_is_written_is_not_yet_durable(
    spool: Spool, writer: ThreadPoolExecutor
) -> None:
    now = NOW_MS
    intake = Intake(spool, Devices(), {}, lambda: now)
    intake.born(ROOM, {})
    intake.scan("room-1", [_reading(1.0)])
    writing = asyncio.create_task(intake.flush(writer))
    await asyncio.sleep(0)
    now += 100
    assert await writing
    assert spool.read_ms == NOW_MS, "the time at which the group was taken, not that at which it was written"


async def test_a_group_that_the_disk_refuses_makes_nothing_durable(spool: Spool, writer: ThreadPoolExecutor) -> None:
    intake = _intake(spool)
    intake.scan("room-1", [_reading(1.0)])
    _break_disk(spool)
    assert not await intake.flush(writer)
    assert spool.read_ms == 0


STEPS = st.lists(
    st.sampled_from(["scan", "same", "unknown", "flush", "broken flush"]) | st.integers(1, 6).map(str), max_size=25
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_the_account_never_leaks(tmp_path_factory: pytest.TempPathFactory, steps: Sequence[str]) -> None:
    async def story() -> None:
        path = tmp_path_factory.mktemp("spool") / "spool.db"
        with Spool.open(path, 1 << 24, lambda: NOW_MS) as spool, ThreadPoolExecutor(1) as writer:
            intake = _intake(spool, limits=IntakeLimits(memory_rows=4))
            intake.born(ROOM, {"air_temperature": Sampling()})
            for number, step in enumerate(steps):
                await _step(intake, spool, writer, step, number)
                document = account_document(spool.account(), intake.unbooked)
                assert document["residue"] == {"sampler": 0, "spool": 0}
                assert document["read"] == intake.sampler.account.read
            await intake.flush(writer)
            assert intake.in_hand == 0

    asyncio.run(story())


async def _step(intake: Intake, spool: Spool, writer: ThreadPoolExecutor, step: str, number: int) -> None:
    if step == "flush":
        await intake.flush(writer)
    elif step == "broken flush":
        _break_disk(spool)
        await intake.flush(writer)
    elif step == "unknown":
        intake.scan("room-1", [_reading(1.0, metric="nothing")])
    else:
        value = 0.0 if step == "same" else float(number)
        for i in range(int(step) if step.isdigit() else 1):
            intake.scan("room-1", [_reading(value + i / 10)])


# Devices.


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
    intake = _intake(spool)
    intake.close()
    intake.died("room-1", "the driver was stopped")
    assert "room-1" in intake.devices


def test_births_carry_the_newest_samples(spool: Spool) -> None:
    intake = _intake(spool)
    intake.scan("room-1", [_reading(1.0)])
    intake.scan("room-1", [_reading(2.0)])
    assert intake.devices["room-1"].values["air_temperature"].value == 2.0


def test_a_device_born_with_another_metric_keeps_the_values_it_still_has(spool: Spool) -> None:
    intake = _intake(spool)
    told: list[str] = []
    intake.on_device(told.append)
    intake.scan("room-1", [_reading(1.0)])
    more = replace(ROOM, metrics=(*ROOM.metrics[:1], MetricDescription("humidity", DataType.DOUBLE, "%")))
    intake.born(more, {})
    assert told == ["room-1"]
    assert intake.devices["room-1"].values["air_temperature"].value == 1.0
    intake.scan("room-1", [_reading(2.0)])
    assert intake.devices["room-1"].values["air_temperature"].value == 2.0


def test_a_device_that_comes_back_has_no_values_of_before(spool: Spool) -> None:
    intake = _intake(spool)
    intake.scan("room-1", [_reading(1.0)])
    intake.died("room-1", "unplugged")
    assert "room-1" not in intake.devices
    intake.born(ROOM, {})
    assert intake.devices["room-1"].values == {}


async def test_what_became_of_a_command_is_an_event_of_the_gateway(spool: Spool, writer: ThreadPoolExecutor) -> None:
    intake = _intake(spool)
    intake.audit({"device": "room-1", "outcome": "done"})
    await intake.flush(writer)
    (row,) = _rows(spool)
    (metric,) = _payloads(spool)[0].metrics
    assert (row.device, row.samples, metric.name) == ("", 1, AUDIT)
    assert json.loads(str(metric.value)) == {"device": "room-1", "outcome": "done"}
    birth, *_ = intake.devices.node_metrics()
    assert (birth.name, birth.value) == (AUDIT, metric.value)


async def test_reads_of_tags_are_marked_as_the_first_to_go(spool: Spool, writer: ThreadPoolExecutor) -> None:
    dock = DeviceDescription(
        "dock",
        "rfid_reader",
        "",
        (MetricDescription("read", DataType.STRING), MetricDescription("note", DataType.TEXT)),
    )
    intake = _intake(spool)
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
