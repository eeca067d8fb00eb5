"""Lots: what the cloud has, compressed when the tables are written, and still to be had."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_core.commit import Row
from frostline_core.reading import Stream
from frostline_gateway.spool import ROW_COST, Account, AccountDelta, NewRow, Refetch, Spool
from frostline_gateway.spool.lots import RingRow, pack, unpack
from tests.unit.gateway.spool_clock import DAY, T0, Clock

PAYLOAD = b"temperature -18.5 " * 5
WEIGHT = len(PAYLOAD) + ROW_COST


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.db"


def opened(path: Path, clock: Clock, budget_bytes: int = 1 << 24) -> Spool:
    return Spool.open(path, budget_bytes, clock, 30 * DAY)


@pytest.fixture
def spool(path: Path, clock: Clock) -> Iterator[Spool]:
    """With 1,000 committed rows in a lot, of the devices a and b by turns, one second apart."""
    with opened(path, clock) as first:
        fill(first, clock, 1_000)
        commit_all(first)
    with opened(path, clock) as second:
        yield second


def fill(spool: Spool, clock: Clock, rows: int) -> None:
    made = []
    for n in range(rows):
        clock.now_ms += 1_000
        made.append(NewRow(Stream.SAMPLES, "ab"[n % 2], PAYLOAD, 2, clock.now_ms, clock.now_ms))
    spool.append(made, AccountDelta(2 * rows, 2 * rows))


def commit_all(spool: Spool) -> list[Row]:
    rows: list[Row] = []
    for run in spool.runs():
        n = run.base
        while (row := spool.next_row(run.run, n)) is not None:
            rows.append(row)
            n = row.n + 1
        spool.delete_through(run.run, run.last)
    return rows


ring_rows = st.builds(
    RingRow,
    device=st.text(max_size=5),
    payload=st.binary(max_size=50),
    samples=st.integers(0, 500),
    first_ms=st.integers(0, 2**45),
    last_ms=st.integers(0, 2**45),
    raw=st.integers(0, 1),
    at_ms=st.integers(0, 2**45),
)


@given(st.lists(ring_rows, min_size=1, max_size=30))
def test_rows_come_back_from_a_lot_as_they_went(rows: list[RingRow]) -> None:
    assert unpack(pack(rows)) == rows


@given(st.binary(max_size=200))
def test_what_is_no_lot_is_refused(data: bytes) -> None:
    with pytest.raises((ValueError, LookupError, TypeError)):
        unpack(data)


def test_a_ring_takes_a_fraction_of_the_room_once_the_tables_are_written(spool: Spool) -> None:
    assert 0 < spool.view().ring_bytes < 1_000 * WEIGHT / 10
    assert spool.view().account == Account(2_000, 2_000, committed=2_000)


def test_a_span_of_one_device_comes_out_of_its_lot_and_the_rest_stays(spool: Spool) -> None:
    assert spool.refetch(Refetch(T0 + 10_000, T0 + 20_001, "b"))
    rows = commit_all(spool)
    assert [(row.device, row.first_ms) for row in rows] == [("b", T0 + 1_000 * n) for n in (10, 12, 14, 16, 18, 20)]
    assert spool.refetch(Refetch(T0, T0 + 10_000_000))
    again = 0
    while more := len(commit_all(spool)):
        again += more
    assert again == 1_000


def test_lots_leave_after_their_days(spool: Spool, clock: Clock) -> None:
    clock.now_ms += 31 * DAY
    fill(spool, clock, 1)
    assert spool.view().ring_bytes == 0


def test_lots_give_way_to_what_the_cloud_does_not_have(path: Path, clock: Clock) -> None:
    with opened(path, clock, 600 * WEIGHT) as spool:
        fill(spool, clock, 500)
        commit_all(spool)
    with opened(path, clock, 600 * WEIGHT) as spool:
        assert spool.view().ring_bytes > 0
        fill(spool, clock, 600)
        assert (spool.held_rows, spool.view().ring_bytes, spool.view().account.lost) == (600, 0, {})


def test_a_damaged_lot_has_nothing_to_send_and_stops_nothing(path: Path, clock: Clock, spool: Spool) -> None:
    spool.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as tables:
        tables.execute("UPDATE lot_rows SET rows = X'00'")
    with opened(path, clock) as found:
        assert found.refetch(Refetch(T0, T0 + 10_000_000))
        fill(found, clock, 3)
        assert len(commit_all(found)) == 3
