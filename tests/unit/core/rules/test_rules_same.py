"""What the properties of every kind have found, kept as examples: the same samples say the same."""

from __future__ import annotations

import pytest

from frostline_core.rules.backlog import ABANDON_MS
from tests.unit.core.rules.every_kind import CASES
from tests.unit.core.rules.rule_bench import MINUTE, DeviceBench, Seen, rule

METRICS = ("air_temperature", "door_open")
DOOR: list[Seen] = [
    (0, "door_open", 1.0),
    (1, "air_temperature", 9.0),  # too warm, suppressed
    (6, "door_open", 0.0),  # grace until 8
    (9, "door_open", 1.0),  # the suppression had ended a minute before
    (10, "air_temperature", 4.0),
]
PATH = ["firing@8", "resolved@10"]


def room() -> DeviceBench:
    return DeviceBench([rule("threshold", above=8.0, suppress_while=["door_open"], grace="2m")], METRICS)


@pytest.mark.parametrize("clock", [True, False], ids=["with the clock", "without it"])
def test_a_suppression_that_ended_between_two_samples_has_ended(clock: bool) -> None:
    found = room().wait(0) if clock else room()
    for minute, metric, value in DOOR:
        if clock:
            found.wait(minute)
        found.see((minute, value), metric=metric)

    assert found.path == PATH


def test_in_a_backlog_too() -> None:
    found = room()
    for metric in reversed(METRICS):
        found.see((-1 / 60, 4.0 if metric == "air_temperature" else 0.0), (11, 4.0), metric=metric)

    for minute, metric, value in DOOR:
        found.see((minute, value), metric=metric)

    assert found.path == PATH


def used(found: DeviceBench) -> float:
    """What a rule about stock has counted as used."""
    memory = found.evaluator._ledger.states[0]["r"].memory
    return float(sum(part[2] for part in memory["parts"]))


def test_what_is_used_just_before_a_gap_counts_whether_live_or_late() -> None:
    falls = [(0.0, 10.0), (60.0, 8.0), (120.0, 8.0), (180.0, 8.0), (240.0, 8.0), (1000.0, 8.0)]
    keys = {"below": 2, "lead_time": "12h", "settle": "1h", "max_gap": "6h", "history": "3d"}
    live, late = (DeviceBench([rule("stock", **keys)]) for _ in range(2))

    live.see(*falls)
    late.see(falls[0], falls[-1]).see(*falls[1:-1]).wait(1000).wait(1001 + ABANDON_MS / MINUTE)

    assert used(live) == used(late.see((1001, 8.0))) == 2.0


def test_twice_the_exposure_is_told_at_its_sample_whatever_was_looked_at_before() -> None:
    minutes = [(float(minute), 9.0) for minute in range(25)]
    straight, restarted = (CASES["exposure"].bench() for _ in range(2))
    straight.see(*minutes)
    restarted.see(*minutes[:13])
    told = restarted.path
    restarted = restarted.restarted().see(*minutes[13:])

    assert [*told, *restarted.path] == straight.path == ["firing@10", "firing@20"]
