"""Neighbours are read together, within what a device allows; a refused request is taken apart."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_core.errors import ConfigError
from frostline_edge.drivers.modbus.planner import Block, plan, split
from frostline_edge.profiles.model import Point, Table
from frostline_edge.profiles.registers import width


def point(address: int, name: str = "", **keys: Any) -> Point:
    return Point.model_validate(
        {"name": name or f"p{address}", "table": "holding", "address": address, "type": "uint16", **keys}
    )


def spans(blocks: tuple[Block, ...]) -> list[tuple[str, int, int]]:
    return [(block.table.value, block.address, block.count) for block in blocks]


def test_neighbours_are_one_request() -> None:
    assert spans(plan([point(10), point(11), point(12)], 0, 125)) == [("holding", 10, 3)]


def test_a_gap_up_to_the_bound_is_read_through() -> None:
    assert spans(plan([point(10), point(27)], 16, 125)) == [("holding", 10, 18)]


def test_a_wider_gap_makes_two_requests() -> None:
    assert spans(plan([point(10), point(28)], 16, 125)) == [("holding", 10, 1), ("holding", 28, 1)]


def test_a_request_never_exceeds_what_the_device_allows() -> None:
    assert spans(plan([point(a) for a in range(10)], 0, 4)) == [("holding", 0, 4), ("holding", 4, 4), ("holding", 8, 2)]


def test_tables_are_never_mixed() -> None:
    points = [point(0), point(0, "i", table="input"), point(0, "c", table="coil", type="bit")]
    assert {table for table, _, _ in spans(plan(points, 16, 125))} == {"holding", "input", "coil"}


def test_the_order_of_the_points_does_not_matter() -> None:
    assert spans(plan([point(12), point(10), point(11)], 0, 125)) == [("holding", 10, 3)]


def test_bits_of_one_register_are_one_request() -> None:
    points = [point(5, f"b{bit}", type="bit", bit=bit) for bit in range(16)]
    assert spans(plan(points, 0, 125)) == [("holding", 5, 1)]


def test_wide_points_are_read_whole() -> None:
    assert spans(plan([point(0, type="float64"), point(4, type="float32")], 0, 125)) == [("holding", 0, 6)]


def test_a_point_inside_another_does_not_shorten_the_request() -> None:
    assert spans(plan([point(0, "a", type="uint64"), point(1, "b")], 0, 125)) == [("holding", 0, 4)]


def test_forty_scattered_points_take_few_requests() -> None:
    assert len(plan([point(address * 9) for address in range(40)], 16, 125)) <= 4


def test_a_point_wider_than_a_request_is_an_error() -> None:
    with pytest.raises(ConfigError, match="point text: 20 registers, but one request may ask for 10"):
        plan([point(0, "text", type="string", length=20)], 0, 10)


def test_a_refused_block_falls_apart_at_its_gaps() -> None:
    (block,) = plan([point(0), point(1), point(5)], 16, 125)
    assert spans(split(block)) == [("holding", 0, 2), ("holding", 5, 1)]


def test_a_refused_block_without_gaps_falls_apart_into_addresses() -> None:
    (block,) = plan([point(0), point(1), point(1, "b", type="bit", bit=0)], 16, 125)
    assert spans(split(block)) == [("holding", 0, 1), ("holding", 1, 1)]


def test_a_single_address_cannot_be_taken_apart() -> None:
    (block,) = plan([point(7)], 16, 125)
    assert split(block) == (block,)


_points = st.lists(
    st.builds(
        lambda a, t, table: (a, t, table),
        st.integers(0, 400),
        st.sampled_from(["uint16", "int32", "float64"]),
        st.sampled_from(["holding", "input"]),
    ),
    min_size=1,
    max_size=40,
)


@given(raw=_points, gap=st.integers(0, 30), most=st.integers(4, 125))
def test_every_point_lies_in_exactly_one_request_of_a_legal_size(
    raw: list[tuple[int, str, str]], gap: int, most: int
) -> None:
    points = [point(a, f"n{i}", type=kind, table=table) for i, (a, kind, table) in enumerate(raw)]
    blocks = plan(points, gap, most)
    assert sorted(p.name for b in blocks for p in b.points) == sorted(p.name for p in points)
    for block in blocks:
        assert 1 <= block.count <= most
        for each in block.points:
            assert each.table is Table(block.table)
            assert block.address <= each.address
            assert each.address + width(each) <= block.address + block.count
