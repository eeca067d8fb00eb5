"""What a unit owes on a line without transaction ids is told apart by its length."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from frostline_edge.drivers.modbus.late import Late, Span
from frostline_edge.profiles.model import Table

spans = st.builds(Span, st.sampled_from(Table), st.integers(0, 100), st.integers(1, 125))


def _late(asked: list[Span]) -> Late:
    late: Late | None = None
    for span in asked:
        late = Late.after(late, span)
    assert late is not None
    return late


@given(st.lists(spans, min_size=1, max_size=10))
def test_a_probe_is_of_a_length_that_none_of_the_last_four_answers_has(asked: list[Span]) -> None:
    probe = _late(asked).probe()
    assert probe.length not in {span.length for span in asked[-4:]}
    assert (probe.table, probe.address) == (asked[-1].table, asked[-1].address)


def test_bits_come_in_whole_bytes() -> None:
    assert Span(Table.COIL, 0, 9).length == 2
    assert Span(Table.HOLDING, 0, 9).length == 9
