"""The bound on failed log-ins."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from frostline_cloud.api.limiter import FailureLimit


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5000)), max_size=60))
def test_no_address_fails_more_than_the_limit_in_any_window(steps: list[tuple[str, int]]) -> None:
    limit = FailureLimit(most=3, window_ms=10_000)
    now, failures = 0, []
    for address, pause in steps:
        now += pause
        if limit.wait_ms(address, now) == 0:
            limit.failed(address, now)
            failures.append((address, now))
    for address, at in failures:
        assert sum(a == address and at <= t < at + 10_000 for a, t in failures) <= 3


def test_addresses_do_not_wait_for_each_other() -> None:
    limit = FailureLimit(most=1)
    limit.failed("a", 0)
    assert (limit.wait_ms("a", 1) > 0, limit.wait_ms("b", 1)) == (True, 0)


def test_memory_is_bounded() -> None:
    limit = FailureLimit(most=1, addresses=3)
    for number in range(10):
        limit.failed(str(number), 0)
    assert [limit.wait_ms(str(number), 1) > 0 for number in range(10)] == [False] * 7 + [True] * 3
