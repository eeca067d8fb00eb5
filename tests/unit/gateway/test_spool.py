"""The spool: what it keeps, in which order, under which numbers, and what its account says."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from frostline_core.commit import Row
from frostline_core.errors import ConfigError, UnavailableError
from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Stream
from frostline_gateway.spool import Spool
from frostline_gateway.spool.rows import ROW_COST, Account, AccountDelta, Lost, NewRow, gap_payload, loss_notice
from tests.support.services import eventually

T0 = 1_700_000_000_000
MIB = 1024 * 1024
ROW, GAP = 100 + ROW_COST, ROW_COST


def new(stream: Stream = Stream.SAMPLES, size: int = 100, samples: int = 3, at_ms: int = T0) -> NewRow:
    return NewRow(stream, "room", b"x" * size, samples, at_ms, at_ms + 1)


def rows_of(spool: Spool, run: int) -> list[Row]:
    rows: list[Row] = []
    while (row := spool.next_row(run, rows[-1].n + 1 if rows else 1)) is not None:
        rows.append(row)
    return rows


def spans(rows: Sequence[Row]) -> list[tuple[int, int, bool]]:
    return [(row.first, row.n, row.gap) for row in rows]


def open_spool(folder: Path, budget_bytes: int = MIB) -> Spool:
    ticks = count(T0)
    return Spool.open(folder / "spool.db", budget_bytes, lambda: next(ticks))


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with open_spool(tmp_path) as opened:
        yield opened


def test_rows_are_numbered_from_one_in_a_run_of_their_stream(spool: Spool) -> None:
    spool.append([new(), new(Stream.EVENTS), new()])
    assert [(held.stream, held.base, held.last) for held in spool.runs()] == [
        (Stream.EVENTS, 1, 1),
        (Stream.SAMPLES, 1, 2),
    ]
    assert all(held.run >> 48 == spool.spool_id & 0xFFFF for held in spool.runs())


def test_a_row_comes_back_as_it_went(spool: Spool) -> None:
    spool.append([new(size=5)])
    run = spool.current(Stream.SAMPLES)
    assert run is not None
    assert spool.next_row(run, 1) == Row(run, 1, 1, "room", b"xxxxx", 3, T0, T0 + 1)
    assert spool.next_row(run, 2) is None
    assert spool.next_row(run + 1, 1) is None


def test_a_process_start_opens_a_new_run_and_keeps_the_rows_of_the_old(tmp_path: Path) -> None:
    with open_spool(tmp_path) as spool:
        spool.append([new(), new()])
        old, spool_id = spool.runs()[0], spool.spool_id
    with open_spool(tmp_path) as spool:
        assert spool.spool_id == spool_id
        assert spool.current(Stream.SAMPLES) is None
        spool.append([new()])
        assert [(held.run, held.base, held.last) for held in spool.runs()] == [
            (old.run, 1, 2),
            (spool.current(Stream.SAMPLES), 1, 1),
        ]


def test_a_cut_opens_a_new_run_for_samples_only(spool: Spool) -> None:
    spool.append([new(), new(Stream.EVENTS)])
    before = spool.runs()
    spool.cut()
    spool.append([new(), new(Stream.EVENTS)])
    events, samples, newer = spool.runs()
    assert (events.run, events.last) == (before[0].run, 2)
    assert (samples.run, samples.last) == (before[1].run, 1)
    assert newer.run == spool.current(Stream.SAMPLES)


def test_a_commit_deletes_rows_and_moves_base(spool: Spool) -> None:
    spool.append([new()] * 5)
    run = spool.runs()[0].run
    spool.delete_through(run, 3)
    (held,) = spool.runs()
    assert (held.base, held.last, spool.held_rows) == (4, 5, 2)
    assert spool.held_bytes == 2 * (100 + ROW_COST)


def test_a_commit_is_durable_with_the_next_append(tmp_path: Path) -> None:
    with open_spool(tmp_path) as spool:
        spool.append([new()] * 3)
        spool.delete_through(spool.runs()[0].run, 2)
        with Spool.open_read_only(tmp_path / "spool.db") as disk:
            assert disk.held_rows == 3
        spool.append([new()])
        with Spool.open_read_only(tmp_path / "spool.db") as disk:
            assert disk.held_rows == spool.held_rows == 2


def test_a_commit_is_durable_after_a_while_though_no_append_comes(tmp_path: Path) -> None:
    with Spool.open(tmp_path / "spool.db", MIB, lambda: T0, settle_s=0.05) as spool:
        spool.append([new()] * 3)
        spool.delete_through(spool.runs()[0].run, 3)
        eventually(lambda: Spool.open_read_only(tmp_path / "spool.db").account.committed == 9)


def test_a_commit_is_durable_after_an_orderly_end(tmp_path: Path) -> None:
    with open_spool(tmp_path) as spool:
        spool.append([new()] * 3)
        spool.delete_through(spool.runs()[0].run, 2)
    with open_spool(tmp_path) as spool:
        assert spool.held_rows == 1


def test_an_append_that_fails_leaves_the_commit_before_it_and_can_be_repeated(spool: Spool) -> None:
    spool.append([new()] * 3, AccountDelta(read=9, kept=9))
    run = spool.runs()[0].run
    spool.delete_through(run, 2)
    with pytest.raises(UnavailableError):
        spool.append([replace(new(), payload="no bytes")])  # type: ignore[arg-type]  # a disk that refuses
    assert (spool.runs()[0].base, spool.held_rows, spool.view().account.committed) == (3, 1, 6)
    spool.append([new()], AccountDelta(read=3, kept=3))
    assert spool.view().account == Account(read=12, kept=12, committed=6, pending=6)


def test_many_commits_do_not_wait_for_an_append(tmp_path: Path) -> None:
    with open_spool(tmp_path) as spool:
        spool.append([new()] * 200)
        for n in range(1, 151):
            spool.delete_through(spool.runs()[0].run, n)
        with Spool.open_read_only(tmp_path / "spool.db") as disk:
            assert disk.held_rows < 150


def test_an_empty_run_stays_while_it_is_current_and_goes_on_counting(spool: Spool) -> None:
    spool.append([new()])
    run = spool.runs()[0].run
    spool.delete_through(run, 1)
    assert [(held.run, held.empty) for held in spool.runs()] == [(run, True)]
    spool.append([new()])
    assert [(held.base, held.last) for held in spool.runs()] == [(2, 2)]


@pytest.mark.parametrize("how", ["cut", "restart"])
def test_an_empty_run_goes_when_it_is_no_longer_current(tmp_path: Path, how: str) -> None:
    spool = open_spool(tmp_path)
    spool.append([new()])
    spool.delete_through(spool.runs()[0].run, 1)
    if how == "cut":
        spool.cut()
    else:
        spool.close()
        spool = open_spool(tmp_path)
    assert spool.runs() == []
    spool.close()


def test_over_budget_the_oldest_samples_become_one_gap_row_with_their_numbers(tmp_path: Path) -> None:
    with open_spool(tmp_path, 4 * ROW + GAP) as spool:
        for i in range(7):
            spool.append([new(at_ms=T0 + 10 * i)])
        run = spool.runs()[0].run
        rows = rows_of(spool, run)
        assert spans(rows) == [(1, 3, True), (4, 4, False), (5, 5, False), (6, 6, False), (7, 7, False)]
        gap = rows[0]
        assert (gap.samples, gap.first_ms, gap.last_ms, gap.reason) == (9, T0, T0 + 21, "spool budget")
        assert (spool.runs()[0].base, spool.held_rows) == (1, 4)


def test_events_are_dropped_only_when_no_samples_are_left(tmp_path: Path) -> None:
    with open_spool(tmp_path, 3 * ROW + 2 * GAP) as spool:
        spool.append([new(Stream.EVENTS)] * 2 + [new()] * 3)
        events, samples = (held.run for held in spool.runs())
        assert spans(rows_of(spool, samples)) == [(1, 2, True), (3, 3, False)]
        spool.append([new(Stream.EVENTS)] * 2)
        assert spans(rows_of(spool, samples)) == [(1, 3, True)]
        assert spans(rows_of(spool, events)) == [(1, 1, True), (2, 2, False), (3, 3, False), (4, 4, False)]


def test_the_budget_counts_older_runs_first(tmp_path: Path) -> None:
    with open_spool(tmp_path, 2 * ROW + GAP) as spool:
        spool.append([new()] * 2)
        spool.cut()
        spool.append([new()])
        older, newer = (held.run for held in spool.runs())
        assert spans(rows_of(spool, older)) == [(1, 1, True), (2, 2, False)]
        assert spans(rows_of(spool, newer)) == [(1, 1, False)]


def test_many_rows_over_budget_at_once_leave_one_gap_row(tmp_path: Path) -> None:
    with open_spool(tmp_path, 10 * ROW + GAP) as spool:
        spool.append([new()] * 1500)
        rows = rows_of(spool, spool.runs()[0].run)
        assert spans(rows)[:2] == [(1, 1490, True), (1491, 1491, False)]
        assert spool.held_bytes == 10 * ROW + GAP


def test_a_commit_inside_a_gap_row_leaves_it_whole(tmp_path: Path) -> None:
    with open_spool(tmp_path, ROW + GAP) as spool:
        spool.append([new()] * 5)
        run = spool.runs()[0].run
        spool.delete_through(run, 2)
        assert spans(rows_of(spool, run)) == [(1, 4, True), (5, 5, False)]
        spool.delete_through(run, 4)
        assert spans(rows_of(spool, run)) == [(5, 5, False)]


def test_the_account_balances_at_every_step_and_survives_a_restart(tmp_path: Path) -> None:
    def balanced(account: Account) -> bool:
        lost = sum(account.lost.values())
        return (
            account.read == account.kept + account.filtered + account.rejected
            and account.kept == account.committed + account.pending + lost
        )

    with open_spool(tmp_path, 3 * ROW + GAP) as spool:
        spool.append([new()] * 2, AccountDelta(read=10, kept=6, filtered=3, rejected=1))
        assert balanced(spool.view().account)
        spool.append([new()] * 2, AccountDelta(read=8, kept=8, lost={"disk full": 2}))
        assert balanced(spool.view().account)
        spool.delete_through(spool.runs()[0].run, 3)
        assert balanced(spool.view().account)
    with open_spool(tmp_path) as spool:
        assert spool.view().account == Account(18, 14, 3, 1, 6, 3, {"disk full": 2, "spool budget": 3})


def test_bd_seq_starts_at_zero_rises_over_restarts_and_wraps_at_256(tmp_path: Path) -> None:
    with open_spool(tmp_path) as spool:
        assert [spool.next_bd_seq() for _ in range(200)] == list(range(200))
    with open_spool(tmp_path) as spool:
        assert [spool.next_bd_seq() for _ in range(57)] == [*range(200, 256), 0]


def test_a_second_process_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    with open_spool(tmp_path), pytest.raises(UnavailableError, match="another gateway process"):
        open_spool(tmp_path)
    open_spool(tmp_path).close()


def test_a_spool_can_be_looked_at_while_it_is_used_and_when_it_is_not(tmp_path: Path) -> None:
    with open_spool(tmp_path) as spool:
        spool.append([new()] * 3, AccountDelta(read=9, kept=9))
        with Spool.open_read_only(tmp_path / "spool.db") as view:
            assert (view.held_rows, view.oldest_ms, view.account.pending) == (3, spool.oldest_ms, 9)
    with Spool.open_read_only(tmp_path / "spool.db") as view:
        assert view.held_rows == 3


def test_looking_at_no_spool_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="makes it at its first start"):
        Spool.open_read_only(tmp_path / "none.db")


def test_what_a_device_was_is_remembered_over_a_restart(tmp_path: Path) -> None:
    metrics = (
        MetricDescription("air_temperature", DataType.FLOAT, "Cel", -40.0, 60.0),
        MetricDescription("a", DataType.INT8),
    )
    first = DeviceDescription("room", "cold_room", "freezer-1", metrics, {"product": "vaccines"})
    with open_spool(tmp_path) as spool:
        assert spool.remembered("room") is None
        spool.remember(replace(first, zone="elsewhere"))
        spool.remember(first)
    with open_spool(tmp_path) as spool:
        assert spool.remembered("room") == first


def test_a_listener_hears_of_each_append(spool: Spool) -> None:
    heard: list[int] = []
    spool.listen(lambda: heard.append(spool.held_rows))
    spool.append([new()])
    spool.append([new()])
    assert heard == [1, 2]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="folder is not writable"):
        open_spool(tmp_path / "absent")


def test_a_file_of_a_newer_frostline_is_left_alone(tmp_path: Path) -> None:
    open_spool(tmp_path).close()
    with sqlite3.connect(tmp_path / "spool.db") as connection:
        connection.execute("PRAGMA user_version = 4")
    connection.close()
    with pytest.raises(ConfigError, match="newer Frostline"):
        open_spool(tmp_path)


def test_a_loss_notice_is_an_events_row_of_the_node_with_reason_count_and_span() -> None:
    row = loss_notice(Lost("disk full", 12, T0, T0 + 5))
    assert (row.stream, row.device, row.samples, row.first_ms, row.last_ms) == (Stream.EVENTS, "", 0, T0, T0 + 5)
    assert row.payload == gap_payload(Lost("disk full", 12, T0, T0 + 5))
    assert b'{"reason":"disk full","samples":12,"from_ms":1700000000000,"to_ms":1700000000005}' in row.payload
