"""A spool that an older Frostline wrote is brought up to date with all that it holds."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from frostline_core.commit import Row
from frostline_core.errors import UnavailableError
from frostline_core.reading import Stream
from frostline_gateway.spool import ROW_COST, Account, AccountDelta, NewRow, Refetch, Spool

T0 = 1_700_000_000_000
DAY = 86_400_000
ID = bytes.fromhex("0102030405060708")
RUN = 0x0708_0000_0000_0001

_ONE = """
CREATE TABLE spool (id BLOB NOT NULL, bd_seq INTEGER) STRICT;
CREATE TABLE run (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE, stream INTEGER NOT NULL, last INTEGER NOT NULL,
    data_rows INTEGER NOT NULL, samples INTEGER NOT NULL, bytes INTEGER NOT NULL
) STRICT;
CREATE TABLE row (
    run INTEGER NOT NULL, n INTEGER NOT NULL, first INTEGER NOT NULL, device TEXT NOT NULL, payload BLOB NOT NULL,
    samples INTEGER NOT NULL, first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, reason TEXT NOT NULL,
    at_ms INTEGER NOT NULL, PRIMARY KEY (run, n)
) STRICT;
CREATE TABLE device (id TEXT PRIMARY KEY, description TEXT NOT NULL, at_ms INTEGER NOT NULL) STRICT;
CREATE TABLE account (
    day TEXT PRIMARY KEY, read INTEGER NOT NULL, kept INTEGER NOT NULL, filtered INTEGER NOT NULL,
    rejected INTEGER NOT NULL, committed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE lost (
    day TEXT NOT NULL, reason TEXT NOT NULL, samples INTEGER NOT NULL, PRIMARY KEY (day, reason)
) STRICT, WITHOUT ROWID;
PRAGMA user_version = 1;
"""
_TWO = """
ALTER TABLE run ADD COLUMN base INTEGER NOT NULL DEFAULT 1;
ALTER TABLE run ADD COLUMN minute INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN ten INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN again_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE row ADD COLUMN raw INTEGER NOT NULL DEFAULT 0;
CREATE INDEX raw_row ON row (run, n) WHERE raw = 1;
CREATE TABLE ring (
    run INTEGER PRIMARY KEY, through INTEGER NOT NULL, data_rows INTEGER NOT NULL, bytes INTEGER NOT NULL
) STRICT;
CREATE TABLE waiting (
    id INTEGER PRIMARY KEY AUTOINCREMENT, boot TEXT NOT NULL, stream INTEGER NOT NULL, device TEXT NOT NULL,
    payload BLOB NOT NULL, samples INTEGER NOT NULL, first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL,
    raw INTEGER NOT NULL
) STRICT;
CREATE TABLE refetch (
    id INTEGER PRIMARY KEY, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL, device TEXT, place INTEGER NOT NULL
) STRICT;
PRAGMA user_version = 2;
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.db"


def write(path: Path, script: str, statements: Sequence[tuple[str, tuple[object, ...]]]) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.executescript(f"PRAGMA auto_vacuum = INCREMENTAL; {script}")
        old.execute("INSERT INTO spool VALUES (?, 7)", (ID,))
        for statement, values in statements:
            old.execute(statement, values)


def held(spool: Spool) -> list[Row]:
    rows: list[Row] = []
    for run in spool.runs():
        n = run.base
        while (row := spool.next_row(run.run, n)) is not None:
            rows.append(row)
            n = row.n + 1
    return rows


def rows(first: int, last: int, columns: int) -> list[tuple[str, tuple[object, ...]]]:
    statement = f"INSERT INTO row VALUES ({', '.join('?' * columns)})"  # noqa: S608  # question marks
    return [
        (statement, (1, n, n, "room", b"x" * n, 2, T0 + n, T0 + n, "", T0 + n, 0)[:columns])
        for n in range(first, last + 1)
    ]


def test_the_first_format_keeps_its_rows_and_account(path: Path) -> None:
    run = ("INSERT INTO run VALUES (1, ?, 1, 5, 3, 6, 999)", (RUN.to_bytes(8),))
    account = ("INSERT INTO account VALUES ('2023-11-14', 12, 10, 2, 0, 4)", ())
    write(path, _ONE, [run, account, *rows(3, 5, 10)])
    with Spool.open(path, 1 << 24, lambda: T0 + 100) as spool:
        assert int.from_bytes(ID) == spool.spool_id
        assert [(each.run, each.base, each.last) for each in spool.runs()] == [(RUN, 3, 5)]
        assert [(row.n, len(row.payload)) for row in held(spool)] == [(3, 3), (4, 4), (5, 5)]
        assert spool.held_bytes == 3 + 4 + 5 + 3 * ROW_COST
        assert spool.view().account == Account(12, 10, 2, 0, 4, 6)
        assert spool.next_bd_seq() == 8


def test_the_second_format_keeps_its_ring_its_waiting_rows_and_what_was_asked_for(path: Path) -> None:
    run = ("INSERT INTO run VALUES (1, ?, 1, 5, 2, 4, ?, 4, 0, 0, 0)", (RUN.to_bytes(8), 9 + 2 * ROW_COST))
    ring = ("INSERT INTO ring VALUES (1, 3, 3, ?)", (6 + 3 * ROW_COST,))
    wait = ("INSERT INTO waiting VALUES (1, 'boot', 1, 'room', X'00', 3, 5, 5, 0)", ())
    asked = ("INSERT INTO refetch VALUES (1, ?, ?, NULL, 1)", (T0, T0 + 3))
    account = ("INSERT INTO account VALUES ('2023-11-14', 13, 13, 0, 0, 6)", ())
    write(path, _ONE + _TWO, [run, ring, wait, asked, account, *rows(1, 5, 11)])
    with Spool.open(path, 1 << 24, lambda: T0 + 100, 30 * DAY) as spool:
        assert [row.n for row in held(spool)] == [4, 5]
        assert (spool.view().ring_bytes, spool.view().waiting_samples) == (6 + 3 * ROW_COST, 3)
        assert spool.view().account == Account(13, 13, 0, 0, 6, 7)
        spool.append([NewRow(Stream.SAMPLES, "room", b"new", 1, T0, T0)], AccountDelta(1, 1))
        again = [row for row in held(spool) if row.run not in (RUN, spool.current(Stream.SAMPLES))]
        assert [row.payload for row in again] == [b"x", b"xx"]


def test_a_ring_of_the_second_format_can_be_asked_for(path: Path) -> None:
    run = ("INSERT INTO run VALUES (1, ?, 1, 5, 0, 0, 0, 6, 0, 0, 0)", (RUN.to_bytes(8),))
    ring = ("INSERT INTO ring VALUES (1, 5, 5, ?)", (15 + 5 * ROW_COST,))
    write(path, _ONE + _TWO, [run, ring, *rows(1, 5, 11)])
    with Spool.open(path, 1 << 24, lambda: T0 + 100, 30 * DAY) as spool:
        assert spool.refetch(Refetch(T0 + 2, T0 + 5))
        assert [row.payload for row in held(spool)] == [b"xx", b"xxx", b"xxxx"]


def test_an_older_format_can_be_looked_at_once_a_gateway_has_opened_it(path: Path) -> None:
    write(path, _ONE + _TWO, [])
    with pytest.raises(UnavailableError, match="brings it up to date when it starts"):
        Spool.open_read_only(path)
    Spool.open(path, 1 << 24, lambda: T0).close()
    assert Spool.open_read_only(path).held_rows == 0
