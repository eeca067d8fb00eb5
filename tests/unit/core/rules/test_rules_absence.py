"""Absence: silence, measured by the clock and only while somebody listens."""

from __future__ import annotations

from frostline_core.rules import Evaluator, Phase, Series, Transition, parse

ROOM = Series("hamburg", "gw-1", "room-1", "cold_room", "freezer-1", "air_temperature")
MINUTE = 60_000
RULE = parse({"type": "absence", "id": "a", "title": "A", "select": {"metric": "*"}, "max_silence": "15m"}, "test")


def started(at: float = 0) -> tuple[Evaluator, int]:
    evaluator = Evaluator([RULE])
    slot = evaluator.bind(ROOM)
    evaluator.advance(round(at * MINUTE))
    return evaluator, slot


def last(evaluator: Evaluator) -> tuple[Phase, float]:
    transition: Transition = evaluator.staged().transitions[-1]
    return transition.after, transition.at_ms / MINUTE


def test_silence_fires_by_the_clock_alone() -> None:
    evaluator, slot = started()
    evaluator.observe(slot, 5.0, 1 * MINUTE)

    evaluator.advance(17 * MINUTE)

    assert last(evaluator) == (Phase.FIRING, 16)


def test_it_fires_for_a_series_that_never_spoke() -> None:
    evaluator, _ = started(100)

    evaluator.advance(116 * MINUTE)

    assert last(evaluator) == (Phase.FIRING, 115)


def test_it_does_not_fire_while_samples_come() -> None:
    evaluator, slot = started()
    for minute in range(1, 100):
        evaluator.last_ms[slot] = minute * MINUTE  # as the ingest loop does inside the guard
        evaluator.advance(minute * MINUTE)

    assert evaluator.staged().transitions == ()


def test_samples_without_a_value_do_not_interrupt_the_silence() -> None:
    evaluator, slot = started()
    evaluator.observe(slot, 5.0, 1 * MINUTE)
    for minute in range(2, 20):
        evaluator.observe(slot, None, minute * MINUTE)
        evaluator.advance(minute * MINUTE)

    assert last(evaluator) == (Phase.FIRING, 17)


def test_a_fresh_value_resolves_it() -> None:
    evaluator, slot = started()
    evaluator.advance(20 * MINUTE)

    evaluator.observe(slot, 5.0, 20 * MINUTE)

    assert last(evaluator) == (Phase.RESOLVED, 20)


def test_an_old_value_of_a_backlog_does_not_resolve_it() -> None:
    evaluator, slot = started()
    evaluator.advance(60 * MINUTE)

    evaluator.observe(slot, 5.0, 20 * MINUTE)

    assert last(evaluator)[0] is Phase.FIRING


def test_the_restart_of_the_listener_is_nobodys_silence() -> None:
    evaluator = Evaluator([RULE])
    evaluator.bind(ROOM, {}, 1 * MINUTE)

    evaluator.advance(1000 * MINUTE)
    evaluator.advance(1014 * MINUTE)

    assert evaluator.staged().transitions == ()


def test_a_silence_that_fired_before_a_restart_goes_on() -> None:
    evaluator, _ = started()
    evaluator.advance(20 * MINUTE)
    state = evaluator.staged().states[0][2]
    assert state is not None
    again = Evaluator([RULE])
    slot = again.bind(ROOM, {"a": state})

    again.advance(30 * MINUTE)
    again.observe(slot, 5.0, 30 * MINUTE)

    assert [t.after for t in again.staged().transitions] == [Phase.RESOLVED]


def test_listening_anew_gives_every_series_its_time_again() -> None:
    evaluator, slot = started()
    evaluator.observe(slot, 5.0, 1 * MINUTE)

    evaluator.listen(15 * MINUTE)
    evaluator.advance(29 * MINUTE)

    assert evaluator.staged().transitions == ()


def test_a_gap_in_a_backlog_raises_nothing() -> None:
    evaluator = Evaluator([RULE])
    slot = evaluator.bind(ROOM)
    evaluator.observe(slot, 5.0, 1 * MINUTE)
    evaluator.observe(slot, 5.0, 600 * MINUTE)

    assert evaluator.staged().transitions == ()
