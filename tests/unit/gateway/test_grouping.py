"""Rows that go to the disk together: under load those of one device become one, and no sample changes."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from frostline_core.reading import DataType, Stream
from frostline_core.sparkplug import Metric, Payload, decode, encode
from frostline_gateway.grouping import RowLimits, together
from frostline_gateway.spool import NewRow

T0 = 1_700_000_000_000
EACH = RowLimits(load=1)


def row(device: str, value: int, stream: Stream = Stream.SAMPLES, raw: bool = False, boot: str = "") -> NewRow:
    at_ms = T0 + value
    payload = encode(Payload(at_ms, None, (Metric("m", None, at_ms, DataType.INT64, value),)))
    return NewRow(stream, device, payload, 1, at_ms, at_ms, raw, boot)


def values(rows: Sequence[NewRow], device: str) -> list[tuple[object, int | None]]:
    return [(m.value, m.timestamp_ms) for each in rows if each.device == device for m in decode(each.payload).metrics]


def test_a_small_group_stays_as_it_is() -> None:
    rows = [row("a", n) for n in range(49)]
    assert together(rows, RowLimits()) == rows


def test_under_load_a_device_has_one_row() -> None:
    rows = [row("ab"[n % 2], n) for n in range(60)]
    first, second = together(rows, RowLimits())
    assert (first.samples, first.first_ms, first.last_ms) == (30, T0, T0 + 58)
    assert decode(second.payload).timestamp_ms == T0 + 59


def test_events_keep_their_own_rows() -> None:
    rows = [row("a", n, Stream.EVENTS) for n in range(5)]
    assert together(rows, EACH) == rows


def test_reads_of_tags_and_undated_rows_are_not_put_to_others() -> None:
    rows = [row("a", 1), row("a", 2, raw=True), row("a", 3, boot="b")]
    assert together(rows, EACH) == rows


def test_a_row_does_not_grow_beyond_its_bounds() -> None:
    rows = [row("a", n) for n in range(10)]
    assert [each.samples for each in together(rows, RowLimits(load=1, samples=4))] == [4, 4, 2]
    size = 3 * len(rows[0].payload)
    assert max(len(each.payload) for each in together(rows, RowLimits(load=1, size=size))) <= size


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(list(Stream)), st.booleans()), max_size=60))
def test_every_sample_of_a_device_is_there_once_and_in_order(made: list[tuple[str, Stream, bool]]) -> None:
    rows = [row(device, n, stream, raw) for n, (device, stream, raw) in enumerate(made)]
    found = together(rows, EACH)
    for stream in Stream:
        for raw in (False, True):
            for device in "abc":
                before, after = (
                    values([each for each in group if each.stream is stream and each.raw is raw], device)
                    for group in (rows, found)
                )
                assert after == before
    assert sum(each.samples for each in found) == len(rows)
