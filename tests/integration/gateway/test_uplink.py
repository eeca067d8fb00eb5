"""The uplink against a real broker and a host that keeps the protocol: delivery and sessions."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from frostline_core.commit import Commit
from frostline_core.reading import DataType, Reading
from frostline_core.sparkplug import Metric, Payload, encode
from frostline_gateway.spool.rows import AccountDelta, NewRow
from frostline_gateway.uplink import SYSTEM_CLOCKS
from tests.integration.gateway.uplink_host import DeviceBorn, DeviceDied, NodeBorn, NodeDied, TestHost
from tests.integration.gateway.uplink_talk import EVENT, ROOM, SAMPLE, devices, is_empty, opened, row, running
from tests.support.services import Mosquitto, eventually_async
from tests.support.sockets import end


async def test_everything_arrives_once_in_order_and_leaves_the_spool(
    fresh_mosquitto: Mosquitto, spool_path: Path
) -> None:
    with opened(spool_path) as spool:
        spool.append([row(n) for n in range(100)], AccountDelta(read=100, kept=100))
    with opened(spool_path) as spool:
        spool.append(
            [row(n, EVENT, "door_open", kind=DataType.BOOLEAN) for n in (True, False, True)], AccountDelta(3, 3)
        )
        async with TestHost(fresh_mosquitto.port) as host, running(fresh_mosquitto.port, spool):
            for n in range(100, 150):
                spool.append([row(n)], AccountDelta(read=1, kept=1))
            await eventually_async(is_empty(spool))
            live = [each.value for each in host.sql.stored if each.metric == "air_temperature" and not each.historical]
            backlog = [each.value for each in host.sql.stored if each.historical]
            assert live == list(range(100, 150))
            assert backlog == list(range(100))
            assert host.values("door_open") == [True, False, True]
            account = spool.view().account
            assert (account.committed, account.pending, account.lost) == (153, 0, {})


async def test_with_bursts_samples_wait_on_the_disk_and_events_do_not(
    fresh_mosquitto: Mosquitto, spool_path: Path
) -> None:
    with opened(spool_path) as spool:
        spool.append([row(0)], AccountDelta(read=1, kept=1))
        async with TestHost(fresh_mosquitto.port) as host, running(fresh_mosquitto.port, spool, burst_s=15.0):
            await eventually_async(is_empty(spool))  # it went out with the first burst, and the next one is far
            spool.append([row(1), row(2)], AccountDelta(read=2, kept=2))
            spool.append([row(True, EVENT, "door_open", kind=DataType.BOOLEAN)], AccountDelta(1, 1))
            await eventually_async(lambda: host.values("door_open"))
            assert host.values("air_temperature") == [0]
            await eventually_async(is_empty(spool))
            assert host.values("air_temperature") == [0, 1, 2]


async def test_with_compression_large_messages_are_sent_compressed_and_small_ones_are_not(
    fresh_mosquitto: Mosquitto, spool_path: Path
) -> None:
    at_ms = SYSTEM_CLOCKS.utc_ms()
    values = tuple(Metric("air_temperature", None, at_ms + n, DataType.FLOAT, n) for n in range(50))
    large = NewRow(SAMPLE, "room-1", encode(Payload(at_ms, None, values)), 50, at_ms, at_ms + 49)
    with opened(spool_path) as spool:
        async with (
            TestHost(fresh_mosquitto.port) as host,
            running(fresh_mosquitto.port, spool, compression="deflate"),
        ):
            spool.append([row(-1), large], AccountDelta(read=51, kept=51))
            await eventually_async(is_empty(spool))
            assert host.values("air_temperature") == [-1, *range(50)]
            assert 1 <= host.counts["compressed"] < host.counts["data"]


async def test_births_say_what_devices_are_and_deaths_follow(fresh_mosquitto: Mosquitto, spool_path: Path) -> None:
    known = devices(ROOM)
    known.keep([Reading("room-1", "air_temperature", -18.5, 1_700_000_000_000)])
    with opened(spool_path) as spool:
        async with TestHost(fresh_mosquitto.port) as host, running(fresh_mosquitto.port, spool, known) as uplink:
            await eventually_async(lambda: host.seen(DeviceBorn))
            born = host.seen(DeviceBorn)[0]
            assert born.device_view.description == ROOM
            value = next(metric for metric in born.payload.metrics if metric.name == "air_temperature")
            assert (value.value, value.timestamp_ms) == (-18.5, 1_700_000_000_000)
            known.died("room-1", "no answer", SYSTEM_CLOCKS.utc_ms())
            uplink.device_changed("room-1")
            await eventually_async(lambda: host.seen(DeviceDied))
            known.born(replace(ROOM, zone="freezer-2"), SYSTEM_CLOCKS.utc_ms())
            uplink.device_changed("room-1")
            await eventually_async(lambda: len(host.seen(DeviceBorn)) == 2)
            assert host.seen(DeviceBorn)[1].device_view.description.zone == "freezer-2"
            status = uplink.status()
            assert (status.connected, status.born, status.host_online, status.last_error) == (True, True, True, "")
            assert host.seen(NodeDied) == []


async def test_a_clean_stop_says_goodbye(fresh_mosquitto: Mosquitto, spool_path: Path) -> None:
    with opened(spool_path) as spool:
        async with TestHost(fresh_mosquitto.port) as host:
            async with running(fresh_mosquitto.port, spool):
                await eventually_async(lambda: host.seen(DeviceBorn))
            await eventually_async(lambda: host.seen(NodeDied))


async def test_a_broker_that_goes_and_comes_loses_nothing(fresh_mosquitto: Mosquitto, spool_path: Path) -> None:
    with opened(spool_path) as spool:
        async with TestHost(fresh_mosquitto.port) as first, running(fresh_mosquitto.port, spool) as uplink:
            spool.append([row(n) for n in range(30)])
            await eventually_async(lambda: len(first.sql.stored) >= 10)
            await asyncio.to_thread(fresh_mosquitto.kill)
            spool.append([row(n) for n in range(30, 60)])
            await eventually_async(lambda: "broker" in uplink.status().last_error)
            assert not uplink.status().connected
        await asyncio.to_thread(fresh_mosquitto.start)
        async with TestHost(fresh_mosquitto.port, sql=first.sql) as host, running(fresh_mosquitto.port, spool):
            await eventually_async(is_empty(spool))
            assert sorted(host.values("air_temperature")) == list(range(60))


async def test_the_uplink_itself_comes_back_after_a_broker_restart(
    fresh_mosquitto: Mosquitto, spool_path: Path
) -> None:
    with opened(spool_path) as spool:
        async with TestHost(fresh_mosquitto.port) as first, running(fresh_mosquitto.port, spool) as uplink:
            spool.append([row(0)])
            await eventually_async(is_empty(spool))
            await asyncio.to_thread(fresh_mosquitto.stop)
            spool.append([row(n) for n in range(1, 20)])
            await asyncio.to_thread(fresh_mosquitto.start)
            await asyncio.to_thread(end, first.client)  # else it would come again under the same name
            async with TestHost(fresh_mosquitto.port, sql=first.sql) as host:
                await eventually_async(is_empty(spool))
                assert sorted(host.values("air_temperature")) == list(range(20))
                assert uplink.status().reconnects >= 1
                assert uplink.status().identity_conflicts == 0


async def test_while_the_host_is_offline_everything_stays_in_the_spool(
    fresh_mosquitto: Mosquitto, spool_path: Path
) -> None:
    with opened(spool_path) as spool:
        async with TestHost(fresh_mosquitto.port) as host, running(fresh_mosquitto.port, spool) as uplink:
            spool.append([row(0)])
            await eventually_async(is_empty(spool))
            host.pause()
            await eventually_async(lambda: host.seen(NodeDied))
            spool.append([row(1), row(2)])
            await eventually_async(lambda: uplink.status().connected and not uplink.status().born)
            assert not uplink.status().host_online
            assert spool.held_rows == 2
            host.online()
            await eventually_async(is_empty(spool))
            assert host.values("air_temperature") == [0, 1, 2]
            assert [birth.payload.metrics[0].value for birth in host.seen(NodeBorn)] == [0, 1]  # bdSeq


async def test_nothing_is_sent_to_nobody(fresh_mosquitto: Mosquitto, spool_path: Path) -> None:
    with opened(spool_path) as spool:
        spool.append([row(1)])
        async with running(fresh_mosquitto.port, spool) as uplink:
            await eventually_async(lambda: uplink.status().connected)
            await asyncio.sleep(0.3)
            assert (uplink.status().born, spool.held_rows) == (False, 1)


async def test_a_rebirth_keeps_the_session_and_loses_nothing(fresh_mosquitto: Mosquitto, spool_path: Path) -> None:
    with opened(spool_path) as spool:
        async with TestHost(fresh_mosquitto.port) as host, running(fresh_mosquitto.port, spool):
            await eventually_async(lambda: host.seen(DeviceBorn))
            spool.append([row(n) for n in range(200)])
            host.ask_rebirth("site", "gw")
            await eventually_async(is_empty(spool))
            assert len(host.seen(NodeBorn)) >= 2
            assert {birth.payload.metrics[0].value for birth in host.seen(NodeBorn)} == {0}
            assert host.values("air_temperature") == list(range(200))
            assert host.seen(NodeDied) == []


async def test_messages_that_are_lost_are_sent_again(fresh_mosquitto: Mosquitto, spool_path: Path) -> None:
    with opened(spool_path) as spool:
        async with TestHost(fresh_mosquitto.port, loss=0.05) as host, running(fresh_mosquitto.port, spool):
            spool.append([row(n) for n in range(150)])
            await eventually_async(is_empty(spool))
            assert host.values("air_temperature") == list(range(150))
            assert host.counts["data"] > 150


async def test_a_commit_of_a_run_that_is_not_ours_is_ignored(fresh_mosquitto: Mosquitto, spool_path: Path) -> None:
    with opened(spool_path) as spool:
        async with TestHost(fresh_mosquitto.port) as host, running(fresh_mosquitto.port, spool):
            await eventually_async(lambda: host.seen(DeviceBorn))
            host.send_commits("site", "gw", [Commit(42, 1000), Commit(43, 5, hole=True)])
            spool.append([row(n) for n in range(5)])
            await eventually_async(is_empty(spool))
            assert host.values("air_temperature") == list(range(5))
