"""What a process leaves to the next one of the same start of the machine, so that its time does not run backwards."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frostline_core.reading import Reading
from frostline_gateway.clock import FOLLOWED_BACK_MS, Before, Clock, Look, Trust
from frostline_gateway.timekeeper import Timekeeper
from tests.support.services import eventually_async

NOW, UPTIME = 1_800_000_000_000, 100_000_000
BACK = 60_000


@dataclass
class Machine:
    """Two clocks of a machine; nothing synchronises it."""

    wall_ms: int = NOW
    boot_ms: int = UPTIME

    def look(self) -> Look:
        return Look(self.wall_ms, self.boot_ms, synchronised=False)

    def pass_by(self, elapsed_ms: int) -> None:
        self.wall_ms += elapsed_ms
        self.boot_ms += elapsed_ms


def keeper(machine: Machine, folder: Path, boot: str = "b-1") -> Timekeeper:
    return Timekeeper(Trust.AUTO, 0, machine.look, boot, folder / "clock")


def stamp(of: Timekeeper, machine: Machine) -> int:
    return of.stamped([Reading("d", "m", 1.0, machine.wall_ms)])[0][0].at_ms


def waiting(of: Timekeeper, machine: Machine) -> int:
    """The stamp of a reading that waits, since the machine's start."""
    reading, waits = of.stamped([Reading("d", "m", 1.0, machine.wall_ms)])[0]
    assert waits
    return reading.at_ms


def dated(of: Timekeeper, since_start_ms: int) -> int:
    """What a stamp that waited becomes."""
    assert of.known is not None
    return since_start_ms + of.known.difference_ms


def test_a_process_after_a_step_back_goes_on_where_the_one_before_was(tmp_path: Path) -> None:
    machine = Machine()
    first = keeper(machine, tmp_path)
    machine.wall_ms -= BACK
    before = stamp(first, machine)
    machine.pass_by(1_000)
    after = stamp(keeper(machine, tmp_path), machine)
    assert before < after <= before + 1_000


def test_a_step_back_while_no_process_runs_is_noticed_by_the_next(tmp_path: Path) -> None:
    machine = Machine()
    before = stamp(keeper(machine, tmp_path), machine)
    machine.wall_ms -= BACK
    machine.pass_by(1_000)
    assert stamp(keeper(machine, tmp_path), machine) == before + 1_000


def test_time_goes_on_at_half_speed_while_no_process_runs() -> None:
    clock = Clock(Trust.AUTO, 0, Machine(boot_ms=UPTIME).look(), Before(UPTIME - BACK, NOW - UPTIME, BACK))
    assert clock.ahead_ms == BACK / 2


def test_a_reading_under_way_while_the_clock_is_set_back_does_not_push_time_ahead(tmp_path: Path) -> None:
    machine = Machine()
    subject = keeper(machine, tmp_path)
    under_way = Reading("d", "m", 1.0, machine.wall_ms)
    machine.pass_by(500)
    machine.wall_ms -= BACK
    (early, _), (late, _) = subject.stamped([under_way, Reading("d", "m", 2.0, machine.wall_ms)])
    assert abs(early.at_ms - NOW) <= 1
    assert late.at_ms == NOW + 500


def test_another_start_of_the_machine_begins_anew(tmp_path: Path) -> None:
    machine = Machine()
    keeper(machine, tmp_path)
    machine.wall_ms -= BACK
    assert keeper(machine, tmp_path, "b-2").clock.ahead_ms == 0


@pytest.mark.parametrize("step_ms", [BACK, -FOLLOWED_BACK_MS - 1])
def test_a_step_forward_and_one_too_far_back_are_followed_at_once(tmp_path: Path, step_ms: int) -> None:
    machine = Machine()
    keeper(machine, tmp_path)
    machine.wall_ms += step_ms
    assert keeper(machine, tmp_path).clock.ahead_ms == 0


@pytest.mark.parametrize("text", ["", "[]", "{", '{"boot": "b-1"}', '{"boot": "b-1", "boot_ms": "x"}'])
def test_a_memory_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "clock").write_text(text, encoding="ascii")
    assert keeper(Machine(), tmp_path).clock.ahead_ms == 0


def test_a_disk_that_does_not_take_the_memory_costs_only_that(tmp_path: Path) -> None:
    machine = Machine()
    found = keeper(machine, tmp_path / "not there")
    assert stamp(found, machine) == NOW


def test_a_clock_that_falls_to_before_2024_is_not_believed_until_it_is_plausible() -> None:
    machine = Machine()
    clock = Clock(Trust.AUTO, 0, machine.look())
    machine.wall_ms = 5_000
    clock.look(machine.look())
    assert not clock.believed
    assert clock.stamp(5_000).waits
    machine.wall_ms = NOW
    clock.look(machine.look())
    assert clock.believed
    assert clock.difference_ms == NOW - UPTIME


@pytest.mark.parametrize("away_ms", [5_000 - NOW, 40 * 86_400_000])
def test_a_clock_that_comes_back_from_nonsense_does_not_make_time_run_backwards(away_ms: int) -> None:
    machine = Machine()
    clock = Clock(Trust.AUTO, 0, machine.look())
    machine.wall_ms -= BACK
    clock.look(machine.look())
    machine.wall_ms += away_ms
    clock.look(machine.look())
    assert (clock.believed, clock.ahead_ms) == (False, 0)
    machine.wall_ms -= away_ms
    clock.look(machine.look())
    assert (clock.believed, clock.ahead_ms) == (True, BACK)


