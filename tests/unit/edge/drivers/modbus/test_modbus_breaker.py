"""A dead unit is asked less and less often; one answer makes it a live one."""

from __future__ import annotations

from frostline_edge.drivers.modbus.breaker import Breaker


def opened(now_s: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(3):
        breaker.failed(now_s)
    return breaker


def test_two_failures_leave_it_closed() -> None:
    breaker = Breaker()
    breaker.failed(0)
    breaker.failed(0)
    assert (breaker.is_open, breaker.wait_s(0)) == (False, 0)


def test_three_failures_in_a_row_open_it() -> None:
    assert opened().is_open


def test_an_answer_between_failures_starts_the_count_again() -> None:
    breaker = Breaker()
    for _ in range(10):
        breaker.failed(0)
        breaker.failed(0)
        breaker.answered()
    assert not breaker.is_open


def test_probes_come_after_5_10_20_up_to_300_seconds() -> None:
    breaker, waits = opened(), []
    for _ in range(9):
        waits.append(breaker.wait_s(0))
        breaker.failed(0)
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_the_wait_runs_down() -> None:
    breaker = opened(100)
    assert (breaker.wait_s(100), breaker.wait_s(103), breaker.wait_s(105), breaker.wait_s(200)) == (5, 2, 0, 0)


def test_one_answer_closes_it() -> None:
    breaker = opened()
    breaker.answered()
    assert (breaker.is_open, breaker.wait_s(0)) == (False, 0)


def test_the_first_probe_after_a_recovery_comes_early_again() -> None:
    breaker = opened()
    for _ in range(5):
        breaker.failed(0)
    breaker.answered()
    for _ in range(3):
        breaker.failed(0)
    assert breaker.wait_s(0) == 5
