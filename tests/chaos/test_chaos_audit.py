"""The audit finds what it is there to find, and a seed means one schedule."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.chaos.audit import Evidence, Life, Listed, unread, violations
from tests.chaos.clock import Setting, StampErrors, seen
from tests.chaos.schedule import KINDS, PROCESSES, schedule

SENT = [float(1000 + 100 * n) for n in range(1, 101)]
KILLED_MS = 6050.0
LIVES = (Life(0, KILLED_MS), Life(7000, 9e18))
LISTED = (Listed("unclean", None, 5950, 7000),)
KEPT = [n for n in range(1, 101) if n < 50 or n >= 62]


def evidence(numbers: Sequence[float], losses: Sequence[Listed] = LISTED) -> Evidence:
    return Evidence(SENT, [(int(SENT[int(n) - 1]) if 1 <= n <= 100 else 0, float(n)) for n in numbers], LIVES, losses)


def words(found: Evidence) -> set[str]:
    return {each.partition(":")[0] for each in violations(found)}


def test_a_run_without_fault_is_no_violation() -> None:
    assert violations(evidence(KEPT)) == []
    assert unread(evidence(KEPT)) == 11


def test_a_hole_that_nothing_explains_is_missing() -> None:
    assert words(evidence([n for n in KEPT if n != 30])) == {"missing"}


def test_a_hole_that_is_listed_is_none() -> None:
    told = (*LISTED, Listed("disk full", 1, 3900, 4100))
    assert violations(evidence([n for n in KEPT if n != 30], told)) == []


def test_a_kill_that_nobody_tells_of_is_silent() -> None:
    assert words(evidence([*KEPT, 50], losses=())) == {"silent"}


@pytest.mark.parametrize(("number", "word"), [(30, "double"), (101, "invented"), (30.5, "invented")])
def test_a_number_too_many_is_found(number: float, word: str) -> None:
    assert word in words(evidence([*KEPT, number]))


def test_numbers_at_each_other_s_instants_are_out_of_order() -> None:
    swapped = Evidence(SENT, [(1100, 2.0), (1200, 1.0)], (Life(0, 9e18),), ())
    assert "out of order" in words(swapped)


def test_a_gateway_that_reads_nothing_is_deaf() -> None:
    late = [float(1000 * n) for n in range(1, 101)]
    nothing = Evidence(late, [], (Life(0, 9e18),), ())
    assert words(nothing) == {"deaf"}


def test_an_entry_that_explains_everything_explains_too_much() -> None:
    assert words(evidence(KEPT, losses=(Listed("unclean", None, -20_000, 7000),))) == {"vague"}


def test_a_stamp_that_no_clock_explains_is_untrue() -> None:
    wrong = Evidence(SENT, [(int(at_ms) + 5_000, float(n)) for n, at_ms in enumerate(SENT, 1)], (Life(0, 9e18),), ())
    assert words(wrong) == {"untrue"}
    explained = replace(wrong, wrong=StampErrors([Setting(-60_000, 5_000)]))
    assert violations(explained) == []


def test_a_loss_that_is_told_in_the_gateway_s_wrong_time_is_told() -> None:
    set_off = StampErrors([Setting(-60_000, 5_000)])
    shifted = [Listed("unclean", None, 5950 + 5_000, 7000 + 5_000)]
    stored = [(int(SENT[n - 1]) + 5_000, float(n)) for n in KEPT]
    assert violations(Evidence(SENT, stored, LIVES, shifted, set_off)) == []
    assert words(Evidence(SENT, stored, LIVES, LISTED, set_off)) == {"missing", "silent", "vague"}


@pytest.mark.parametrize(
    ("settings", "at_ms", "expected"),
    [
        ([], 0, (0, 0)),
        ([Setting(0, -10_000)], -5_000, (0, 0)),
        ([Setting(0, -10_000)], 12_000, (-7_000, -5_000)),  # half of the way is made up
        ([Setting(0, -10_000)], 60_000, (-10_000, -10_000)),
        ([Setting(0, -10_000), Setting(4_000, 0)], 60_000, (0, 0)),
        ([Setting(0, 10_000), Setting(10_000, 0)], 20_000, (4_000, 6_000)),
        ([Setting(0, 0, lost=True), Setting(30_000, 0)], 15_000, (0, 0)),
        ([Setting(0, 10_000), Setting(10_000, 0, lost=True), Setting(20_000, 0)], 15_000, (10_000, 10_000)),
        # Caught up with until the clock is lost, and not while it is.
        ([Setting(0, -10_000), Setting(8_000, 0, lost=True), Setting(28_000, -10_000)], 20_000, (-4_000, -4_000)),
        ([Setting(0, -10_000), Setting(8_000, 0, lost=True), Setting(28_000, -10_000)], 36_000, (-9_000, -7_000)),
        ([Setting(0, -10_000)], 1_000, (-1_500, 0)),
    ],
)
def test_what_a_stamp_may_be_off_by(settings: list[Setting], at_ms: float, expected: tuple[float, float]) -> None:
    assert StampErrors(settings).around(at_ms) == expected


def test_a_clock_that_no_process_looked_at_may_be_unknown_to_all() -> None:
    settings = [Setting(100_000, 10_000), Setting(104_000, 0)]
    looked = seen(settings, [(0, 99_000), (103_000, 9e18)])
    assert [each.seen_ms for each in looked] == [float("inf"), 109_000]
    assert StampErrors(looked).around(108_000) == (0, 10_000)
    assert [each.seen_ms for each in seen(settings, [(0, 9e18)])] == [100_000, 104_000]


def test_of_two_settings_that_may_have_been_seen_each_may_have_been() -> None:
    unseen = float("inf")
    settings = [
        Setting(0, 6_000, seen_ms=unseen),
        Setting(2_000, 0),
        Setting(10_000, -5_000, seen_ms=unseen),
        Setting(16_000, 0),
    ]
    assert StampErrors(settings).around(13_000) == (-2_500, 1_500)  # only the second; only the first


def test_our_time_may_run_at_half_speed_until_a_process_sees_that_the_clock_is_lost() -> None:
    settings = [Setting(0, -10_000), Setting(8_000, 0, lost=True), Setting(28_000, -10_000)]
    looked = seen(settings, [(-9e18, 7_000), (6_000, 9e18)])
    assert looked[1].seen_ms == 12_000
    assert StampErrors(looked).around(20_000) == (-6_000, -4_000)


def test_a_seed_is_a_schedule() -> None:
    assert schedule(5, 20, 60) == schedule(5, 20, 60)
    assert schedule(5, 20, 60) != schedule(6, 20, 60)


def test_a_schedule_has_its_kills_and_every_kind_of_fault() -> None:
    faults = schedule(1, 2 * len(KINDS), 90)
    assert sum(fault.kind == "kill" for fault in faults) == 2 * len(KINDS)
    assert {fault.kind for fault in faults} == {"kill", *(kind.name for kind in KINDS)}
    assert {fault.target for fault in schedule(1, 200, 600, 2) if fault.kind == "kill"} == set(PROCESSES)


def test_no_two_faults_of_a_target_overlap() -> None:
    faults = schedule(3, 200, 600)
    for target in {fault.target for fault in faults}:
        own = [fault for fault in faults if fault.target == target]
        assert all(one.ends_s <= other.at_s for one, other in itertools.pairwise(own))
