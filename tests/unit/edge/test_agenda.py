"""Who is due next: the earliest, each name once, however often it was put elsewhere."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from frostline_edge.schedule import Agenda


def test_all_are_due_at_once_in_their_order() -> None:
    agenda = Agenda(["b", "a"], 5.0)
    assert agenda.first() == (5.0, "b")
    agenda.put("b", 6.0)
    assert agenda.first() == (5.0, "a")


def test_of_two_that_are_due_together_the_one_goes_first_that_waited_longer() -> None:
    agenda = Agenda(["a", "b"], 0.0)
    agenda.put("b", 1.0)
    agenda.put("a", 1.0)
    assert agenda.first() == (1.0, "b")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 50)), max_size=60))
def test_the_first_is_the_earliest_of_what_was_last_put(puts: list[tuple[str, int]]) -> None:
    agenda, due = Agenda("abc", 0.0), dict.fromkeys("abc", 0.0)
    for name, at_s in puts:
        agenda.put(name, at_s)
        due[name] = at_s
        first_s, first = agenda.first()
        assert first_s == due[first] == min(due.values())
