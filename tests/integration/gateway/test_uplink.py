"""The uplink against a real broker and a host that keeps the protocol."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from frostline_core.commit import Commit
from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Reading, Stream
from frostline_core.sparkplug import Metric, Payload, Refused, WriteAsked, encode
from frostline_gateway.commands import Commands
from frostline_gateway.devices import Devices
from frostline_gateway.refetch import REFETCH, Refetches
from frostline_gateway.spool import Spool
from frostline_gateway.spool.budget import THINNED
from frostline_gateway.spool.rows import ROW_COST, AccountDelta, Lost, NewRow, loss_notice
from frostline_gateway.uplink import SYSTEM_CLOCKS, Uplink
from frostline_gateway.uplink_config import UplinkConfig
from tests.integration.gateway.uplink_host import DeviceBorn, DeviceDied, NodeBorn, NodeDied, Sql, TestHost
from tests.support.proxy import TcpProxy
from tests.support.services import Mosquitto, eventually_async

ROOM = DeviceDescription(
    "room-1",
    "cold_room",
    "freezer-1",
    (MetricDescription("air_temperature", DataType.FLOAT, "Cel"), MetricDescription("door_open", DataType.BOOLEAN)),
)
SAMPLE, EVENT = Stream.SAMPLES, Stream.EVENTS


def row(
    value: int,
    stream: Stream = SAMPLE,
    metric: str = "air_temperature",
    device: str = "room-1",
    kind: DataType = DataType.FLOAT,
) -> NewRow:
    at_ms = SYSTEM_CLOCKS.utc_ms()
    payload = encode(Payload(at_ms, None, (Metric(metric, None, at_ms, kind, value),)))
    return NewRow(stream, device, payload, 1, at_ms, at_ms)


def devices(*descriptions: DeviceDescription) -> Devices:
    found = Devices()
    for description in descriptions:
        found.born(description, SYSTEM_CLOCKS.utc_ms())
    return found


@asynccontextmanager
async def running(
    port: int,
    spool: Spool,
    known: Devices | None = None,
    on_command: Callable[[WriteAsked | Refused], None] | None = None,
    chance: float = 0.0,
    **settings: object,
) -> AsyncIterator[Uplink]:
    async def follow(command: WriteAsked | Refused) -> None:
        if on_command is not None:
            on_command(command)

    config = UplinkConfig.model_validate({"url": f"mqtt://127.0.0.1:{port}", "keepalive_s": 5, **settings})
    uplink = Uplink(
        config, "site", "gw", spool, devices(ROOM) if known is None else known, follow, chance=lambda: chance
    )
    task = asyncio.create_task(uplink.run())
    try:
        yield uplink
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def opened(path: Path, budget_bytes: int = 1 << 24) -> Spool:
    return Spool.open(path, budget_bytes, SYSTEM_CLOCKS.utc_ms)


def is_empty(spool: Spool) -> Callable[[], bool]:
    return lambda: all(held.empty for held in spool.runs())


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
            await eventually_async(is_empty(spool), 20)
            live = [each.value for each in host.sql.stored if each.metric == "air_temperature" and not each.historical]
            backlog = [each.value for each in host.sql.stored if each.historical]
            assert live == list(range(100, 150))
            assert backlog == list(range(100))
            assert host.values("door_open") == [True, False, True]
            account = spool.account()
            assert (account.committed, account.pending, account.lost) == (153, 0, {})


async def test_with_bursts_samples_wait_on_the_disk_and_events_do_not(
    fresh_mosquitto: Mosquitto, spool_path: Path
) -> None:
    with opened(spool_path) as spool:
        async with (
            TestHost(fresh_mosquitto.port) as host,
            running(fresh_mosquitto.port, spool, burst_s=4.0) as uplink,
        ):
            await eventually_async(lambda: uplink.status().born)
            await asyncio.sleep(0.5)
            spool.append([row(1), row(2)], AccountDelta(read=2, kept=2))
            spool.append([row(True, EVENT, "door_open", kind=DataType.BOOLEAN)], AccountDelta(1, 1))
            await eventually_async(lambda: host.values("door_open"), 3)
            assert host.values("air_temperature") == []
            await eventually_async(is_empty(spool), 20)
            assert host.values("air_temperature") == [1, 2]


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
            await eventually_async(is_empty(spool), 20)
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
            await eventually_async(is_empty(spool), 20)
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
            first.client.disconnect()
            async with TestHost(fresh_mosquitto.port, sql=first.sql) as host:
                await eventually_async(is_empty(spool), 20)
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
            await eventually_async(is_empty(spool), 20)
            assert len(host.seen(NodeBorn)) >= 2
            assert {birth.payload.metrics[0].value for birth in host.seen(NodeBorn)} == {0}
            assert host.values("air_temperature") == list(range(200))
            assert host.seen(NodeDied) == []


async def test_messages_that_are_lost_are_sent_again(fresh_mosquitto: Mosquitto, spool_path: Path) -> None:
    with opened(spool_path) as spool:
        async with TestHost(fresh_mosquitto.port, loss=0.05) as host, running(fresh_mosquitto.port, spool):
            spool.append([row(n) for n in range(150)])
            await eventually_async(is_empty(spool), 60)
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
            assert spool.account().lost == {"spool budget": 7}


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


async def test_a_host_of_another_make_gets_rows_without_proof(fresh_mosquitto: Mosquitto, spool_path: Path) -> None:
    with opened(spool_path) as spool:
        spool.append([row(n) for n in range(40)])
        async with (
            TestHost(fresh_mosquitto.port, commits=False) as host,
            running(fresh_mosquitto.port, spool, proof="none") as uplink,
        ):
            await eventually_async(is_empty(spool), 20)
            await eventually_async(lambda: host.values("air_temperature") == list(range(40)))
            assert not uplink.status().proved
            names = {metric.name: metric.value for metric in host.seen(NodeBorn)[0].payload.metrics}
            assert names["Frostline/Proof"] == "none"
            assert "Frostline/Runs" not in names


async def test_a_connection_that_falls_silent_is_replaced(fresh_mosquitto: Mosquitto, spool_path: Path) -> None:
    with opened(spool_path) as spool:
        async with (
            TcpProxy("127.0.0.1", fresh_mosquitto.port) as proxy,
            TestHost(fresh_mosquitto.port) as host,
            running(proxy.port, spool) as uplink,
        ):
            await eventually_async(lambda: host.seen(DeviceBorn))
            proxy.black_hole = True
            spool.append([row(n) for n in range(20)])
            await eventually_async(lambda: not uplink.status().connected, 20)
            proxy.reset()
            proxy.black_hole = False
            await eventually_async(is_empty(spool), 30)
            assert host.values("air_temperature") == list(range(20))


async def test_writes_reach_the_gateway_and_nonsense_is_refused(fresh_mosquitto: Mosquitto, spool_path: Path) -> None:
    came: list[WriteAsked | Refused] = []
    writable = replace(ROOM, metrics=(MetricDescription("setpoint", DataType.FLOAT, "Cel", writable=True),))
    with opened(spool_path) as spool:
        async with (
            TestHost(fresh_mosquitto.port) as host,
            running(fresh_mosquitto.port, spool, devices(writable), came.append),
        ):
            await eventually_async(lambda: host.seen(DeviceBorn))
            host.client.publish(
                *host.session.command("site", "gw", "room-1", [Metric("setpoint", value=-20.0)], SYSTEM_CLOCKS.utc_ms())
            )
            await eventually_async(lambda: came)
            assert came == [WriteAsked("room-1", "setpoint", -20.0)]
            host.client.publish("spBv1.0/site/NCMD/gw", b"\xff\xff")
            await eventually_async(lambda: len(came) == 2)
            assert isinstance(came[1], Refused)


async def test_a_second_client_with_our_identity_is_noticed(fresh_mosquitto: Mosquitto, spool_path: Path) -> None:
    with opened(spool_path) as spool:
        async with TestHost(fresh_mosquitto.port), running(fresh_mosquitto.port, spool) as uplink:
            await eventually_async(lambda: uplink.status().born)
            other = Client(CallbackAPIVersion.VERSION2, client_id="frostline-site-gw")
            other.reconnect_delay_set(1, 1)
            other.connect("127.0.0.1", fresh_mosquitto.port)
            other.loop_start()
            await eventually_async(lambda: uplink.status().identity_conflicts == 1)
            other.disconnect()
            await asyncio.to_thread(other.loop_stop)


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
        lost = dict(spool.account().lost)
        assert list(lost) == [THINNED]
        async with TestHost(fresh_mosquitto.port) as host, running(fresh_mosquitto.port, spool):
            await eventually_async(is_empty(spool), 30)
            assert {reason for _, _, _, reason in host.sql.lost} == {THINNED}
            assert sum(last - first + 1 for _, first, last, _ in host.sql.lost) == lost[THINNED]
            assert len(host.sql.stored) == 600 - lost[THINNED]
            assert {0.0, 5.0} <= {each.value for each in host.sql.stored}
            assert spool.account().pending == 0


async def test_a_span_that_the_host_asks_for_is_sent_again_as_history(
    fresh_mosquitto: Mosquitto, spool_path: Path
) -> None:
    with Spool.open(spool_path, 1 << 24, SYSTEM_CLOCKS.utc_ms, 86_400_000) as spool:
        commands = Commands(Devices(), lambda _: None, lambda _: None, SYSTEM_CLOCKS.utc_ms)
        refetches = Refetches(spool.refetch, commands)
        async with TestHost(fresh_mosquitto.port) as host:
            config = UplinkConfig.model_validate({"url": f"mqtt://127.0.0.1:{fresh_mosquitto.port}"})
            uplink = Uplink(config, "site", "gw", spool, devices(ROOM), refetches.follow)
            task = asyncio.create_task(uplink.run())
            first_ms = SYSTEM_CLOCKS.utc_ms()
            for n in range(20):
                spool.append([row(n)], AccountDelta(read=1, kept=1))
            await eventually_async(lambda: spool.account().committed == 20, 20)
            span = json.dumps({"from_ms": first_ms, "to_ms": SYSTEM_CLOCKS.utc_ms() + 1, "device": "room-1"})
            host.client.publish(*host.session.command("site", "gw", "", [Metric(REFETCH, value=span)], first_ms))
            await eventually_async(lambda: spool.account().committed == 40, 20)
            again = [each.value for each in host.sql.stored if each.historical]
            assert again == list(range(20))
            assert len(set(host.sql.committed)) == 2
            assert (spool.account().kept, spool.account().lost) == (40, {})
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
