"""The tables of the spool, and how a change of them becomes durable.

A change is done in an SQLite transaction that stays open for many changes; it is durable when its statements are in the
redo file (`redo`). Now and then, when much is dirty, the transaction is committed: then the tables have everything, and
the redo file begins anew. So a row that was appended and committed by the cloud in the meantime is never written as a
row at all: what is kept of it goes into a lot of the ring, compressed. A process that starts finds the tables as they
were at the last commit and does again what the redo file says.

Where there is no room for a record, or no redo file, the transaction is committed with each change: slower, as safe.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from frostline_core.errors import UnavailableError
from frostline_gateway.spool import file, lots, redo
from frostline_gateway.spool.statements import Recorded, Statement, compressed, expanded, pack, unpack

DIRTY_MOST = 2 << 20
"""Bytes of rows that are written or freed between two commits, about: bounds memory, log, and the time of a start."""
LATER_MOST = 256 * 1024
"""The same for changes that wait for the next one to become durable."""
_ROW_COST, _STATEMENT_COST = 128, 512
_FREE_KEPT, _FREE_STEP = 64, 512
"""Pages that stay in the file for reuse; pages more that a commit gives back than it has added."""

Totals = Callable[[], Mapping[str, Any]]
"""What a reader is told who does not do the changes again; asked within the change."""


class Tables:
    """Not for several threads at once. Raises sqlite3.Error; `file.translated` says what it means.

    Args:
        path: The file.

    Raises:
        Corrupt: It is no spool, or damaged.
        ConfigError: A newer Frostline wrote it.
        UnavailableError: It cannot be opened or written; the message says what to do.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.connection = file.connect(path, secrets.token_bytes(8))
        self._redo: redo.Redo | None = None
        self._number: int | None = None  # of the last change that is durable; None: not known yet
        self._behind = True  # the connection is not where the last durable change left it
        self._later: list[Statement] = []
        self._later_cost = self._dirty = self._pages = 0
        self._failed = False  # a commit failed: nobody knows what of it is on the disk, until the next one succeeds
        self.damaged = False

    @property
    def waits(self) -> bool:
        """Whether a change waits for the next one to become durable."""
        return bool(self._later)

    def close(self) -> None:
        """Writes the tables if the disk lets us, and closes; closing twice is harmless."""
        with suppress(sqlite3.Error):
            self.commit()
        self.abandon()

    def abandon(self) -> None:
        """Closes as a kill would: the redo file has what the tables do not."""
        self.connection.close()
        if self._redo is not None:
            self._redo.close()

    def catch_up(self) -> bool:
        """Does again what the redo file says and the connection does not have; whether there was something to do.

        Raises:
            UnavailableError: The redo file cannot be read.
        """
        if not self._behind:
            return False
        self._roll_back()
        self._pages = self._count("page_count")
        ((raw_id, written),) = self.connection.execute("SELECT id, change FROM spool").fetchall()
        salt = int.from_bytes(raw_id)
        try:
            found = redo.read(self._path, salt, written, redo.NUMBER_MOST if self._number is None else self._number)
        except OSError as error:
            raise UnavailableError(f"spool {self._path}: its redo file cannot be read: {error.strerror}") from error
        self._begin()
        done = 0
        for body in found.bodies:
            if not self._again(body):
                break
            done += 1
        if self._number is None:
            self.damaged = found.damaged or done < len(found.bodies)
        self._number = written + done
        if self._redo is None:
            self._redo = redo.Redo(self._path, salt, found.ends[done])
        self._redo.resume(found.ends[done])
        self._behind = False
        return True

    def _again(self, body: bytes) -> bool:
        """Does a record again; False where it does not fit to the tables: then it is damaged, and what follows it."""
        self.connection.execute("SAVEPOINT change")
        before = self.connection.total_changes
        try:
            packed = expanded(body)
            _, statements = unpack(packed)
            for statement in statements:
                statement.do(self.connection)
        except (sqlite3.IntegrityError, ValueError, LookupError, TypeError):
            self.connection.execute("ROLLBACK TO change")
            return False
        finally:
            self.connection.execute("RELEASE change")
        self._dirty += len(packed) + self._touched(before)
        return True

    @contextmanager
    def change(self, totals: Totals, *, later: bool = False) -> Iterator[Recorded]:
        """One change: wholly done and durable when this returns, or not done at all.

        Args:
            totals: For readers.
            later: It may become durable with a change that comes after it.

        Raises:
            UnavailableError: From `catch_up`.
        """
        self.catch_up()
        self._begin()
        self.connection.execute("SAVEPOINT change")
        recorded, before = Recorded(self.connection), self.connection.total_changes
        try:
            yield recorded
            touched = self._touched(before) + _STATEMENT_COST * len(recorded.statements)
            self._keep(recorded.statements, touched, totals, later)
        except BaseException:
            self._undo()
            raise

    def settle(self, totals: Totals) -> None:
        """Makes durable what waits for the next change."""
        with self.change(totals):
            pass

    def commit(self) -> None:
        """Writes the tables."""
        if self._behind or not self.connection.in_transaction:
            return
        number = (self._number or 0) + 1  # one more: a record that was not acknowledged has the number after the last
        try:
            lots.pack_ring(self.connection)
            self._cut_off()
            self.connection.execute("UPDATE spool SET change = ?", (number,))
            self.connection.execute("COMMIT")
        except BaseException:
            self._behind = self._failed = True
            raise
        self._failed = False
        self._number, self._dirty, self._pages = number, 0, self._count("page_count")
        self._later, self._later_cost = [], 0
        if self._redo is not None:
            self._redo.restart()

    def give_back(self) -> None:
        """On a full disk: shrinks the file to the last page."""
        self.commit()
        # a script, because `execute` steps once, and each step moves one page
        self.connection.executescript("PRAGMA incremental_vacuum")
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def shorten_log(self) -> None:
        """After a failure on a full disk: from now on the log is written over and takes no more room."""
        self._roll_back()
        self._behind = True
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _cut_off(self) -> None:
        """Gives back pages before a commit: the log takes every page that was touched, those of deleted rows as well.

        What this transaction added goes at once; what older rows left goes a little at a time, since moving the pages
        behind it costs as much as it saves.
        """
        free = self._count("freelist_count") - _FREE_KEPT
        grown = max(0, self._count("page_count") - self._pages)
        for _ in range(min(free, grown + _FREE_STEP)):
            self.connection.execute("PRAGMA incremental_vacuum(1)")

    def _count(self, pragma: str) -> int:
        ((count,),) = self.connection.execute(f"PRAGMA {pragma}").fetchall()
        return int(count)

    def _keep(self, statements: Sequence[Statement], touched: int, totals: Totals, later: bool) -> None:
        """Makes a change durable, or lets it wait.

        Args:
            statements: What it did.
            touched: Bytes of the rows that it touched, about.
            totals: For readers.
            later: Whether it may wait.
        """
        everything = [*self._later, *statements]
        if later and self._later_cost + touched <= LATER_MOST:
            self._later, self._later_cost = everything, self._later_cost + touched
        elif everything:
            packed = pack(totals(), everything)
            touched += len(packed)
            if self._failed or self._dirty + touched > DIRTY_MOST or not self._record(packed):
                self._behind = True  # from here on it is all or nothing
                self.connection.execute("RELEASE change")  # pages of rows deleted under a savepoint would be written
                self._behind = False
                self.commit()
                return
            self._later, self._later_cost = [], 0
        self._dirty += touched
        self.connection.execute("RELEASE change")

    def _record(self, packed: bytes) -> bool:
        """Writes a record; False where only writing the tables helps."""
        number = (self._number or 0) + 1
        try:
            written = self._redo is not None and self._redo.append(number, compressed(packed))
        except OSError:  # a card that fails here may still take the tables; if not, that says so
            return False
        if written:
            self._number = number
        return written

    def _touched(self, before: int) -> int:
        """What the rows weigh that were changed since the connection had counted so many."""
        return _ROW_COST * (self.connection.total_changes - before)

    def _begin(self) -> None:
        if not self.connection.in_transaction:
            self.connection.execute("BEGIN IMMEDIATE")

    def _undo(self) -> None:
        """Takes back the change under way; where that is no longer possible, all since the last commit."""
        if self._behind:
            return
        try:
            self.connection.execute("ROLLBACK TO change")
            self.connection.execute("RELEASE change")
        except sqlite3.Error:
            self._behind = True

    def _roll_back(self) -> None:
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")
        self._later, self._later_cost, self._dirty = [], 0, 0
