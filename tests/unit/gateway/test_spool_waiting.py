"""Samples that were measured before anybody knew the time: they wait on the disk, are dated, or are told as lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from frostline_core.commit import GAP, Row
from frostline_core.diary import CLOCK
from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Quality, Reading, Stream
from frostline_core.sparkplug import Payload, decode
from frostline_edge.sampling import Sampling
from frostline_gateway.clock import Look, Trust
from frostline_gateway.devices import Devices
from frostline_gateway.diary import Diary
from frostline_gateway.intake import Intake, IntakeLimits
from frostline_gateway.spool import Spool
from frostline_gateway.spool.rows import Account, Lost
from frostline_gateway.spool.waiting import NEVER_SET, OVER_BOUND
from frostline_gateway.timekeeper import Timekeeper

NOW = 1_800_000_000_000
ROOM = DeviceDescription("room", "cold_room", "", (MetricDescription("temperature", DataType.DOUBLE, "Cel"),))


class Machine:
    """A machine whose wall clock starts in 1970."""

    def __init__(self) -> None:
        self.boot_ms, self.difference_ms, self.boot = 20_000, 0, "first"

    @property
    def wall_ms(self) -> int:
        return self.boot_ms + self.difference_ms

    def look(self) -> Look:
        return Look(self.wall_ms, self.boot_ms, self.difference_ms != 0)

    def set(self) -> None:
        self.difference_ms = NOW - self.boot_ms

    def restart(self) -> None:
        self.boot_ms, self.difference_ms, self.boot = 15_000, 0, "second"


class Gateway:
    """Intake and spool on a machine."""

    def __init__(self, machine: Machine, path: Path, budget_bytes: int = 1 << 24) -> None:
        self.machine = machine
        self.spool = Spool.open(path, budget_bytes, lambda: machine.wall_ms)
        limits = IntakeLimits(memory_rows=200)
        self.intake = Intake(self.spool, Devices(), {}, lambda: machine.wall_ms, limits)
        self.intake.keep_time(Timekeeper(Trust.AUTO, 600_000, machine.look, machine.boot))
        self.intake.born(ROOM, {"temperature": Sampling(every=True)})

    def read(self, value: float, elapsed_ms: int = 1_000) -> None:
        self.machine.boot_ms += elapsed_ms
        self.intake.scan("room", [Reading("room", "temperature", value, self.machine.wall_ms)])

    async def flush(self) -> bool:
        with ThreadPoolExecutor(1) as writer:
            return await self.intake.flush(writer)

    def rows(self) -> list[Row]:
        found: list[Row] = []
        for run in self.spool.runs():
            n = run.base
            while (row := self.spool.next_row(run.run, n)) is not None:
                found.append(row)
                n = row.n + 1
        return found

    def payloads(self) -> list[Payload]:
        return [decode(row.payload) for row in self.rows()]


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def gateway(machine: Machine, tmp_path: Path) -> Iterator[Gateway]:
    made = Gateway(machine, tmp_path / "spool.db")
    yield made
    made.spool.close()


async def test_samples_wait_without_a_number_and_are_pending(gateway: Gateway) -> None:
    gateway.read(1.0)
    assert await gateway.flush()
    assert gateway.spool.runs() == []
    assert gateway.spool.view().waiting_samples == 1
    assert gateway.spool.view().account == Account(read=1, kept=1, pending=1)
    assert gateway.spool.read_ms == 0


async def test_once_the_clock_is_set_they_have_true_times_in_order_and_are_uncertain(gateway: Gateway) -> None:
    for value in (1.0, 2.0):
        gateway.read(value)
        await gateway.flush()
    gateway.machine.set()
    gateway.read(3.0)
    await gateway.flush()
    metrics = [payload.metrics[0] for payload in gateway.payloads()]
    assert [(metric.value, metric.timestamp_ms) for metric in metrics] == [
        (1.0, NOW - 1_000),
        (2.0, NOW),
        (3.0, NOW + 1_000),
    ]
    qualities = [metric.properties["Quality"].value if metric.properties else 192 for metric in metrics]
    assert qualities == [Quality.UNCERTAIN, Quality.UNCERTAIN, Quality.GOOD]
    assert next((row.first_ms, row.last_ms) for row in gateway.rows()) == (NOW - 1_000, NOW - 1_000)
    assert gateway.spool.view().account == Account(read=3, kept=3, pending=3)


async def test_what_waits_in_memory_when_the_clock_is_set_is_dated_as_well(gateway: Gateway) -> None:
    gateway.read(1.0)
    gateway.machine.set()
    await gateway.flush()
    (payload,) = gateway.payloads()
    assert payload.metrics[0].timestamp_ms == NOW
    assert gateway.spool.view().waiting_samples == 0


async def test_a_restart_of_the_process_goes_on_waiting(machine: Machine, tmp_path: Path) -> None:
    first = Gateway(machine, tmp_path / "spool.db")
    first.read(1.0)
    await first.flush()
    first.spool.close()
    second = Gateway(machine, tmp_path / "spool.db")
    machine.set()
    second.read(2.0)
    await second.flush()
    assert [payload.metrics[0].timestamp_ms for payload in second.payloads()] == [NOW, NOW + 1_000]
    second.spool.close()


async def test_after_a_power_cut_they_are_lost_with_a_reason_and_a_count(machine: Machine, tmp_path: Path) -> None:
    first = Gateway(machine, tmp_path / "spool.db")
    for value in range(5):
        first.read(float(value))
    await first.flush()
    first.spool.close()
    machine.restart()
    second = Gateway(machine, tmp_path / "spool.db")
    second.read(9.0)
    await second.flush()
    assert second.spool.view().account.lost == {}
    machine.set()
    second.read(10.0)
    await second.flush()
    assert second.spool.view().account == Account(read=7, kept=7, pending=2, lost={NEVER_SET: 5})
    notice = next(payload.metrics[0] for payload in second.payloads() if payload.metrics[0].name == GAP)
    told = json.loads(str(notice.value))
    assert (told["reason"], told["samples"], told["from_ms"]) == (NEVER_SET, 5, None)
    second.spool.close()


async def test_beyond_a_quarter_of_the_budget_the_oldest_are_lost(machine: Machine, tmp_path: Path) -> None:
    gateway = Gateway(machine, tmp_path / "spool.db", 1 << 18)
    for value in range(1_000):
        gateway.read(float(value))
        if value % 40 == 39:
            await gateway.flush()
    lost = gateway.spool.view().account.lost[OVER_BOUND]
    assert lost + gateway.spool.view().waiting_samples == 1_000
    machine.set()
    gateway.read(1_000.0)
    await gateway.flush()
    account = gateway.spool.view().account
    assert (account.kept, account.pending, account.lost) == (1_001, 1_001 - lost, {OVER_BOUND: lost})
    (told,) = [row for row in gateway.rows() if GAP.encode() in row.payload]
    assert f'"samples":{lost}'.encode() in told.payload
    assert [row.first_ms for row in gateway.rows() if not row.gap][-1] == machine.wall_ms
    gateway.spool.close()


async def test_losses_of_that_time_are_told_once_it_is_known_when(gateway: Gateway) -> None:
    gateway.intake.tell_lost(Lost("an unclean end", None, NOW - 5_000, 20_000))
    for value in range(250):
        gateway.read(float(value))
    await gateway.flush()
    assert (gateway.spool.view().account.lost, gateway.rows()) == ({}, [])
    gateway.machine.set()
    gateway.read(1.0)
    await gateway.flush()
    account = gateway.spool.view().account
    assert (account.kept, account.pending, sum(account.lost.values())) == (251, 201, 50)
    notices = [json.loads(str(each.metrics[0].value)) for each in gateway.payloads() if each.metrics[0].name == GAP]
    assert [(each["samples"], each["from_ms"]) for each in notices] == [(None, NOW - 5_000), (50, None)]
    assert all(each["to_ms"] >= NOW for each in notices)


async def test_that_the_clock_was_set_is_an_event_of_the_gateway(gateway: Gateway) -> None:
    gateway.machine.set()
    Diary(gateway.intake.event, lambda: gateway.machine.wall_ms).clock({"believed": True})
    await gateway.flush()
    (row,) = gateway.rows()
    assert decode(row.payload).metrics[0].name == CLOCK
    assert [run.stream for run in gateway.spool.runs()] == [Stream.EVENTS]
