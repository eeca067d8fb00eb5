"""Scans that keep their time are still in order with what is stamped after the clock was set back."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from frostline_core.reading import Reading
from frostline_gateway.clock import Look, Trust
from frostline_gateway.timekeeper import Timekeeper


@dataclass
class Machine:
    wall_ms: int = 1_800_000_000_000
    boot_ms: int = 100_000_000

    def look(self) -> Look:
        return Look(self.wall_ms, self.boot_ms, synchronised=False)


def test_while_the_clock_is_steady_a_scan_keeps_its_time() -> None:
    machine = Machine()
    assert Timekeeper(Trust.AUTO, 0, machine.look, "b").passes("d", machine.wall_ms)


def test_after_a_step_back_every_series_of_a_device_comes_behind_its_last_scan() -> None:
    machine = Machine()
    keeper = Timekeeper(Trust.AUTO, 0, machine.look, "b")
    scanned_ms = machine.wall_ms + 900  # stamped by its device a moment ahead
    assert keeper.passes("d", scanned_ms)
    machine.boot_ms += 500
    machine.wall_ms += 500 - 200
    assert not keeper.passes("d", machine.wall_ms)
    again = keeper.stamped([Reading("d", name, 1.0, machine.wall_ms) for name in ("a", "b")])
    assert [reading.at_ms for reading, _ in again] == [scanned_ms + 1, scanned_ms + 1]
    other = keeper.stamped([Reading("e", "a", 1.0, machine.wall_ms)])
    assert other[0][0].at_ms < scanned_ms


@given(
    st.lists(
        st.tuples(st.integers(1, 90_000), st.sampled_from([0, 0, 0, -200, -5_000, -90_000, 300, 60_000])),
        max_size=30,
    )
)
def test_scans_stay_in_order_over_any_steps_of_the_clock(turns: list[tuple[int, int]]) -> None:
    machine = Machine()
    keeper = Timekeeper(Trust.AUTO, 0, machine.look, "b")
    newest = {"a": 0, "b": 0}
    for passed_ms, step_ms in turns:
        machine.boot_ms += passed_ms
        machine.wall_ms += passed_ms + step_ms
        at_ms = machine.wall_ms
        if keeper.passes("d", at_ms):
            stamps = dict.fromkeys(newest, at_ms)
        else:
            read = [Reading("d", name, 1.0, at_ms) for name in newest]
            stamps = {reading.metric: reading.at_ms for reading, _ in keeper.stamped(read)}
        assert all(stamps[name] >= newest[name] for name in newest)
        newest = stamps
