"""While an alert is clearing, samples in range need not be looked at: nothing changes before `clear_for` is over."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frostline_core.rules import HOLE_MS, Phase
from frostline_core.rules.duration import parse
from frostline_core.rules.kinds import KINDS
from frostline_core.rules.state import CLOSED_GUARD, Heard, State
from frostline_core.rules.tally import Tally
from tests.unit.core.rules.every_kind import CASES, CONDITIONS, METRICS, Walk, phase, step
from tests.unit.core.rules.rule_bench import MINUTE, DeviceBench, Seen, rule, without_guard

OWN = METRICS[0]
TALLIES = [name for name in CONDITIONS if issubclass(KINDS[CASES[name].type], Tally)]


def cleared(name: str, back: int, script: Walk) -> list[Seen]:
    """What makes it fire, then calm samples, and then a walk."""
    case = CASES[name]
    seen: list[Seen] = []
    for minute, value in case.fires:
        seen += [(minute, "wanted", 4.0), (minute, "defrost_active", case.flag), (minute, OWN, value)]
    now = case.end
    seen += [(now + 0.4 * (index + 1) * case.unit, OWN, value) for index, (_, value) in enumerate(case.calm[-back:])]
    now = seen[-1][0]
    walk = [each for each in case.walk(script) if each[0] > (case.before[-1][0] if case.before else 0.0)]
    began = case.before[-1][0] if case.before else 0.0
    return [*seen, *((now + minute - began, metric, value) for minute, metric, value in walk)]


@pytest.mark.parametrize("name", [name for name in CONDITIONS if name not in TALLIES])
@settings(max_examples=40, deadline=None)
@given(
    back=st.integers(1, 12),
    script=st.lists(step, max_size=25),
    keys=st.sampled_from(
        [
            {"clear_for": "3m"},
            {"clear_for": "25m"},
            {"clear_for": "6h"},
            {"clear_for": "25m", "suppress_while": ["defrost_active"], "grace": "2m"},
            {"clear_for": "25m", "hard_limit": {"above": 8.5}},
        ]
    ),
    clock=st.booleans(),
)
def test_what_the_guard_passes_while_it_clears_changes_nothing(
    name: str, back: int, script: Walk, keys: dict[str, Any], clock: bool
) -> None:
    table = {**CASES[name].keys, **keys}
    tried = rule(table.pop("type"), **table)
    guarded, exact = DeviceBench([tried], METRICS), DeviceBench([without_guard(tried)], METRICS)
    for minute, metric, value in cleared(name, back, script):
        for bench in (guarded, exact):
            if clock:
                bench.wait(minute)
            bench.see((minute, value), metric=metric)

    assert guarded.path == exact.path


@pytest.mark.parametrize("name", TALLIES)
def test_what_adds_up_is_looked_at_with_each_sample_while_it_clears(name: str) -> None:
    keys = dict(CASES[name].keys)
    tried = rule(keys.pop("type"), clear_for="25m", **keys)
    memory = {"from": 0, "at": 0, "value": 4.0, "parts": []}

    guard = tried.guard(State(Phase.CLEARING, since_ms=0, memory=memory), Heard(0, 0, 0))

    assert guard == CLOSED_GUARD


def clearing(clear_for: str, **keys: Any) -> DeviceBench:
    """Fired at minute 1, in range since minute 2."""
    found = DeviceBench([rule("threshold", above=8.0, hysteresis=1.0, clear_for=clear_for, **keys)])
    return found.see((0, 4.0), (1, 9.0), (2, 4.0))


@pytest.mark.parametrize(("clear_for", "until"), [("5m", 2 + 5), ("3h", 2 + 10)])
def test_it_is_open_until_the_deadline_or_the_longest_gap(clear_for: str, until: int) -> None:
    found = clearing(clear_for)
    assert phase(found) is Phase.CLEARING

    assert found.evaluator.low[0] <= 4.0 <= 8.0 == found.evaluator.high[0]
    assert found.evaluator.deadline_ms[0] in (until * MINUTE, until * MINUTE + 1)


def test_an_hour_of_clearing_looks_at_a_sample_each_ten_minutes() -> None:
    found = clearing("1h")
    looked = 0
    for second in range(130, 3600, 10):
        at_ms = second * 1000
        passed = found.evaluator.low[0] <= 4.0 <= found.evaluator.high[0] and at_ms < found.evaluator.deadline_ms[0]
        looked += not (passed and at_ms - HOLE_MS < found.evaluator.last_ms[0])
        found.see((second / 60, 4.0))

    assert looked <= parse("1h") / parse("10m")
    assert phase(found) is Phase.CLEARING


def test_it_ends_with_the_first_sample_after_clear_for() -> None:
    found = clearing("5m")
    for tenth in range(21, 100):
        found.see((tenth / 10, 4.0))

    assert found.path == ["firing@1", "clearing@2", "resolved@7"]


def test_a_value_between_hysteresis_and_limit_neither_ends_nor_opens() -> None:
    found = clearing("5m").see((3, 7.9), (3.2, 8.0), (3.4, 8.1))

    assert found.path == ["firing@1", "clearing@2", "firing@3.4"]
