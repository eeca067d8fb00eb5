"""What rules say of every series about which they know nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_core.rules import Evaluator, Phase, RuleSet, State
from frostline_core.rules.calm import Calm, together
from frostline_core.rules.choice import Choice
from frostline_core.rules.state import FOREVER_MS, NEVER, OPEN_GUARD, Guard, Heard
from tests.unit.core.rules.every_kind import CASES, Case
from tests.unit.core.rules.rule_bench import MINUTE, ROOM, rule, show

STEADY = [case for case in CASES.values() if case.bench().evaluator.rules.rules[0].calm is not None]
instants = st.one_of(st.just(NEVER), st.integers(0, 10**12))


def test_some_kinds_say_the_same_of_every_series() -> None:
    assert {case.type for case in STEADY} >= {"threshold", "levels", "absence", "change"}


@pytest.mark.parametrize("case", STEADY, ids=[case.type for case in STEADY])
@given(last_ms=instants, listening_ms=instants, now_ms=instants)
def test_what_a_kind_says_of_the_default_state_is_what_it_says_when_asked(
    case: Case, last_ms: int, listening_ms: int, now_ms: int
) -> None:
    found = case.bench().evaluator.rules.rules[0]
    heard, nothing_known = Heard(last_ms, listening_ms, now_ms), State()  # equal to the default, but not taken for it

    assert found.calm is not None
    assert found.calm.guard == found.guard(nothing_known, heard)
    due_ms = found.due_ms(nothing_known, heard)
    assert found.calm.due_ms(last_ms, listening_ms) == (FOREVER_MS if due_ms is None else due_ms)


def test_rules_together_say_the_narrowest_and_the_earliest() -> None:
    found = together([Calm(Guard(0.0, 8.0), 600_001), Calm(Guard(-5.0, 6.0, 9), 900_000, 900_000)])

    assert found == Calm(Guard(0.0, 6.0, 9), 600_001, 900_000)


def test_where_one_says_nothing_nothing_holds_for_all() -> None:
    assert together([Calm(), None]) is None


def test_where_there_is_no_rule_everything_passes_for_ever() -> None:
    assert together([]) == Calm(OPEN_GUARD, FOREVER_MS, FOREVER_MS)


@pytest.mark.parametrize(("value", "passes"), [(8.0, True), (8.1, False), (None, False)])
def test_a_sample_passes_inside_the_guard(value: float | None, passes: bool) -> None:
    assert Calm(Guard(0.0, 8.0)).lets(value, 5) is passes


def test_series_of_the_same_rules_share_what_follows_from_them() -> None:
    choice = Choice(RuleSet.of([rule("threshold", above=8.0), rule("threshold", id="other", below=0.0)]))

    assert choice.of(ROOM) is choice.of(replace(ROOM, device="room-2"))


def test_a_buffer_of_the_same_kind_is_shared_too() -> None:
    buffered = rule("threshold", above=8.0, select={"metric": "air_temperature_buffered"})
    choice, slow = Choice(RuleSet.of([buffered])), replace(ROOM, labels={"buffer": "2h"})

    assert choice.of(ROOM) is choice.of(replace(ROOM, device="room-2"))
    assert choice.of(ROOM) is not choice.of(slow)


def test_a_retired_series_has_no_rules() -> None:
    assert Choice(RuleSet.of([rule("threshold", above=8.0)])).of(replace(ROOM, retired=True)).rules == ()


def test_an_alert_of_one_series_leaves_the_guards_of_the_others_alone() -> None:
    evaluator = Evaluator([rule("threshold", above=8.0), rule("threshold", id="cold", below=0.0)])
    warm, well = (evaluator.bind(replace(ROOM, device=name)) for name in ("warm", "well"))
    for minute in range(3):
        show(evaluator, warm, 9.0, minute * MINUTE)
        show(evaluator, well, 4.0, minute * MINUTE)

    assert (evaluator.low[well], evaluator.high[well]) == (0.0, 8.0)
    assert evaluator.low[warm] > 0.0


def test_after_an_alert_the_guard_is_as_before_it() -> None:
    evaluator = Evaluator([rule("threshold", above=8.0), rule("threshold", id="cold", below=0.0)])
    slot = evaluator.bind(ROOM)
    for minute, value in enumerate([4.0, 9.0, 4.0]):
        show(evaluator, slot, value, minute * MINUTE)

    assert (evaluator.low[slot], evaluator.high[slot]) == (0.0, 8.0)
    assert set(evaluator.phases(slot).values()) == {Phase.OK}