def test_a_process_that_starts_in_1970_remembers_until_the_clock_is_back(tmp_path: Path) -> None:
    machine = Machine()
    before = stamp(keeper(machine, tmp_path), machine)
    machine.wall_ms = 5_000
    second = keeper(machine, tmp_path)
    machine.wall_ms = NOW - BACK
    machine.pass_by(1_000)
    assert stamp(second, machine) == before + 1_000
    assert second.clock.ahead_ms == BACK


def test_a_clock_that_is_always_believed_may_say_what_it_likes() -> None:
    machine = Machine()
    clock = Clock(Trust.ALWAYS, 0, machine.look())
    machine.wall_ms = 5_000
    clock.look(machine.look())
    assert clock.believed


def test_what_is_read_without_a_clock_after_a_step_back_comes_after_what_was_read_before(tmp_path: Path) -> None:
    machine = Machine()
    subject = keeper(machine, tmp_path)
    machine.wall_ms -= BACK
    before = stamp(subject, machine)
    truth_ms, machine.wall_ms = machine.wall_ms, 5_000
    machine.pass_by(20)
    waits = waiting(subject, machine)
    machine.pass_by(10_000)
    machine.wall_ms = truth_ms + 10_020
    after = stamp(subject, machine)
    assert before < dated(subject, waits) < after


def test_what_waited_is_dated_the_same_however_late(tmp_path: Path) -> None:
    machine = Machine()
    subject = keeper(machine, tmp_path)
    machine.wall_ms -= BACK
    subject.now_ms()
    truth_ms, machine.wall_ms = machine.wall_ms, 5_000
    waits = waiting(subject, machine)
    machine.wall_ms = truth_ms
    at_once = dated(subject, waits)
    machine.pass_by(10_000)
    assert dated(subject, waits) == at_once
    assert dated(keeper(machine, tmp_path), waits) == at_once


def test_processes_that_come_and_go_without_a_clock_date_what_waits_in_order(tmp_path: Path) -> None:
    machine = Machine()
    first = keeper(machine, tmp_path)
    machine.wall_ms -= BACK
    before = stamp(first, machine)
    truth_ms, machine.wall_ms = machine.wall_ms, 5_000
    waits = []
    for _ in range(3):
        machine.pass_by(2_000)
        waits.append(waiting(keeper(machine, tmp_path), machine))
    machine.wall_ms = truth_ms + 6_000
    last = keeper(machine, tmp_path)
    stamps = [before, *(dated(last, each) for each in waits), stamp(last, machine) + 1]
    assert stamps == sorted(set(stamps))


def test_a_process_that_dies_while_the_clock_is_doubted_leaves_its_time(tmp_path: Path) -> None:
    machine = Machine()
    first = keeper(machine, tmp_path)
    machine.wall_ms -= BACK
    stamp(first, machine)
    machine.pass_by(60_000)
    before = stamp(first, machine)
    truth_ms, machine.wall_ms = machine.wall_ms, 5_000
    waits = waiting(first, machine)
    machine.pass_by(10_000)
    machine.wall_ms = truth_ms + 10_000
    assert before <= dated(keeper(machine, tmp_path), waits) < before + 1_000


async def test_a_memory_that_could_not_be_written_is_written_once_there_is_room(tmp_path: Path) -> None:
    machine = Machine()
    first = keeper(machine, tmp_path / "data")
    machine.wall_ms -= BACK
    before = stamp(first, machine)
    (tmp_path / "data").mkdir()
    running = asyncio.create_task(first.run(lambda _: None))
    await eventually_async((tmp_path / "data" / "clock").exists)
    running.cancel()
    await asyncio.wait([running])
    assert stamp(keeper(machine, tmp_path / "data"), machine) == before


def test_the_memory_is_written_where_it_is_so_that_a_full_disk_takes_it(tmp_path: Path) -> None:
    machine = Machine()
    subject = keeper(machine, tmp_path)
    found = (tmp_path / "clock").stat()
    for step_ms in (BACK, -BACK, 3 * BACK):
        machine.wall_ms += step_ms
        stamp(subject, machine)
    assert ((tmp_path / "clock").stat().st_ino, (tmp_path / "clock").stat().st_size) == (found.st_ino, found.st_size)
    assert [each.name for each in tmp_path.iterdir()] == ["clock"]


_EVENTS = st.one_of(
    st.tuples(st.just("pass"), st.integers(20, 30_000)),
    st.tuples(st.just("set"), st.integers(-600, 600).map(lambda whole_s: whole_s * 1_000)),
    st.tuples(st.just("lose"), st.just(0)),
    st.tuples(st.just("restart"), st.integers(200, 5_000)),
)


@given(st.lists(_EVENTS, max_size=30))
@settings(max_examples=300, deadline=None)
def test_stamps_keep_the_order_of_reading_over_any_steps_losses_and_restarts(events: list[tuple[str, int]]) -> None:
    with TemporaryDirectory() as folder:
        machine = Machine()
        subject, off_ms, lost = keeper(machine, Path(folder)), 0, False
        stamps: list[int] = []
        waits: list[int] = []
        for kind, amount in [*events, ("set", 0)]:
            if kind == "pass":
                machine.pass_by(amount)
            elif kind == "restart":
                machine.pass_by(amount)
                subject = keeper(machine, Path(folder))
            else:
                lost, off_ms = kind == "lose", amount
            true_ms = NOW + machine.boot_ms - UPTIME + off_ms
            machine.wall_ms = machine.boot_ms - UPTIME + 5_000 if lost else true_ms
            machine.pass_by(20)
            reading, waiting_still = subject.stamped([Reading("d", "m", 1.0, machine.wall_ms)])[0]
            if waiting_still:
                waits.append(reading.at_ms)
            else:
                stamps += [dated(subject, each) for each in waits] + [reading.at_ms]
                waits.clear()
        assert stamps == sorted(set(stamps))
