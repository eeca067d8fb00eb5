"""Where unreadable messages wait: bounds, order, and what is listed when one must go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_cloud.ingest.unread import PATIENCE_MS, Parking, Puzzles
from frostline_core.commit import BatchMark
from frostline_core.moment import Moment
from frostline_core.reading import DataType, Stream
from frostline_core.sparkplug import Metric, NodeView, Payload, Unresolved, encode

OWNER = ("s", "n")
HOUR_MS = 3_600_000


def message(n: int, device: str = "d") -> Unresolved:
    raw = encode(Payload(1_000, n % 256, (Metric("x", None, 1_000, DataType.DOUBLE, float(n)),)))
    topic = f"spBv1.0/s/DDATA/n/{device}" if device else "spBv1.0/s/NDATA/n"
    return Unresolved("s", "n", topic, raw, "no birth")


def at(ms: int, off_ms: int = 0) -> Moment:
    return Moment(ms + off_ms, ms)


def view(bd_seq: int = 1, *, online: bool = True, proved: bool = False) -> NodeView:
    return NodeView("s", "n", online, proved, bd_seq)


def test_a_birth_gives_back_what_waited_for_it_in_order() -> None:
    parking = Parking()
    sent = [message(n) for n in range(3)]
    for each in sent:
        parking.park(each, None, at(0))
    parking.park(message(9, "other"), None, at(0))
    found = parking.born(view(), "d")
    assert [each.raw for each in found] == [each.raw for each in sent]
    assert (parking.lost(0), len(parking)) == ([], 1)


def test_the_oldest_goes_first_and_is_listed() -> None:
    parking = Parking(most=2)
    for n in (1, 2, 3):
        parking.park(message(n), None, at(n * 10))
    (lost,) = parking.lost(30)
    assert (lost.site, lost.node, lost.run, lost.samples, lost.from_ms) == ("s", "n", None, 1, 10)
    assert parking.lost(30) == []


def test_what_one_gateway_loses_for_one_reason_is_one_entry() -> None:
    parking = Parking(most=1)
    for n in range(100):
        parking.park(message(n), None, at(n))
    (lost,) = parking.lost(100)
    assert (lost.samples, lost.from_ms, lost.to_ms) == (99, 0, 98)


def test_what_still_waits_at_a_stop_is_listed() -> None:
    parking = Parking()
    parking.park(message(1), None, at(10))
    (lost,) = parking.close()
    assert (lost.samples, len(parking)) == (1, 0)
    assert "stopped" in lost.reason


@given(st.lists(st.sampled_from(["a", "b", ""]), max_size=40), st.integers(1, 5), st.integers(20, 200))
def test_it_never_holds_more_than_it_may_and_forgets_nothing_silently(
    devices: list[str], most: int, most_bytes: int
) -> None:
    parking = Parking(most, most_bytes)
    for n, device in enumerate(devices):
        parking.park(message(n, device), None, at(0))
    lost = sum(each.samples or 0 for each in parking.lost(0))
    assert len(parking) <= most
    back = [parking.born(view(), device) for device in ("a", "b", "")]
    assert sum(len(each.raw) for some in back for each in some) <= most_bytes
    assert lost + sum(map(len, back)) == len(devices)
    assert len(parking) == 0


def test_a_message_of_another_session_is_never_read_with_this_birth() -> None:
    parking = Parking()
    parking.park(message(1), view(bd_seq=1), at(0))
    assert parking.born(view(bd_seq=2), "d") == []
    assert [each.reason for each in parking.lost(0)] == ["its session ended before a birth said what it means"]


def test_a_node_that_turns_out_to_send_again_by_itself_loses_nothing_here() -> None:
    parking = Parking()
    parking.park(message(1), None, at(0))
    assert parking.born(view(proved=True), "d") == []
    assert (len(parking), parking.lost(0)) == (0, [])


def test_nobody_waits_for_ever() -> None:
    parking = Parking()
    parking.park(message(1), None, at(0))
    assert parking.lost(PATIENCE_MS) == []
    assert len(parking.lost(PATIENCE_MS + 1)) == 1


@pytest.mark.parametrize("off_ms", [-HOUR_MS, HOUR_MS])
def test_a_clock_that_is_set_changes_nothing_of_how_long_a_message_waits(off_ms: int) -> None:
    parking = Parking()
    parking.park(message(1), None, at(1_000))
    parking.park(message(2), None, at(2_000, off_ms))
    assert parking.lost(1_000 + PATIENCE_MS) == []
    (first,) = parking.lost(1_001 + PATIENCE_MS)
    (second,) = parking.lost(2_001 + PATIENCE_MS)
    assert (first.from_ms, second.from_ms) == (1_000, 2_000 + off_ms)


def test_a_span_that_is_listed_over_a_clock_that_was_set_back_covers_both_sides() -> None:
    parking = Parking(most=0)
    parking.park(message(1), None, at(HOUR_MS))
    parking.park(message(2), None, at(HOUR_MS + 1, -HOUR_MS))
    (lost,) = parking.lost(HOUR_MS + 1)
    assert (lost.from_ms, lost.to_ms) == (1, HOUR_MS)


def batch(n: int, base: int = 1) -> BatchMark:
    return BatchMark(7, Stream.SAMPLES, n, n, base, False)


def test_three_births_are_tried_before_a_batch_is_given_up() -> None:
    puzzles = Puzzles()
    for _ in range(3):
        assert not puzzles.hopeless(OWNER, batch(1), 0)
        puzzles.born(OWNER)
    assert puzzles.hopeless(OWNER, batch(1), 0)


def test_births_of_other_nodes_do_not_count() -> None:
    puzzles = Puzzles()
    puzzles.hopeless(OWNER, batch(1), 0)
    for _ in range(3):
        puzzles.born(("s", "other"))
    assert not puzzles.hopeless(OWNER, batch(1), 0)


def test_only_the_next_batch_of_a_run_can_be_given_up() -> None:
    puzzles = Puzzles()
    puzzles.hopeless(OWNER, batch(1), 0)
    for _ in range(3):
        puzzles.born(OWNER)
    assert not puzzles.hopeless(OWNER, batch(2), 0)
    assert puzzles.hopeless(OWNER, batch(1), 0)


def test_a_batch_behind_one_that_was_solved_is_counted_anew() -> None:
    puzzles = Puzzles()
    puzzles.hopeless(OWNER, batch(1), 0)
    for _ in range(3):
        puzzles.born(OWNER)
    assert not puzzles.hopeless(OWNER, batch(2), 1)
