"""The ring: what the cloud has stays for a while, and a span of it can be sent again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from frostline_core.commit import Row
from frostline_core.reading import Stream
from frostline_gateway.spool import Spool
from frostline_gateway.spool.ring import REFETCHES_MAX, Refetch
from frostline_gateway.spool.rows import ROW_COST, Account, AccountDelta, NewRow
from tests.unit.gateway.spool_clock import DAY, T0, Clock

KEEP = 30 * DAY


@pytest.fixture
def spool(tmp_path: Path, clock: Clock) -> Iterator[Spool]:
    with Spool.open(tmp_path / "spool.db", 1 << 24, clock, KEEP) as opened:
        yield opened


def fill(spool: Spool, clock: Clock, rows: int, device: str = "room", size: int = 100) -> None:
    for _ in range(rows):
        clock.now_ms += 1_000
        row = NewRow(Stream.SAMPLES, device, clock.now_ms.to_bytes(size), 2, clock.now_ms, clock.now_ms)
        spool.append([row], AccountDelta(read=2, kept=2))


def commit_all(spool: Spool) -> list[Row]:
    rows = []
    for run in spool.runs():
        n = run.base
        while (row := spool.next_row(run.run, n)) is not None:
            rows.append(row)
            n = row.n + 1
        spool.delete_through(run.run, run.last)
    return rows


def drained(spool: Spool) -> list[Row]:
    rows: list[Row] = []
    while more := commit_all(spool):
        rows += more
    return rows


def test_a_committed_row_leaves_the_queue_and_stays_on_the_disk(spool: Spool, clock: Clock) -> None:
    fill(spool, clock, 3)
    commit_all(spool)
    run = spool.runs()[0]
    assert (run.empty, spool.held_rows, spool.held_bytes) == (True, 0, 0)
    assert spool.next_row(run.run, 1) is None
    assert spool.view().ring_bytes == 3 * (100 + ROW_COST)
    assert spool.view().account == Account(read=6, kept=6, committed=6)


def test_without_days_to_keep_nothing_stays(tmp_path: Path, clock: Clock) -> None:
    with Spool.open(tmp_path / "spool.db", 1 << 24, clock) as spool:
        fill(spool, clock, 3)
        commit_all(spool)
        assert spool.view().ring_bytes == 0


def test_a_span_is_sent_again_in_a_run_of_its_own_behind_what_is_live(spool: Spool, clock: Clock) -> None:
    fill(spool, clock, 10)
    first = commit_all(spool)
    assert spool.refetch(Refetch(T0 + 3_000, T0 + 5_001))
    current, again = spool.runs()
    assert again.run not in (current.run, spool.current(Stream.SAMPLES))
    rows = commit_all(spool)
    assert [row.payload for row in rows] == [row.payload for row in first[2:5]]
    assert [(row.run, row.n) for row in rows] == [(again.run, n) for n in (1, 2, 3)]


def test_only_the_device_that_was_asked_for_is_sent_again(spool: Spool, clock: Clock) -> None:
    fill(spool, clock, 2, "a")
    fill(spool, clock, 2, "b")
    commit_all(spool)
    spool.refetch(Refetch(T0, clock.now_ms + 1, "b"))
    assert [row.device for row in commit_all(spool)] == ["b", "b"]


def test_a_sample_sent_again_is_read_and_kept_a_second_time(spool: Spool, clock: Clock) -> None:
    fill(spool, clock, 4)
    commit_all(spool)
    spool.refetch(Refetch(T0, clock.now_ms + 1))
    assert spool.view().account == Account(read=16, kept=16, committed=8, pending=8)
    commit_all(spool)
    assert spool.view().account == Account(read=16, kept=16, committed=16)


def test_what_was_sent_again_can_be_asked_for_once_more(spool: Spool, clock: Clock) -> None:
    fill(spool, clock, 3)
    commit_all(spool)
    for _ in range(3):
        spool.refetch(Refetch(T0, clock.now_ms + 1))
        assert len(commit_all(spool)) == 3
    assert spool.view().ring_bytes == 3 * (100 + ROW_COST)


def test_a_long_span_goes_in_lots_and_over_a_restart(tmp_path: Path, clock: Clock) -> None:
    with Spool.open(tmp_path / "spool.db", 1 << 24, clock, KEEP) as spool:
        rows = [NewRow(Stream.SAMPLES, "room", b"x", 1, T0 + i, T0 + i) for i in range(5_000)]
        spool.append(rows, AccountDelta(read=5_000, kept=5_000))
        commit_all(spool)
        spool.refetch(Refetch(T0, T0 + 4_500))
        assert spool.held_rows == 2_000
        again = commit_all(spool)
    with Spool.open(tmp_path / "spool.db", 1 << 24, clock, KEEP) as spool:
        again += drained(spool)
        assert [row.first_ms for row in again] == [T0 + i for i in range(4_500)]
        assert spool.view().account.pending == 0


def test_a_span_that_the_ring_does_not_hold_sends_nothing(spool: Spool, clock: Clock) -> None:
    fill(spool, clock, 3)
    commit_all(spool)
    spool.refetch(Refetch(T0 - 10 * DAY, T0 - 9 * DAY))
    assert drained(spool) == []


def test_rows_that_still_wait_are_not_sent_twice(spool: Spool, clock: Clock) -> None:
    fill(spool, clock, 3)
    spool.refetch(Refetch(T0, clock.now_ms + 1))
    assert len(drained(spool)) == 3


def test_rows_leave_the_ring_after_their_days(spool: Spool, clock: Clock) -> None:
    fill(spool, clock, 3)
    commit_all(spool)
    clock.now_ms += KEEP + DAY
    fill(spool, clock, 300)
    assert spool.view().ring_bytes == 0


def test_the_ring_gives_way_to_what_the_cloud_does_not_have(tmp_path: Path, clock: Clock) -> None:
    budget = 100 * (100 + ROW_COST)
    with Spool.open(tmp_path / "spool.db", budget, clock, KEEP) as spool:
        fill(spool, clock, 90)
        commit_all(spool)
        fill(spool, clock, 60)
        assert spool.held_rows == 60
        assert 0 < spool.view().ring_bytes <= budget - spool.held_bytes
        fill(spool, clock, 40)
        assert (spool.held_rows, spool.view().ring_bytes, spool.view().account.lost) == (100, 0, {})


def test_only_so_many_spans_wait(spool: Spool, clock: Clock) -> None:
    fill(spool, clock, REFETCHES_MAX + 2)
    commit_all(spool)
    asked = [spool.refetch(Refetch(T0 + 1_000 * i, T0 + 1_000 * i + 1)) for i in range(1, REFETCHES_MAX + 3)]
    assert asked.count(False) <= 2
    assert asked[:REFETCHES_MAX] == [True] * REFETCHES_MAX
