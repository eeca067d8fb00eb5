"""Rows whose device is gone, whose bytes are damaged, or that had to go: what a host hears of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from frostline_core.reading import DataType
from frostline_gateway.spool import Spool
from frostline_gateway.spool.budget import THINNED
from frostline_gateway.spool.rows import ROW_COST, AccountDelta, Lost, NewRow, loss_notice
from frostline_gateway.uplink import SYSTEM_CLOCKS
from tests.integration.gateway.uplink_host import DeviceBorn, DeviceDied, Sql, TestHost
from tests.integration.gateway.uplink_talk import EVENT, ROOM, SAMPLE, devices, is_empty, opened, row, running
from tests.support.services import Mosquitto, eventually_async


async def test_rows_outlive_their_device(fresh_mosquitto: Mosquitto, spool_path: Path) -> None:
    with opened(spool_path) as spool:
        spool.remember(ROOM)
        spool.append([row(1), row(2)])
    with opened(spool_path) as spool:
        async with TestHost(fresh_mosquitto.port) as host, running(fresh_mosquitto.port, spool, devices()):
            await eventually_async(is_empty(spool))
            assert host.values("air_temperature") == [1, 2]
            assert host.seen(DeviceBorn)[0].device_view.description == ROOM
            assert len(host.seen(DeviceDied)) == 1
            assert all(each.historical for each in host.sql.stored)


async def test_rows_outlive_the_shape_of_their_device(fresh_mosquitto: Mosquitto, spool_path: Path) -> None:
    with opened(spool_path) as spool:
        spool.append([row(7, metric="suction_pressure", kind=DataType.INT32), row(8), row(1, metric="door_open")])
        async with TestHost(fresh_mosquitto.port) as host, running(fresh_mosquitto.port, spool):
            await eventually_async(is_empty(spool))
            assert host.values("suction_pressure") == [7]
            assert host.values("air_temperature") == [8]
            assert [float(value) for value in host.values("door_open")] == [1.0]
            assert host.sql.lost == []


async def test_node_events_that_no_birth_knew_are_declared(fresh_mosquitto: Mosquitto, spool_path: Path) -> None:
    with opened(spool_path) as spool:
        spool.append([row(5, EVENT, "restarts", "", DataType.INT64)])
        async with TestHost(fresh_mosquitto.port) as host, running(fresh_mosquitto.port, spool):
            await eventually_async(is_empty(spool))
            assert host.values("restarts") == [5]


async def test_what_the_budget_dropped_is_listed_with_its_numbers(fresh_mosquitto: Mosquitto, spool_path: Path) -> None:
    weight = len(row(1).payload) + ROW_COST
    with opened(spool_path, 5 * weight + ROW_COST) as spool:
        spool.append([row(n) for n in range(12)], AccountDelta(read=12, kept=12))
        async with TestHost(fresh_mosquitto.port) as host, running(fresh_mosquitto.port, spool):
            await eventually_async(is_empty(spool))
            assert host.values("air_temperature") == list(range(7, 12))
            assert [(first, last, reason) for _, first, last, reason in host.sql.lost] == [(1, 7, "spool budget")]
            assert spool.view().account.lost == {"spool budget": 7}


async def test_a_row_that_is_damaged_is_listed_and_stops_nothing(
    fresh_mosquitto: Mosquitto, spool_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(spool_path) as spool:
        spool.append([row(1), NewRow(SAMPLE, "room-1", b"\xff\xff\xff", 1, 1, 1), row(3)])
        async with TestHost(fresh_mosquitto.port) as host, running(fresh_mosquitto.port, spool):
            await eventually_async(is_empty(spool))
            assert host.values("air_temperature") == [1, 3]
            ((_, first, last, reason),) = host.sql.lost
            assert (first, last) == (2, 2)
            assert "not readable in the spool" in reason


async def test_readings_that_never_reached_the_spool_are_told(fresh_mosquitto: Mosquitto, spool_path: Path) -> None:
    with opened(spool_path) as spool:
        spool.append([loss_notice(Lost("disk full", 12, 5, 9))])
        async with TestHost(fresh_mosquitto.port) as host, running(fresh_mosquitto.port, spool):
            await eventually_async(is_empty(spool))
            assert host.sql.notices == [{"reason": "disk full", "samples": 12, "from_ms": 5, "to_ms": 9}]


async def test_a_host_whose_memory_went_back_lists_what_no_gateway_holds(
    fresh_mosquitto: Mosquitto, spool_path: Path
) -> None:
    with opened(spool_path) as spool:
        async with running(fresh_mosquitto.port, spool):
            async with TestHost(fresh_mosquitto.port) as first:
                spool.append([row(n) for n in range(10)])
                await eventually_async(is_empty(spool))
            async with TestHost(fresh_mosquitto.port, sql=Sql()) as host:
                spool.append([row(10)])
                await eventually_async(is_empty(spool))
                assert host.values("air_temperature") == [10]
                assert [(a, b, why) for _, a, b, why in host.sql.lost] == [(1, 10, "host state restored")]
        assert first.values("air_temperature") == list(range(10))


async def test_what_was_thinned_is_listed_with_its_reason_and_its_extremes_arrive(
    fresh_mosquitto: Mosquitto, spool_path: Path
) -> None:
    now_ms = SYSTEM_CLOCKS.utc_ms()
    clock = [now_ms - 6 * 3_600_000]
    with Spool.open(spool_path, 520 * (len(row(1).payload) + ROW_COST), lambda: clock[0]) as spool:
        for n in range(500):
            clock[0] += 10_000
            spool.append([row(n % 6)], AccountDelta(read=1, kept=1))
        clock[0] = now_ms
        spool.append([row(n % 6) for n in range(100)], AccountDelta(read=100, kept=100))
        lost = dict(spool.view().account.lost)
        assert list(lost) == [THINNED]
        async with TestHost(fresh_mosquitto.port) as host, running(fresh_mosquitto.port, spool):
            await eventually_async(is_empty(spool))
            assert {reason for _, _, _, reason in host.sql.lost} == {THINNED}
            assert sum(last - first + 1 for _, first, last, _ in host.sql.lost) == lost[THINNED]
            assert len(host.sql.stored) == 600 - lost[THINNED]
            assert {0.0, 5.0} <= {each.value for each in host.sql.stored}
            assert spool.view().account.pending == 0
