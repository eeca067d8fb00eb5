"""The redo file and the tables behind it: what was acknowledged is there after a crash at any moment."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frostline_core.commit import Row
from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Stream
from frostline_gateway.spool import ROW_COST, AccountDelta, NewRow, Refetch, Spool, redo
from frostline_gateway.spool.statements import Statement, Value, compressed, expanded, pack, unpack

T0 = 1_700_000_000_000
DAY = 86_400_000
SALT = 0x0123456789ABCDEF


class Clock:
    def __init__(self) -> None:
        self.now_ms = T0

    def __call__(self) -> int:
        self.now_ms += 1_000
        return self.now_ms


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.db"


def new(clock: Clock, size: int = 60, stream: Stream = Stream.SAMPLES, boot: str = "") -> NewRow:
    at_ms = clock()
    return NewRow(stream, f"d{at_ms // 1_000 % 3}", _noise(at_ms, size), 2, at_ms, at_ms, boot=boot)


def _noise(seed: int, size: int) -> bytes:
    """Bytes that cannot be compressed."""
    return random.Random(seed).randbytes(size)  # noqa: S311  # no secret


def append(spool: Spool, clock: Clock, rows: int, size: int = 60) -> None:
    spool.append([new(clock, size) for _ in range(rows)], AccountDelta(read=2 * rows, kept=2 * rows))


def all_rows(spool: Spool) -> list[Row]:
    found: list[Row] = []
    for run in spool.runs():
        n = run.base
        while (row := spool.next_row(run.run, n)) is not None:
            found.append(row)
            n = row.n + 1
    return found


def open_spool(path: Path, clock: Clock, budget_bytes: int = 1 << 26, keep_ms: int = 30 * DAY) -> Spool:
    return Spool.open(path, budget_bytes, clock, keep_ms)


# ---- the file
bodies = st.lists(st.binary(min_size=1, max_size=10_000), max_size=12)


def written(path: Path, wanted: list[bytes], first: int = 1) -> redo.Redo:
    file = redo.Redo(path, SALT)
    for number, body in enumerate(wanted, first):
        assert file.append(number, body)
    return file


@settings(max_examples=25, deadline=None)
@given(bodies)
def test_records_come_back_in_order(wanted: list[bytes]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "spool.db"
        written(path, wanted).close()
        found = redo.read(path, SALT, 0)
        assert (found.bodies, found.damaged) == (wanted, False)
        assert redo.read(path, SALT, 0, through=2).bodies == wanted[:2]


def test_a_spool_does_not_take_the_records_of_another(path: Path) -> None:
    written(path, [b"a", b"b"]).close()
    assert redo.read(path, SALT + 1, 0).bodies == []
    assert not redo.read(path, SALT + 1, 0).damaged


def test_records_from_before_the_tables_were_written_are_old(path: Path) -> None:
    file = written(path, [b"1", b"2", b"3", b"4"])
    file.restart()
    assert redo.read(path, SALT, 4).bodies == []
    assert file.append(6, b"6")
    file.close()
    found = redo.read(path, SALT, 5)
    assert (found.bodies, found.damaged) == ([b"6"], False)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 3 * redo.BLOCK - 1), st.integers(1, 255))
def test_a_record_that_is_damaged_is_never_taken_for_sound(place: int, change: int) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "spool.db"
        wanted = [b"first", b"s" * 5_000]
        written(path, wanted).close()
        with redo.redo_path(path).open("r+b") as file:
            file.seek(place)
            byte = file.read(1)[0]
            file.seek(place)
            file.write(bytes([byte ^ change]))
        found = redo.read(path, SALT, 0)
        assert found.bodies == wanted[: len(found.bodies)]
        assert found.damaged == (not found.bodies)  # what follows a damaged record shows that it was one


def test_a_record_under_way_at_a_power_cut_is_the_end_and_no_damage(path: Path) -> None:
    written(path, [b"first", b"s" * 9_000]).close()
    with redo.redo_path(path).open("r+b") as file:
        file.seek(2 * redo.BLOCK)
        file.write(bytes(redo.BLOCK))
    found = redo.read(path, SALT, 0)
    assert (found.bodies, found.ends, found.damaged) == ([b"first"], [0, redo.BLOCK], False)


def test_a_full_file_takes_no_record_and_keeps_its_size(path: Path) -> None:
    file = redo.Redo(path, SALT)
    assert not file.append(1, bytes(redo.REDO_BYTES))
    records = 0
    while file.append(records + 1, b"x"):
        records += 1
    assert records == redo.REDO_BYTES // redo.BLOCK
    assert redo.redo_path(path).stat().st_size == redo.REDO_BYTES
    file.close()


values: st.SearchStrategy[Value] = st.one_of(
    st.none(), st.integers(-(2**63), 2**63 - 1), st.text(max_size=20), st.binary(max_size=40)
)
statements = st.lists(st.tuples(st.text(max_size=30), st.lists(st.lists(values, max_size=5), max_size=4)), max_size=5)


@given(statements)
def test_statements_come_back_with_their_values(wanted: list[tuple[str, list[list[Value]]]]) -> None:
    totals, found = unpack(expanded(compressed(pack({"rows": 1}, [Statement(sql, rows) for sql, rows in wanted]))))
    assert totals == {"rows": 1}
    assert [(each.sql, each.rows) for each in found] == wanted


# ---- the spool behind it
def test_an_append_writes_one_block_and_no_table(path: Path) -> None:
    clock = Clock()
    with open_spool(path, clock) as spool:
        append(spool, clock, 1)
        before = {part.name: part.read_bytes() for part in path.parent.iterdir()}
        append(spool, clock, 20)
        after = {part.name: part.read_bytes() for part in path.parent.iterdir()}
    assert [name for name in before if before[name] != after[name]] == ["spool.db.redo"]
    old, now = before["spool.db.redo"], after["spool.db.redo"]
    blocks = range(0, len(old), redo.BLOCK)
    assert len([at for at in blocks if old[at : at + redo.BLOCK] != now[at : at + redo.BLOCK]]) == 1


def test_without_a_redo_file_each_change_is_written_into_the_tables(path: Path) -> None:
    clock = Clock()
    path.with_name("spool.db.redo.new").mkdir()  # so that it cannot be made
    spool = open_spool(path, clock)
    append(spool, clock, 3)
    spool.abandon()
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM row").fetchone() == (3,)
    connection.close()


def test_an_append_larger_than_the_redo_file_is_kept_all_the_same(path: Path) -> None:
    clock = Clock()
    spool = open_spool(path, clock)
    append(spool, clock, 12, 500_000)
    append(spool, clock, 1)
    spool.abandon()
    with open_spool(path, clock) as spool:
        assert spool.held_rows == 13


def test_a_redo_file_damaged_in_the_middle_is_told_and_what_was_before_is_kept(path: Path) -> None:
    clock = Clock()
    spool = open_spool(path, clock)
    for _ in range(6):
        append(spool, clock, 2)
    spool.abandon()
    with redo.redo_path(path).open("r+b") as file:
        file.seek(3 * redo.BLOCK + 100)
        file.write(b"damage")
    with open_spool(path, clock) as spool:
        assert spool.held_rows == 2 * 3 + 1
        notice = next(row for row in all_rows(spool) if row.device == "")
        assert b"cannot be read" in notice.payload
    assert [part.name for part in path.parent.glob("*.corrupt-*.redo")] != []


def test_a_disk_that_does_not_take_the_record_takes_the_tables_or_nothing(path: Path) -> None:
    clock = Clock()
    with open_spool(path, clock) as spool:
        append(spool, clock, 3)
        spool._state._tables._redo.close()  # type: ignore[union-attr]  # a card that fails under the file
        append(spool, clock, 3)
        assert spool.held_rows == 6


# ---- crashes
steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 30)),
        st.tuples(st.just("event"), st.integers(1, 5)),
        st.tuples(st.just("wait"), st.integers(1, 5)),
        st.tuples(st.just("release"), st.just(0)),
        st.tuples(st.just("commit"), st.integers(0, 40)),
        st.tuples(st.just("cut"), st.just(0)),
        st.tuples(st.just("refetch"), st.integers(0, 100)),
        st.tuples(st.just("remember"), st.integers(0, 3)),
        st.tuples(st.just("tables"), st.just(0)),
        st.tuples(st.just("crash"), st.just(0)),
        st.tuples(st.just("bd_seq"), st.just(0)),
    ),
    max_size=40,
)


def commit_some(spool: Spool, amount: int) -> None:
    if spool.runs():
        run = spool.runs()[amount % len(spool.runs())]
        spool.delete_through(run.run, run.base + amount - 1)


DO: Mapping[str, Callable[[Spool, Clock, int], object]] = {
    "append": append,
    "event": lambda spool, clock, amount: spool.append(
        [new(clock, 20, Stream.EVENTS)] * amount, AccountDelta(2 * amount, 2 * amount)
    ),
    "wait": lambda spool, clock, amount: spool.append(
        [new(clock, 0, boot="b")] * amount, AccountDelta(2 * amount, 2 * amount)
    ),
    "release": lambda spool, clock, amount: spool.release("b", 5),
    "commit": lambda spool, clock, amount: commit_some(spool, amount),
    "cut": lambda spool, clock, amount: spool.cut(),
    "refetch": lambda spool, clock, amount: spool.refetch(Refetch(T0, T0 + amount * 1_000)),
    "remember": lambda spool, clock, amount: spool.remember(
        DeviceDescription("d", f"kind-{amount}", "", (MetricDescription("m", DataType.FLOAT),))
    ),
    "bd_seq": lambda spool, clock, amount: spool.next_bd_seq(),
    "tables": lambda spool, clock, amount: spool._state._tables.commit(),
}


@settings(max_examples=120, deadline=None)
@given(steps, st.integers(20, 300), st.sampled_from([0, 30 * DAY]))
def test_a_crash_between_any_two_changes_loses_nothing_but_commits(
    steps: list[tuple[str, int]], budget_rows: int, keep_ms: int
) -> None:
    clock, budget = Clock(), budget_rows * (60 + ROW_COST)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "spool.db"
        spool = open_spool(path, clock, budget, keep_ms)
        for what, amount in steps:
            if what != "crash":
                DO[what](spool, clock, amount)
            else:
                spool.settle()  # else commits since the last append come back, as they may
                before = held(spool)
                spool.abandon()
                assert Spool.open_read_only(path).account == before[2]
                spool = open_spool(path, clock, budget, keep_ms)
                assert held(spool) == before
        spool.close()


def held(spool: Spool) -> tuple[object, ...]:
    runs = [(run.run, run.stream, run.base, run.last) for run in spool.runs() if not run.empty]
    view = spool.view()
    return runs, all_rows(spool), view.account, view.ring_bytes, view.waiting_samples, spool.remembered("d")


def test_a_crash_that_forgets_commits_sends_their_rows_again_under_the_same_numbers(path: Path) -> None:
    clock = Clock()
    spool = open_spool(path, clock)
    append(spool, clock, 5)
    before, run = all_rows(spool), spool.runs()[0]
    spool.delete_through(run.run, 4)
    spool.abandon()
    with open_spool(path, clock) as spool:
        assert all_rows(spool) == before
        assert spool.view().account.committed == 0


@pytest.mark.parametrize("seed", range(8))
def test_files_as_they_lie_at_any_moment_hold_all_that_was_acknowledged(tmp_path: Path, seed: int) -> None:
    """Copies are taken between the writes of an append: while its record, or the tables, are being written."""
    dice, clock, path = random.Random(seed), Clock(), tmp_path / "spool.db"  # noqa: S311  # no secret
    acknowledged = 0
    with open_spool(path, clock, keep_ms=seed % 2 * DAY) as spool:
        for step in range(60):
            append(spool, clock, dice.randrange(1, 60), dice.choice([20, 400, 3_000]))
            acknowledged = spool.runs()[0].last
            if dice.random() < 0.3:
                spool.delete_through(spool.runs()[0].run, dice.randrange(acknowledged))
            if dice.random() < 0.3:
                copy = tmp_path / f"copy-{step}"
                copy.mkdir()
                for name in ("spool.db", "spool.db-wal", "spool.db.redo"):
                    if (tmp_path / name).exists():
                        shutil.copy(tmp_path / name, copy / name)
                with open_spool(copy / "spool.db", clock) as found:
                    (run,) = [each for each in found.runs() if each.stream is Stream.SAMPLES]
                    assert run.last == acknowledged
                    numbers = [row.n for row in all_rows(found)]
                    assert numbers == list(range(run.base, run.last + 1))
                shutil.rmtree(copy)


def test_a_torn_end_of_the_redo_file_costs_only_what_nobody_was_told(path: Path) -> None:
    clock = Clock()
    spool = open_spool(path, clock)
    append(spool, clock, 4)
    append(spool, clock, 4, 3_000)
    spool.abandon()
    found = redo.read(path, spool.spool_id, 0)
    assert found.ends[-1] - found.ends[-2] > 2 * redo.BLOCK
    with redo.redo_path(path).open("r+b") as file:  # the second record's last block never came to the card
        file.seek(found.ends[-1] - redo.BLOCK)
        file.write(os.urandom(redo.BLOCK))
    with open_spool(path, clock) as spool:
        assert (spool.held_rows, spool.view().account.kept) == (4, 8)


def test_what_a_reader_sees_is_what_the_process_holds(path: Path) -> None:
    clock = Clock()
    with open_spool(path, clock) as spool:
        for _ in range(5):
            append(spool, clock, 300)
            run = spool.runs()[0]
            spool.delete_through(run.run, run.base + 100)
            append(spool, clock, 1)
            assert Spool.open_read_only(path) == spool.view()
