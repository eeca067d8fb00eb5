"""What the process knows of the tables, in memory, and the changes of both together."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from frostline_core.errors import UnavailableError
from frostline_core.reading import Stream
from frostline_gateway.spool import disk, file, ring, waiting
from frostline_gateway.spool import draft as drafts
from frostline_gateway.spool.redo import redo_path
from frostline_gateway.spool.rows import Lost, NewRow, loss_notice
from frostline_gateway.spool.tables import Tables
from frostline_gateway.spool.view import SpoolView


class State:
    """The runs held, and the tables that have their rows. For several threads; one process at a time.

    Args:
        path: The file; its folder exists.
        clock: Time of day, UTC milliseconds.
        settle_s: How long a change that may wait does so.

    Attributes:
        mutex: Held in `sound` and `change`.
        runs: By id, oldest first.
        current: Per stream, the run that this process opened.
        spool_id: Made with the file.
        waits: Whether rows may wait for the time of day.
        asked: Whether spans may wait to be sent again.

    Raises:
        UnavailableError: Another process has it, or the disk does not let us; the message says what to do.
        ConfigError: A newer Frostline wrote it.
    """

    def __init__(self, path: Path, clock: Callable[[], int], settle_s: float) -> None:
        self._path, self._clock, self._settle_s = path, clock, settle_s
        self.mutex = threading.Lock()
        self.runs: dict[int, drafts.StoredRun] = {}
        self.current: dict[Stream, int] = {}
        self.spool_id = 0
        self.waits = self.asked = False
        self._timer: threading.Timer | None = None
        self._lock: int | None = disk.lock(path)
        try:
            self._tables, self.notice = self._open()
        except BaseException:
            self._give_up_lock()
            raise

    def _open(self) -> tuple[Tables, NewRow | None]:
        """The tables, and what has to be told of damage."""
        try:
            tables = self._begin()
        except file.Corrupt as corrupt:
            name = disk.quarantine(self._path, self._clock())
            return self._begin(), self._set_aside(str(corrupt), name)
        if not tables.damaged:
            return tables, None
        name = disk.copy_aside(redo_path(self._path), self._path, self._clock())
        return tables, self._set_aside("its newest part cannot be read", name)

    def _begin(self) -> Tables:
        """Opens the tables and finds out what is held."""
        tables = Tables(self._path)
        try:
            tables.catch_up()
            self._load(tables.connection)
            with tables.change(lambda: self._totals(tables), later=True) as change:
                for run in [run for run in self.runs.values() if run.held.empty]:  # current in a process that ended
                    change.execute("DELETE FROM run WHERE seq = ?", (run.seq,))
                    del self.runs[run.held.run]
        except (sqlite3.Error, ValueError) as error:
            tables.abandon()
            raise file.translated(self._path, error) from error
        return tables

    def close(self) -> None:
        """Writes what is not written, closes the file and gives up the lock; closing twice is harmless."""
        with self.mutex:
            self._no_timer()
            self._tables.close()
            self._give_up_lock()

    def abandon(self) -> None:
        """Ends as a kill does: writes nothing more, and gives up the lock."""
        with self.mutex:
            self._no_timer()
            self._tables.abandon()
            self._give_up_lock()

    def _give_up_lock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @contextmanager
    def change(self, *, later: bool = False) -> Iterator[drafts.Draft]:
        """One change: what it drafts is in memory exactly when it is durable, or waits for the next one.

        Args:
            later: It may wait, for `settle_s` and while little waits: what the host has committed may come back after a
                power cut, and is then sent and answered again; that costs less than a block of the card each time.
        """
        with self.sound():
            draft: drafts.Draft | None = None

            def totals() -> Mapping[str, Any]:
                return self._totals(self._tables, draft)

            with self._tables.change(totals, later=later) as change:
                draft = drafts.Draft(change, self.runs, self.current, self.spool_id, self._clock())
                yield draft
                draft.finish()
            self.runs, self.current = draft.runs, draft.current
            if not self._tables.waits:
                self._no_timer()
            elif self._timer is None:
                self._settle_in(self._settle_s)

    def _totals(self, tables: Tables, draft: drafts.Draft | None = None) -> Mapping[str, Any]:
        """For whoever looks at the files meanwhile."""
        return SpoolView.of(tables.connection, self.runs if draft is None else draft.runs).document()

    @contextmanager
    def sound(self) -> Iterator[sqlite3.Connection]:
        """The connection, where the last durable change left it; errors become ours."""
        with self.mutex:
            try:
                if self._tables.catch_up():
                    self._load(self._tables.connection)
                yield self._tables.connection
            except sqlite3.Error as error:
                raise self._meant(error) from error

    def _settle_in(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._settle)
        self._timer.name, self._timer.daemon = "spool-settle", True
        self._timer.start()

    def _no_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _settle(self) -> None:
        """A disk that does not let us says so again at the next append."""
        with suppress(UnavailableError):
            self.settle()

    def settle(self) -> None:
        """Makes durable what waits for the next change.

        Raises:
            UnavailableError: The disk does not let us.
        """
        with self.sound():
            self._timer = None
            if self._lock is not None:
                self._tables.settle(lambda: self._totals(self._tables))

    def give_back(self) -> None:
        """On a full disk: gives what was deleted back to the file system.

        Raises:
            UnavailableError: The disk does not let us.
        """
        with self.sound():
            self._tables.give_back()

    def _load(self, connection: sqlite3.Connection) -> None:
        ((raw_id,),) = connection.execute("SELECT id FROM spool").fetchall()
        self.spool_id = int.from_bytes(raw_id)
        self.runs = drafts.load(connection)
        self.asked = ring.waiting(connection) > 0
        self.waits = waiting.any_rows(connection)

    def _meant(self, error: sqlite3.Error) -> Exception:
        """What an error means to the caller; on a full disk, or with a damaged file, does what can be done."""
        meant = file.translated(self._path, error)
        if isinstance(meant, file.Corrupt):
            return self._start_anew(meant)
        if file.is_full(error):
            disk.give_up_reserve(self._path)
            with suppress(sqlite3.Error):
                self._tables.shorten_log()
        return meant

    def _start_anew(self, corrupt: file.Corrupt) -> UnavailableError:
        """Sets a file aside that turned out to be damaged while in use; the call that noticed still fails."""
        self._tables.abandon()
        name = disk.quarantine(self._path, self._clock())
        try:
            self._tables = Tables(self._path)
            self._tables.catch_up()
        except file.Corrupt as again:
            return UnavailableError(f"spool {self._path}: the disk damages new files as well ({again})")
        self._load(self._tables.connection)
        with self._tables.change(lambda: self._totals(self._tables)) as change:
            draft = drafts.Draft(change, self.runs, {}, self.spool_id, self._clock())
            draft.append(Stream.EVENTS, [self._set_aside(str(corrupt), name)])
            draft.finish()
        self.runs, self.current = draft.runs, draft.current
        return UnavailableError(
            f"spool {self._path}: was damaged ({corrupt}); set aside as {name}, a new one is in use"
        )

    def _set_aside(self, fault: str, name: str) -> NewRow:
        reason = f"the spool file was damaged ({fault}) and set aside as {name}; what it held is not known"
        return loss_notice(Lost(reason, None, None, self._clock()))
