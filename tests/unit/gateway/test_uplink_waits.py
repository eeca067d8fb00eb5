"""How long the uplink waits between sessions, and before births."""

from __future__ import annotations

from frostline_gateway.uplink_waits import OVER_MS, SPREAD_MS, TAKEOVER_MOST_MS, Conflict, Turn, Waits

MINUTE = 60_000


def test_the_wait_doubles_to_a_minute() -> None:
    waits = Waits(lambda: 1.0)
    assert [waits.after(0, None, cut=False) for _ in range(8)] == [
        1000,
        2000,
        4000,
        8000,
        16_000,
        32_000,
        MINUTE,
        MINUTE,
    ]


def test_the_jitter_is_full() -> None:
    assert Waits(lambda: 0.25).after(0, None, cut=False) == 250
    assert Waits(lambda: 0.0).after(0, None, cut=False) == 0


def test_a_session_of_a_minute_makes_the_wait_small_again() -> None:
    waits = Waits(lambda: 1.0)
    for _ in range(5):
        waits.after(0, None, cut=False)
    assert waits.after(2 * MINUTE, MINUTE + 1, cut=True) == 32_000
    assert waits.after(4 * MINUTE, 3 * MINUTE, cut=True) == 1000


def test_three_sessions_cut_within_a_minute_look_like_a_second_gateway() -> None:
    waits = Waits(lambda: 1.0)
    assert [waits.after(at, at - 500, cut=True) for at in (0, 30_000, 60_000)] == [1000, 2000, 30_000]
    assert waits.suspects
    assert waits.conflicts == 1


def test_a_second_gateway_that_stays_is_avoided_for_longer_and_longer() -> None:
    waits = Waits(lambda: 0.0)
    after = [waits.after(at, at - 500, cut=True) for at in range(0, 18_000, 1000)]
    assert [wait for wait in after if wait] == [30_000, 60_000, 120_000, 240_000, 300_000, 300_000]


def test_after_a_good_session_the_next_suspicion_waits_short_again() -> None:
    waits = Waits(lambda: 0.0)
    for at in range(0, 6000, 1000):
        waits.after(at, at - 500, cut=True)
    waits.after(5 * MINUTE, 3 * MINUTE, cut=False)
    after = [waits.after(5 * MINUTE + at, 5 * MINUTE + at - 500, cut=True) for at in range(1000, 4000, 1000)]
    assert after == [0, 0, 30_000]


def test_cuts_with_a_broker_that_is_away_in_between_are_no_second_gateway() -> None:
    waits = Waits(lambda: 0.0)
    for at in range(0, 10_000, 1000):
        waits.after(at, at - 500, cut=True)
        waits.after(at + 500, None, cut=False)
    assert waits.conflicts == 0


def test_three_sessions_cut_in_more_than_a_minute_do_not() -> None:
    waits = Waits(lambda: 1.0)
    for at in (0, 30_000, 60_001, 90_002):
        waits.after(at, at - 500, cut=True)
    assert waits.conflicts == 0


def test_a_broker_that_is_away_is_no_second_gateway() -> None:
    waits = Waits(lambda: 0.0)
    for at in range(10):
        waits.after(at, None, cut=False)
    assert waits.conflicts == 0


def test_a_host_that_is_found_online_is_told_at_once() -> None:
    turn = Turn(lambda: 0.5)
    assert turn.wait_ms(0) == 0
    turn.heard(True, 0)
    assert turn.wait_ms(0) == 0


def test_when_the_host_comes_back_each_gateway_waits_for_its_turn() -> None:
    turn = Turn(lambda: 0.5)
    turn.heard(False, 0)
    turn.heard(True, 10_000)
    assert turn.wait_ms(10_000) == SPREAD_MS // 2
    assert turn.wait_ms(10_000 + SPREAD_MS // 2) == 0


def test_a_repeated_online_does_not_move_the_turn() -> None:
    turn = Turn(lambda: 0.5)
    turn.heard(False, 0)
    turn.heard(True, 10_000)
    turn.heard(True, 11_000)
    assert turn.wait_ms(11_000) == SPREAD_MS // 2 - 1_000


def test_a_conflict_is_over_when_a_session_has_lasted_longer_than_a_clone_waits() -> None:
    conflict = Conflict()
    conflict.suspected(0)
    assert not conflict.is_over(OVER_MS, None)
    assert not conflict.is_over(OVER_MS, 1)
    assert conflict.is_over(OVER_MS + 1, 1)
    assert not conflict.is_over(OVER_MS + 2, 1), "it is told once"


def test_the_first_session_that_lasts_tells_what_a_process_before_may_have_left_open() -> None:
    conflict = Conflict()
    assert conflict.is_over(OVER_MS, 0)
    conflict.suspected(OVER_MS)
    assert conflict.is_over(3 * OVER_MS, 2 * OVER_MS)


def test_a_suspicion_in_a_session_that_has_lasted_stands_as_long_as_any_other() -> None:
    conflict = Conflict()
    conflict.suspected(2 * OVER_MS)
    assert not conflict.is_over(2 * OVER_MS + 5_000, 0)
    assert conflict.is_over(3 * OVER_MS, 0)


def test_a_clone_has_come_back_before_a_conflict_is_called_over() -> None:
    assert OVER_MS > TAKEOVER_MOST_MS
