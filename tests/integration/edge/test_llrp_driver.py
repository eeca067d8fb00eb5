"""The LLRP driver against a reader emulator over TCP: reads, restarts, frozen links, antennas, refusals."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import pytest
from llrpkit.emulator.core import EmulatedTag
from llrpkit.protocol import enums, messages, params

from frostline_core.config import parse
from frostline_core.epc import sgtin96
from frostline_core.errors import ConfigError, ProtocolError, UnavailableError
from frostline_core.reading import DeviceDescription, Quality, Reading, Value
from frostline_edge.drivers.llrp.config import Config
from frostline_edge.drivers.llrp.driver import Driver
from frostline_edge.sampler import Sampler
from frostline_edge.sampling import Sampling
from frostline_sim.serve.llrp import Emulator
from tests.support.proxy import TcpProxy
from tests.support.services import eventually_async, free_port

MILK, FISH = "00614141000012", "00614141000029"


class Recorder:
    """An Emit that keeps everything, and asks the sampler whether it would take it."""

    def __init__(self) -> None:
        self.sampler = Sampler()
        self.samples: list[Reading] = []
        self.alive: dict[str, DeviceDescription] = {}
        self.reasons: dict[str, str] = {}
        self.last: dict[tuple[str, str], Reading] = {}
        self.all: list[Reading] = []
        self.movements: list[dict[str, object]] = []

    def born(self, device: DeviceDescription, sampling: Mapping[str, Sampling]) -> None:
        assert all(device.metric(name) for name in sampling)
        self.alive[device.id] = device
        self.sampler.configure(device.id, sampling, device)

    def scan(self, device: str, readings: Sequence[Reading]) -> None:
        for reading in readings:
            assert reading.device == device and self.alive[device].metric(reading.metric)
            self.last[device, reading.metric] = reading
            self.all.append(reading)
        self.samples += self.sampler.take(readings)
        assert self.sampler.rejections == {}

    def event(self, device: str, readings: Sequence[Reading]) -> None:
        for reading in readings:
            assert reading.device == device and self.alive[device].metric(reading.metric)
            self.movements.append(json.loads(str(reading.value)))
        assert len(self.sampler.take(readings, event=True)) == len(readings)

    def died(self, device: str, reason: str) -> None:
        del self.alive[device]
        self.reasons[device] = reason

    def value(self, device: str, metric: str) -> Value:
        found = self.last.get((device, metric))
        return found.value if found else None


class PickyReader(Emulator):
    """A reader that takes no ROSpec."""

    def _add_rospec(self, rospec: params.ROSpec) -> params.LLRPStatus:
        return self._status_error(enums.StatusCode.M_FieldError, "not on a Sunday")


def tag(gtin: str, serial: int, antenna: int) -> EmulatedTag:
    return EmulatedTag(epc=sgtin96(gtin, serial), antennas=(antenna,), rssi_dbm=-50)


def config(port: int, **changes: object) -> Config:
    table = {
        "type": "llrp",
        "name": "reader",
        "host": "127.0.0.1",
        "port": port,
        "departed_after_s": 2.5,
        "check_s": 0.1,
        "settle_s": 0.6,
        "report_s": 0.1,
        "keepalive_s": 0.4,
        "timeout_s": 10.0,
        "zone": [{"name": "dock", "antennas": [1, 2]}, {"name": "store", "antennas": [3]}],
    }
    return parse(table | changes, Config, "test")


@contextlib.asynccontextmanager
async def running(driver: Driver, emit: Recorder) -> AsyncIterator[asyncio.Task[None]]:
    """Runs the driver the way its supervisor does, with a short pause between tries."""

    async def supervised() -> None:
        while True:
            with contextlib.suppress(UnavailableError, ProtocolError):
                await driver.run(emit)
            await asyncio.sleep(0.05)

    task = asyncio.create_task(supervised())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def reader() -> AsyncIterator[Emulator]:
    tags = [*(tag(MILK, n, 1) for n in range(3)), *(tag(FISH, n, 3) for n in range(2))]
    async with Emulator(port=0, tags=tags, reads_per_sec=400) as emulator:
        assert isinstance(emulator, Emulator)
        yield emulator


def counted(emit: Recorder, milk: int, fish: int) -> Callable[[], bool]:
    return lambda: emit.value("dock", f"count_{MILK}") == milk and emit.value("store", f"count_{FISH}") == fish


async def test_reads_become_counts_by_gtin_and_zone(reader: Emulator) -> None:
    emit = Recorder()
    async with running(Driver(config(reader.port)), emit):
        await eventually_async(counted(emit, 3, 2))
        await eventually_async(lambda: emit.value("reader", "tags_present") == 5)
    assert emit.movements == []
    assert emit.alive == {}


async def test_counts_that_do_not_change_make_no_samples(reader: Emulator) -> None:
    emit = Recorder()
    async with running(Driver(config(reader.port)), emit):
        await eventually_async(counted(emit, 3, 2))
        before = len(emit.samples)
        since = len(emit.all)
        await eventually_async(lambda: len(emit.all) > since + 50)
    assert {sample.device for sample in emit.samples[before:]} <= {"reader"}


async def test_counts_have_no_value_before_they_are_known(reader: Emulator) -> None:
    emit = Recorder()
    async with running(Driver(config(reader.port)), emit):
        await eventually_async(counted(emit, 3, 2))
    given = [reading.value for reading in emit.all if reading.metric == f"count_{MILK}" and reading.value is not None]
    assert given[0] == 3


async def test_tags_arrive_move_and_depart(reader: Emulator) -> None:
    emit = Recorder()
    async with running(Driver(config(reader.port)), emit):
        await eventually_async(counted(emit, 3, 2))
        fish = tag(FISH, 77, 1)
        reader.tags.append(fish)
        await eventually_async(lambda: len(emit.movements) == 1)
        reader.tags.remove(fish)
        reader.tags.append(tag(FISH, 77, 3))
        await eventually_async(lambda: len(emit.movements) == 2)
        reader.tags.pop()
        await eventually_async(lambda: len(emit.movements) == 3)
    told = [(each["event"], each["from"], each["to"], each["gtin"]) for each in emit.movements]
    assert told == [
        ("arrived", None, "dock", FISH),
        ("moved", "dock", "store", FISH),
        ("departed", "store", None, FISH),
    ]


async def test_after_a_readers_restart_nothing_has_arrived_and_nothing_was_zero(reader: Emulator) -> None:
    emit = Recorder()
    async with running(Driver(config(reader.port)), emit):
        await eventually_async(counted(emit, 3, 2))
        await reader.stop()
        await eventually_async(lambda: not emit.alive)
        since = len(emit.all)
        await reader.start()
        await eventually_async(lambda: emit.value("dock", "tags_present") is None)
        await eventually_async(counted(emit, 3, 2))
    assert {r.value for r in emit.all[since:] if r.metric == f"count_{MILK}"} == {None, 3}
    assert emit.movements == []


async def test_a_frozen_link_is_noticed_by_silence(reader: Emulator) -> None:
    emit = Recorder()
    async with TcpProxy("127.0.0.1", reader.port) as proxy, running(Driver(config(proxy.port)), emit):
        await eventually_async(counted(emit, 3, 2))
        proxy.black_hole = True
        await eventually_async(lambda: not emit.alive)
        assert emit.reasons["dock"] == "nothing heard from the reader for 1.2 s"
        proxy.black_hole = False
        await eventually_async(lambda: emit.alive and emit.value("dock", f"count_{MILK}") == 3)
    assert emit.movements == []


async def test_keepalives_keep_a_reader_without_tags_alive(reader: Emulator) -> None:
    reader.tags.clear()
    emit = Recorder()
    async with running(Driver(config(reader.port)), emit):
        await eventually_async(lambda: reader.keepalive_acks >= 5)
        assert emit.reasons == {}
        assert emit.value("dock", "tags_present") == 0


async def test_a_zone_whose_antenna_is_unplugged_is_dead_not_empty(reader: Emulator) -> None:
    emit = Recorder()
    async with running(Driver(config(reader.port)), emit):
        await eventually_async(counted(emit, 3, 2))
        await reader.set_antenna_connected(3, False)
        await eventually_async(lambda: "store" not in emit.alive)
        await asyncio.sleep(3)  # longer than departed_after_s
        assert emit.movements == [] and emit.value("dock", f"count_{MILK}") == 3
        await reader.set_antenna_connected(3, True)
        await eventually_async(lambda: "store" in emit.alive)
        await eventually_async(counted(emit, 3, 2))


async def test_a_late_read_does_not_bring_a_disconnected_antenna_back(reader: Emulator) -> None:
    emit = Recorder()
    async with running(Driver(config(reader.port)), emit):
        await eventually_async(counted(emit, 3, 2))
        await reader.set_antenna_connected(3, False)
        late = params.TagReportData(
            epc_parameter=params.EPC_96(epc=sgtin96(FISH, 0)), antenna_id=params.AntennaID(antenna_id=3)
        )
        await reader._send(messages.RO_ACCESS_REPORT(tag_report_datas=[late]))
        await eventually_async(lambda: emit.reasons.get("store"))
        await asyncio.sleep(0.3)
        assert "store" not in emit.alive


async def test_a_zone_that_lost_one_of_two_antennas_is_unknown(reader: Emulator) -> None:
    emit = Recorder()
    async with running(Driver(config(reader.port)), emit):
        await eventually_async(counted(emit, 3, 2))
        await reader.set_antenna_connected(2, False)
        await eventually_async(lambda: emit.last["dock", f"count_{MILK}"].quality is Quality.BAD)
        assert "dock" in emit.alive


async def test_an_absent_reader_is_unavailable() -> None:
    with pytest.raises(UnavailableError, match="no connection to the reader"):
        await Driver(config(free_port())).run(Recorder())


async def test_a_reader_that_serves_another_client_is_unavailable(reader: Emulator) -> None:
    emit = Recorder()
    async with running(Driver(config(reader.port)), emit):
        await eventually_async(lambda: emit.alive)
        with pytest.raises(UnavailableError, match="status 2"):
            await Driver(config(reader.port)).run(Recorder())


async def test_a_reader_that_does_not_answer_is_unavailable(reader: Emulator) -> None:
    reader.drop_next(messages.ADD_ROSPEC)
    with pytest.raises(UnavailableError, match="no answer from the reader"):
        await Driver(config(reader.port, timeout_s=1.0)).run(Recorder())


async def test_what_a_reader_refuses_is_told_in_its_words() -> None:
    async with PickyReader() as reader:
        with pytest.raises(ProtocolError, match="refuses ADD_ROSPEC: 101 not on a Sunday"):
            await Driver(config(reader.port)).run(Recorder())


async def test_a_reader_that_stops_to_scan_is_started_again(reader: Emulator) -> None:
    emit = Recorder()
    async with running(Driver(config(reader.port)), emit):
        await eventually_async(counted(emit, 3, 2))
        await reader._send_rospec_event(1, enums.ROSpecEventType.End_Of_ROSpec)
        await eventually_async(lambda: emit.reasons.get("dock") == "the reader has stopped to scan")
        await eventually_async(lambda: emit.alive and emit.value("dock", f"count_{MILK}") == 3)


async def test_an_antenna_that_the_reader_has_not_is_an_error_of_the_config(reader: Emulator) -> None:
    driver = Driver(config(reader.port, zone=[{"name": "dock", "antennas": [9]}]))
    with pytest.raises(ConfigError, match=r"antennas 1 to 4; zones name \[9\]"):
        await driver.run(Recorder())


async def test_a_broken_message_ends_the_session_and_the_next_one_reads(reader: Emulator) -> None:
    emit = Recorder()
    async with running(Driver(config(reader.port)), emit):
        await eventually_async(counted(emit, 3, 2))
        assert reader._writer is not None
        reader._writer.write(b"\x04\x3d\x00\x00\x00\x12" + b"\x00\x00\x00\x01" + b"\x00\xf0\x00\xff" + bytes(4))
        await eventually_async(lambda: "no right length" in emit.reasons.get("dock", ""))
        await eventually_async(lambda: emit.alive and emit.value("dock", f"count_{MILK}") == 3)
    assert emit.movements == []


async def test_when_the_driver_ends_the_reader_is_free_for_the_next_client(reader: Emulator) -> None:
    for _ in range(3):
        emit = Recorder()
        task = asyncio.create_task(Driver(config(reader.port)).run(emit))
        await eventually_async(counted(emit, 3, 2))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert emit.alive == {}


async def test_another_server_on_the_port_breaks_the_session() -> None:
    async def chat(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP ready\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(chat, "127.0.0.1", 0) as server:
        with pytest.raises(ProtocolError, match="no LLRP message"):
            await Driver(config(server.sockets[0].getsockname()[1])).run(Recorder())
