"""Whether the machine's clock is believed, and what a reading's time really is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frostline_core.reading import Quality, Reading
from frostline_gateway.clock import DOUBTFUL_MS, FOLLOWED_BACK_MS, LEAP_MS, Clock, Look, Stamp, Trust
from frostline_gateway.timekeeper import Timekeeper

NOW = 1_800_000_000_000
HOUR, DAY = 3_600_000, 86_400_000
WAIT = 600_000


class Machine:
    """Two clocks; the wall clock can be set."""

    def __init__(self, wall_ms: int, boot_ms: int = 20_000, *, synchronised: bool = False) -> None:
        self.wall_ms, self.boot_ms, self.synchronised = wall_ms, boot_ms, synchronised

    def look(self) -> Look:
        return Look(self.wall_ms, self.boot_ms, self.synchronised)

    def later(self, elapsed_ms: int) -> Look:
        self.wall_ms += elapsed_ms
        self.boot_ms += elapsed_ms
        return self.look()

    def set(self, step_ms: int, *, synchronised: bool = True) -> Look:
        self.wall_ms += step_ms
        self.synchronised = synchronised
        return self.look()


def clock_of(machine: Machine, trust: Trust = Trust.AUTO) -> Clock:
    return Clock(trust, WAIT, machine.look())


@pytest.mark.parametrize("wall_ms", [5_000, NOW - 3 * DAY])
def test_after_a_start_without_a_battery_readings_wait_and_get_their_true_times(wall_ms: int) -> None:
    machine = Machine(wall_ms)
    clock = clock_of(machine)
    clock.look(machine.later(30_000))
    stamp = clock.stamp(machine.wall_ms - 700)
    assert stamp == Stamp(machine.boot_ms - 700, waits=True)
    measured_boot_ms = stamp.at_ms
    clock.look(machine.later(40_000))
    clock.look(machine.set(NOW - machine.wall_ms))
    assert clock.believed
    assert measured_boot_ms + clock.difference_ms == NOW - 40_700
    assert clock.stamp(NOW) == Stamp(NOW)


def test_a_machine_that_nobody_synchronises_is_believed_after_a_while_but_never_before_2024() -> None:
    late, never = Machine(NOW), Machine(5_000)
    clocks = [clock_of(late), clock_of(never)]
    for clock, machine in zip(clocks, (late, never), strict=True):
        clock.look(machine.later(WAIT - 20_001))
        assert not clock.believed
        clock.look(machine.later(1))
    assert [clock.believed for clock in clocks] == [True, False]


def test_a_process_that_starts_later_believes_at_once() -> None:
    assert clock_of(Machine(NOW, DAY)).believed
    assert clock_of(Machine(NOW, 1_000, synchronised=True)).believed
    assert clock_of(Machine(5_000), Trust.ALWAYS).believed


def test_a_device_with_a_right_clock_of_its_own_need_not_wait() -> None:
    machine = Machine(5_000)
    assert clock_of(machine).stamp(NOW) == Stamp(NOW)


def test_a_reading_stamped_before_the_clock_was_set_is_brought_after_it() -> None:
    machine = Machine(NOW - 3 * DAY)
    clock = clock_of(machine)
    stamped_ms = machine.later(1_000).wall_ms
    clock.look(machine.set(3 * DAY))
    clock.look(machine.later(2_000))
    assert clock.stamp(stamped_ms) == Stamp(machine.wall_ms - 2_000)


def test_a_small_leap_is_followed_and_a_large_one_waits_to_be_confirmed() -> None:
    machine = Machine(NOW, DAY, synchronised=True)
    clock = clock_of(machine)
    clock.look(machine.set(LEAP_MS - 1, synchronised=False))
    assert clock.believed
    clock.look(machine.set(LEAP_MS + 1, synchronised=False))
    assert not clock.believed
    stamp = clock.stamp(machine.wall_ms)
    assert stamp == Stamp(machine.boot_ms, waits=True)
    clock.look(machine.later(WAIT))
    assert not clock.believed
    clock.look(machine.set(0))
    assert clock.believed


def test_a_leap_that_is_taken_back_leaves_the_time_as_it_was() -> None:
    machine = Machine(NOW, DAY, synchronised=True)
    clock = clock_of(machine)
    before_ms = clock.difference_ms
    clock.look(machine.set(400 * DAY, synchronised=False))
    clock.look(machine.later(5_000))
    clock.look(machine.set(-400 * DAY, synchronised=False))
    assert (clock.believed, clock.difference_ms, clock.ahead_ms) == (True, before_ms, 0)


def test_after_a_step_back_time_goes_on_at_half_speed_until_it_is_right() -> None:
    machine = Machine(NOW, DAY, synchronised=True)
    clock = clock_of(machine)
    clock.look(machine.set(-10_000))
    assert clock.stamp(machine.wall_ms) == Stamp(NOW, doubtful=True)
    clock.look(machine.later(10_000))
    assert clock.stamp(machine.wall_ms) == Stamp(NOW + 5_000, doubtful=True)
    clock.look(machine.later(10_000))
    assert clock.stamp(machine.wall_ms) == Stamp(machine.wall_ms)


def test_a_step_far_back_is_followed_at_once() -> None:
    machine = Machine(NOW, DAY, synchronised=True)
    clock = clock_of(machine)
    clock.look(machine.set(-FOLLOWED_BACK_MS - 1))
    assert clock.stamp(machine.wall_ms) == Stamp(NOW - FOLLOWED_BACK_MS - 1)


moves = st.lists(
    st.tuples(st.integers(1, 60_000), st.one_of(st.just(0), st.integers(-20 * 60_000, DAY // 2))), max_size=40
)


@settings(deadline=None)
@given(moves)
def test_stamps_of_a_series_rise_whatever_the_clock_is_set_to(moves: list[tuple[int, int]]) -> None:
    machine = Machine(NOW, DAY, synchronised=True)
    keeper = Timekeeper(Trust.AUTO, WAIT, machine.look, "boot")
    stamps, back_ms = [], 0
    for elapsed_ms, step_ms in moves:
        back_ms += max(0, -step_ms)
        if back_ms > FOLLOWED_BACK_MS:
            break
        machine.set(step_ms)
        machine.later(elapsed_ms)
        reading = Reading("room", "temperature", 1.0, machine.wall_ms)
        ((stamped, waits),) = keeper.stamped([reading])
        assert not waits
        stamps.append(stamped.at_ms)
    assert stamps == sorted(set(stamps))


def test_readings_that_are_more_than_two_seconds_off_are_uncertain() -> None:
    machine = Machine(NOW, DAY, synchronised=True)
    keeper = Timekeeper(Trust.AUTO, WAIT, machine.look, "boot")
    machine.set(-DOUBTFUL_MS - 1_000)
    ((first, _),) = keeper.stamped([Reading("room", "temperature", 1.0, machine.wall_ms)])
    machine.later(2_000)
    ((second, _),) = keeper.stamped([Reading("room", "temperature", 1.0, machine.wall_ms)])
    assert (first.quality, second.quality) == (Quality.UNCERTAIN, Quality.GOOD)


def test_a_reading_under_way_during_a_step_does_not_fall_on_the_one_before() -> None:
    machine = Machine(NOW, DAY, synchronised=True)
    keeper = Timekeeper(Trust.AUTO, WAIT, machine.look, "boot")
    series = [Reading("room", "temperature", 1.0, NOW - each) for each in (0, 0, 5)]
    stamped = []
    for step_ms, reading in zip((0, -3_000, 0), series, strict=True):
        machine.set(step_ms)
        stamped.append(keeper.stamped([reading])[0][0].at_ms)
    assert stamped == sorted(set(stamped))
