"""The evaluator: slots, guards, staging and timers."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from frostline_core.rules import (
    LATENESS_MS,
    NEVER,
    Evaluator,
    Phase,
    Rule,
    Series,
    Staged,
    State,
    Transition,
    parse,
)
from frostline_core.rules.hole import MOST_HOLES
from frostline_core.rules.state import HIGHEST, Heard, Outcome
from tests.unit.core.rules.plain_loop import PlainLoop
from tests.unit.core.rules.rule_bench import show

SECOND = 1000
ROOM = Series("hamburg", "gw-1", "room-1", "cold_room", "freezer-1", "air_temperature", {"product": "fish"})
OTHER = Series("hamburg", "gw-1", "room-2", "cold_room", "freezer-2", "air_temperature")


def rule(id_: str = "r", type_: str = "threshold", select: dict[str, Any] | None = None, **keys: object) -> Rule:
    table = {"type": type_, "id": id_, "title": id_, "select": select or {"metric": "air_temperature"}}
    return parse({**table, **{key.rstrip("_"): value for key, value in keys.items()}}, "test")


RULES = [
    rule("now", above=8),
    rule("later", above=6, hysteresis=2, for_=300, clear_for=600),
    rule("band", above=10, below=-2, hysteresis=1, for_=120),
    rule("soft", below=0, clear_for=60),
    rule("silent", "absence", max_silence=900),
]


# ---- examples ----
def test_the_same_series_has_the_same_slot() -> None:
    evaluator = Evaluator(RULES)

    assert evaluator.bind(ROOM) == evaluator.bind(ROOM) == 0
    assert evaluator.bind(OTHER) == 1


def test_a_series_without_rules_has_an_open_guard() -> None:
    evaluator = Evaluator([rule(above=8, select={"metric": "setpoint"})])

    slot = evaluator.bind(ROOM)

    assert (evaluator.low[slot], evaluator.high[slot]) == (-HIGHEST, HIGHEST)


def test_the_guard_is_the_narrowest_of_all_rules() -> None:
    evaluator = Evaluator([rule("a", above=8), rule("b", above=6, below=-5), rule("c", below=1)])

    slot = evaluator.bind(ROOM)

    assert (evaluator.low[slot], evaluator.high[slot]) == (1, 6)


def test_an_alert_of_a_rule_that_no_longer_applies_is_resolved() -> None:
    evaluator = Evaluator([rule(above=8, select={"metric": "*", "zone": "freezer-*"})])
    slot = evaluator.bind(ROOM)
    evaluator.observe(slot, 9, 1)
    evaluator.settle()

    evaluator.bind(replace(ROOM, zone="yard"))
    evaluator.advance(50)

    staged = evaluator.staged()
    assert [(t.after, t.note) for t in staged.transitions] == [(Phase.RESOLVED, "the rule does not apply any more")]
    assert [(rule_id, state) for rule_id, _, state in staged.states] == [("r", None)]


def test_a_rule_that_was_deleted_closes_its_alert_at_the_next_start() -> None:
    evaluator = Evaluator([])
    evaluator.bind(ROOM, {"gone": {"phase": "firing", "since_ms": 1}})

    evaluator.advance(50)

    assert [(t.rule_id, t.after) for t in evaluator.staged().transitions] == [("gone", Phase.RESOLVED)]


def test_binding_again_with_new_labels_binds_the_rules_anew() -> None:
    evaluator = Evaluator([rule(above=8, select={"metric": "*", "labels": {"product": "meat"}})])
    slot = evaluator.bind(ROOM)

    evaluator.bind(replace(ROOM, labels={"product": "meat"}))
    evaluator.observe(slot, 9, 1)

    assert [t.after for t in evaluator.staged().transitions] == [Phase.FIRING]


def test_a_series_without_samples_is_unknown_and_then_ok() -> None:
    evaluator = Evaluator([rule(above=8)])
    slot = evaluator.bind(ROOM)
    first = evaluator.phases(slot)

    evaluator.observe(slot, 5, 1)

    assert (first, evaluator.phases(slot)) == ({"r": Phase.UNKNOWN}, {"r": Phase.OK})


def test_settled_changes_are_not_staged_again() -> None:
    evaluator = Evaluator([rule(above=8)])
    evaluator.observe(evaluator.bind(ROOM), 9, 1)

    evaluator.settle()

    assert evaluator.staged() == Staged((), ())


def test_a_change_that_is_undone_before_settling_is_no_row() -> None:
    evaluator = Evaluator([rule(above=8)])
    slot = evaluator.bind(ROOM)
    evaluator.observe(slot, 9, 1)
    evaluator.observe(slot, 5, 2)

    staged = evaluator.staged()

    assert [t.after for t in staged.transitions] == [Phase.FIRING, Phase.RESOLVED]
    assert staged.states == ()


def test_forgetting_also_takes_back_what_passed_inside_the_guard() -> None:
    evaluator = Evaluator([rule(above=8)])
    slot = evaluator.bind(ROOM)
    show(evaluator, slot, 5, 10)
    evaluator.settle()
    show(evaluator, slot, 5, 20)

    evaluator.forget()

    assert evaluator.last_ms == [10]


def test_forgetting_brings_back_the_hole_that_made_room() -> None:
    evaluator = Evaluator([rule(above=8)])
    slot = evaluator.bind(ROOM)
    leaps = [0, *(minute * 60 * SECOND for minute in range(1, MOST_HOLES + 2))]  # longer and longer
    for at in leaps[: MOST_HOLES + 1]:
        show(evaluator, slot, 5.0, at)
    evaluator.settle()
    show(evaluator, slot, 5.0, leaps[-1] + 10 * 60 * SECOND)

    evaluator.forget()

    evaluator.observe(slot, 9.0, leaps[1] - SECOND)  # between the first two
    assert [t.after for t in evaluator.staged().transitions] == [Phase.FIRING]


# ---- properties ----
LIMITS = [edge for limit in (-3, -2, -1, 0, 4, 6, 8, 9, 10, 12, 16) for edge in (limit, math.nextafter(limit, 99.0))]
values = st.one_of(
    st.sampled_from(LIMITS), st.floats(-10, 40), st.none(), st.sampled_from([math.nan, math.inf, -math.inf])
)
steps_ms = st.one_of(
    st.integers(1, 100 * SECOND), st.sampled_from([60, 120, 300, 600, 900, 2000]).map(lambda s: s * SECOND)
)
samples = st.lists(st.tuples(steps_ms, values), max_size=40)
acts = st.lists(st.tuples(st.sampled_from(["sample", "sample", "sample", "clock"]), steps_ms, values), max_size=30)


def act(evaluator: Evaluator, slot: int, script: list[tuple[str, int, float | None]], start_ms: int) -> int:
    now = start_ms
    for what, wait_ms, value in script:
        now += wait_ms
        if what == "clock":
            evaluator.advance(now)
        else:
            show(evaluator, slot, value, now)
    return now


def memory(evaluator: Evaluator) -> tuple[object, ...]:
    """Everything that later behaviour can depend on, seen from outside."""
    return (
        [evaluator.phases(slot) for slot in range(len(evaluator.low))],
        evaluator.low[:],
        evaluator.high[:],
        evaluator.deadline_ms[:],
        evaluator.last_ms[:],
    )


@given(st.sampled_from(RULES), samples, st.floats(-20, 50), steps_ms)
def test_a_sample_inside_the_guard_of_a_rule_changes_nothing_for_it(
    tried: Rule, script: list[tuple[int, float | None]], value: float, wait_ms: int
) -> None:
    state, last = State(), 0
    for at, seen in stamped(script):
        state = tried.observe(state, seen if seen is not None and math.isfinite(seen) else None, at, heard(last)).state
        last = at
    guard = tried.guard(state, heard(last))
    inside = [edge for edge in (value, guard.low, guard.high) if guard.low <= edge <= guard.high]

    for edge in inside:
        assert tried.observe(state, edge, last + wait_ms, heard(last)) == Outcome(state)
        before, after = (tried.due_ms(state, heard(newest)) for newest in (last, last + wait_ms))
        assert after is None or (before is not None and before <= after)


def told(evaluator: Evaluator) -> Staged:
    """What is staged of rules: which leaps are usual for a series, and so no row, is not remembered."""
    staged = evaluator.staged()
    return replace(staged, states=tuple(row for row in staged.states if row[0] != "~holes"))


def heard(last_ms: int) -> Heard:
    return Heard(last_ms, NEVER, NEVER)


@given(acts)
def test_the_guard_changes_nothing(script: list[tuple[str, int, float | None]]) -> None:
    guarded, exact = Evaluator(RULES), Evaluator(RULES)
    slot = guarded.bind(ROOM)
    exact.bind(ROOM)
    now = 0

    for what, wait_ms, value in script:
        now += wait_ms
        if what == "clock":
            guarded.advance(now)
            exact.advance(now)
        else:
            show(guarded, slot, value, now)
            exact.observe(slot, value, now)

    assert guarded.staged() == exact.staged()
    assert memory(guarded) == memory(exact)


@given(acts, acts, acts)
def test_forgetting_is_as_if_it_had_never_happened(
    before: list[tuple[str, int, float | None]],
    forgotten: list[tuple[str, int, float | None]],
    after: list[tuple[str, int, float | None]],
) -> None:
    one, two = Evaluator(RULES), Evaluator(RULES)
    for evaluator in (one, two):
        evaluator.bind(ROOM)
        evaluator.advance(0)
        act(evaluator, 0, before, 0)
        evaluator.settle()
    then = act(one, 0, forgotten, sum(wait for _, wait, _ in before))

    one.forget()

    assert one.staged() == Staged((), ())
    assert memory(one) == memory(two)
    for evaluator in (one, two):
        evaluator.advance(then)
        act(evaluator, 0, after, then)
    assert told(one) == told(two)
    assert memory(one) == memory(two)


def stamped(script: list[tuple[int, float | None]]) -> list[tuple[int, float | None]]:
    now, out = 0, []
    for wait_ms, value in script:
        now += wait_ms
        out.append((now, value))
    return out


@given(samples)
def test_replaying_the_same_samples_yields_nothing_new(script: list[tuple[int, float | None]]) -> None:
    evaluator = Evaluator(RULES)
    slot = evaluator.bind(ROOM)
    for at, value in stamped(script):
        show(evaluator, slot, value, at)
    evaluator.settle()

    for at, value in stamped(script):
        show(evaluator, slot, value, at)

    assert evaluator.staged() == Staged((), ())
    assert evaluator.retroactive == len(script)


@given(samples, samples)
def test_a_restart_with_states_and_times_restored_goes_unnoticed(
    before: list[tuple[int, float | None]], after: list[tuple[int, float | None]]
) -> None:
    steady, first = Evaluator(RULES), Evaluator(RULES)
    both = stamped(before + after)
    for evaluator in (steady, first):
        evaluator.bind(ROOM)
        for at, value in both[: len(before)]:
            show(evaluator, 0, value, at)
    states = {rule_id: state for rule_id, _, state in first.staged().states if state is not None}
    steady.settle()

    second = Evaluator(RULES)
    second.bind(ROOM, states, first.last_ms[0])
    for evaluator in (steady, second):
        for at, value in both[len(before) :]:
            show(evaluator, 0, value, at)

    assert told(second) == told(steady)
    assert memory(second) == memory(steady)


@given(samples, st.lists(st.integers(0, LATENESS_MS - 1), min_size=40, max_size=40))
def test_live_with_the_clock_and_replayed_without_it_are_the_same(
    script: list[tuple[int, float | None]], delays: list[int]
) -> None:
    rules = RULES[:4]
    live, replayed = Evaluator(rules), Evaluator(rules)
    for evaluator in (live, replayed):
        evaluator.bind(ROOM)
    live.advance(0)

    for (at, value), delay in zip(stamped(script), delays, strict=False):
        live.advance(at + delay)
        show(live, 0, value, at)
        show(replayed, 0, value, at)

    assert incidents(live) == incidents(replayed)


def incidents(evaluator: Evaluator) -> list[Transition]:
    """Rule by rule, without the notes of missing data, which only the clock can give in time."""
    known = [
        replace(t, before=Phase.OK if t.before is Phase.UNKNOWN else t.before)
        for t in evaluator.staged().transitions
        if t.after is not Phase.UNKNOWN
    ]
    kept = [t for t in known if t.before is not t.after or t.note == "worse"]
    return sorted(kept, key=lambda t: t.rule_id)


@given(
    st.lists(st.tuples(steps_ms, st.sampled_from([7.0, 8.0, 8.5, 9.0, 9.5, 10.0, 12.0])), max_size=40),
    st.sampled_from([0, 90, 300, 3600]),
    st.sampled_from([0, 90, 300, 3600]),
)
def test_it_does_what_a_plain_loop_over_all_samples_does(
    script: list[tuple[int, float | None]], for_s: int, clear_s: int
) -> None:
    evaluator = Evaluator([rule(above=9, hysteresis=1, for_=for_s, clear_for=clear_s)])
    slot = evaluator.bind(ROOM)
    for at, value in stamped(script):
        show(evaluator, slot, value, at)

    seen = [(t.after.value, t.at_ms) for t in incidents(evaluator) if t.note != "worse"]

    plain = PlainLoop(for_s * SECOND, clear_s * SECOND)
    for at, value in stamped(script):
        plain.sample(at, value or 0.0)
    assert seen == plain.told


@given(st.lists(st.floats(-16, -15, exclude_min=True), min_size=1, max_size=50), st.booleans())
def test_inside_the_hysteresis_nothing_flaps(wobble: list[float], warm: bool) -> None:
    evaluator = Evaluator([rule(above=-15, hysteresis=1)])
    slot = evaluator.bind(ROOM)
    show(evaluator, slot, -10 if warm else -20, 1)
    evaluator.settle()

    for at, value in enumerate(wobble, start=2):
        show(evaluator, slot, value, at * SECOND)

    assert evaluator.staged().transitions == ()


def test_never_is_before_every_time() -> None:
    assert NEVER < 0
