"""Order of messages, and whom to ask for a rebirth when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from frostline_core.sparkplug.order import MOST_HELD, Order
from frostline_core.sparkplug.rebirths import Rebirths


def _order(holds: bool = True) -> Order[str]:
    order: Order[str] = Order(2000, holds)
    order.restart(0)
    return order


def test_messages_in_order_pass_at_once() -> None:
    order = _order()
    assert [order.arrived(i % 256, str(i), 0) for i in range(1, 600)] == [[str(i)] for i in range(1, 600)]


def test_a_later_message_waits_and_follows_the_missing_one__operational_behavior_host_reordering_success() -> None:
    order = _order()
    assert order.arrived(2, "b", 0) == []
    assert order.arrived(1, "a", 1) == ["a", "b"]
    assert order.gap is None


def test_the_missing_one_is_given_up_after_the_time_out__operational_behavior_host_reordering_start() -> None:
    order = _order()
    order.arrived(3, "c", 100)
    assert not order.overdue(2099)
    assert order.overdue(2100)
    assert order.gap == (1, 3)
    assert order.give_up() == ["c"]
    assert order.arrived(4, "d", 2101) == ["d"]


def test_a_message_that_comes_after_it_was_given_up_still_passes() -> None:
    order = _order()
    order.arrived(3, "c", 100)
    order.give_up()
    assert order.arrived(1, "a", 3000) == ["a"]
    assert order.arrived(4, "d", 3001) == ["d"]


def test_at_the_bound_the_missing_one_is_given_up_early() -> None:
    order = _order()
    for i in range(2, MOST_HELD + 3):
        order.arrived(i, str(i), 0)
    assert order.overdue(0)
    assert len(order.give_up()) == MOST_HELD + 1


def test_a_second_gap_gets_its_own_time() -> None:
    order = _order()
    order.arrived(2, "b", 0)
    order.arrived(4, "d", 1000)
    assert order.arrived(1, "a", 1500) == ["a", "b"]
    assert order.gap == (3, 4)
    assert not order.overdue(3499)
    assert order.overdue(3500)


def test_a_birth_hands_back_what_waited() -> None:
    order = _order()
    order.arrived(5, "e", 0)
    assert order.restart(0) == ["e"]
    assert order.arrived(1, "a", 1) == ["a"]


def test_watching_passes_everything_and_still_sees_the_gap() -> None:
    order = _order(holds=False)
    assert order.arrived(3, "c", 0) == ["c"]
    assert order.gap == (1, 3)
    assert order.arrived(2, "b", 1) == ["b"]
    assert order.arrived(1, "a", 2) == ["a"]
    assert order.gap is None


@given(st.lists(st.integers(0, 255), max_size=400), st.booleans())
def test_no_message_vanishes_and_none_comes_twice(arrivals: list[int], holds: bool) -> None:
    order: Order[int] = Order(2000, holds)
    order.restart(0)
    passed: list[int] = []
    for number, seq in enumerate(arrivals):
        passed += order.arrived(seq, number, number * 100)
        if order.overdue(number * 100):
            passed += order.give_up()
    passed += order.give_up()
    assert sorted(passed) == list(range(len(arrivals)))


@given(st.permutations(list(range(1, 60))))
def test_any_shuffle_is_put_in_order(arrivals: list[int]) -> None:
    order: Order[int] = Order(2000, holds=True)
    order.restart(0)
    assert [item for seq in arrivals for item in order.arrived(seq, seq, 0)] == list(range(1, 60))


def test_a_node_is_asked_once_in_an_interval_and_again_only_when_wanted() -> None:
    rebirths = Rebirths(30_000, 20)
    assert rebirths.want(("site", "gw"), "why", 1000)
    assert not rebirths.want(("site", "gw"), "why", 2000)
    assert list(rebirths.due(30_999)) == []
    assert list(rebirths.due(31_000)) == [(("site", "gw"), "why")]
    assert list(rebirths.due(90_000)) == []


def test_births_end_the_want() -> None:
    rebirths = Rebirths(30_000, 20)
    rebirths.want(("site", "gw"), "why", 1000)
    rebirths.want(("site", "gw"), "why", 2000)
    rebirths.born(("site", "gw"))
    assert list(rebirths.due(99_000)) == []


def test_a_storm_is_spread_over_seconds() -> None:
    rebirths = Rebirths(30_000, 20)
    at_once = sum(rebirths.want(("site", str(i)), "why", 1000) for i in range(100))
    later = [len(list(rebirths.due(1000 + s * 1000))) for s in range(1, 5)]
    assert (at_once, later) == (20, [20, 20, 20, 20])
