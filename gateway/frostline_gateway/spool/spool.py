"""The spool: the gateway's disk queue, the only copy of a sample until the cloud has committed it.

Invariants, whatever dies and whenever:
1. What `append` returned from is on the disk: one SQLite transaction, WAL, synchronous FULL.
2. A row's identity (run, n) is given once, in that transaction, and never changes. A run is opened by the first row
   after a process start or a cut, numbered 1, 2, 3 ... without holes, and never resumed by another process.
3. A row leaves only by `delete_through`, which a commit of the host asks for, or into a gap row, which keeps its
   numbers, its count of samples and its span of time. Gap rows leave only by `delete_through`. What is committed may
   stay in the ring (`ring`), below the base of its run, where the protocol does not see it.
4. The account moves in the transaction that moves the rows: kept = committed + pending + lost.
5. Rows and ring weigh no more than the budget (`budget`), unless nothing but gap rows is left; then each run has
   one, of 128 bytes.

Format: one SQLite file (tables in `file`). `spool`: id (8 random bytes, made with the file) and the last bdSeq.
`run`: the runs held, in order of opening, with totals of their rows. `row`: the rows; `reason` is "" for data.
`ring` and `refetch`: see `ring`.
`device`: what each device was when it last changed. `account` and `lost`: samples per UTC day. Beside the file lie
`-wal`, `-shm`, `.lock` (one writing process at a time), `.reserve` (4 MiB that are given up when the disk is full, so
that there is room to delete in), and `.corrupt-<UTC>`: damaged spools that were set aside.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from frostline_core.commit import RUNS_MAX, HeldRun, Row
from frostline_core.commit.wire import NUMBER_MAX
from frostline_core.errors import UnavailableError
from frostline_core.reading import DeviceDescription, Stream
from frostline_gateway.spool import account as accounts
from frostline_gateway.spool import budget, devices, disk, file, ring, waiting
from frostline_gateway.spool import draft as drafts
from frostline_gateway.spool.rows import Account, AccountDelta, Lost, NewRow, loss_notice

_VACUUM_EVERY = 64
_FREE_PAGES = (16 << 20) // file.PAGE_BYTES
"""They stay in the file for reuse: moving pages wears flash more than it gains."""
_EXPIRE_EVERY = 256
"""Appends between two looks at what is too old for the ring."""
_OPEN_MOST, _OPEN_COST = 256 * 1024, 4096
"""Bytes of rows that one transaction which is left open may free, and what each change counts at least."""
_OPEN_S = 5.0
_STEPS_MOST = 10
_RUNS_LEFT = 8
"""Nothing is taken out of the ring while the birth could list so few runs more."""
_RING_STEPS, _RING_STEP_BYTES = 32, 1 << 20
"""What the ring gives up before one append on a full disk: the log then needs no more than the reserve."""
_NOTHING = AccountDelta()
_SELECT = "SELECT n, first, device, payload, samples, first_ms, last_ms, reason FROM row"


class Spool:
    """The rows of one gateway. Every method may be called from any thread; every change is durable when it returns."""

    def __init__(
        self, path: Path, connection: sqlite3.Connection, budget_bytes: int, clock: Callable[[], int], keep_ms: int = 0
    ) -> None:
        """Use `open` or `open_read_only`."""
        self.path = path
        self._connection = connection
        self.budget_bytes, self._clock, self._keep_ms = budget_bytes, clock, keep_ms
        self._waits = False  # rows may wait for the time of day
        self._asked = False  # spans may wait to be sent again
        self._appends = 0
        self._mutex = threading.Lock()
        self._lock: int | None = None
        self._listener: Callable[[], None] | None = None
        self._current: dict[Stream, int] = {}
        self._runs: dict[int, drafts.StoredRun] = {}
        self._spool_id = 0
        self._stale = False  # memory is not what the file says
        self._deletes = 0
        self._timer: threading.Timer | None = None
        self._left_open = 0  # bytes that the transaction which was left open has freed, about

    @classmethod
    def open(cls, path: Path, budget_bytes: int, clock: Callable[[], int], keep_ms: int = 0) -> Self:
        """Opens the spool, making it if need be. A damaged file is set aside, and the new one tells the host so.

        Args:
            path: The file; its folder exists.
            budget_bytes: Most that rows may weigh, the ring included; `budget` says what goes at the bound.
            clock: Time of day, UTC milliseconds.
            keep_ms: How long committed rows stay in the ring, from when they were appended; 0: they do not.

        Raises:
            UnavailableError: Another process has it, or the disk does not let us; the message says what to do.
            ConfigError: A newer Frostline wrote it.
        """
        descriptor = disk.lock(path)
        try:
            spool = cls._open_sound(path, budget_bytes, clock, keep_ms)
        except BaseException:
            os.close(descriptor)
            raise
        spool._lock = descriptor
        return spool

    @classmethod
    def open_read_only(cls, path: Path) -> Self:
        """Opens an existing spool to look at it as it is now; nothing can be changed.

        Raises:
            UnavailableError: It does not exist, or cannot be read.
        """
        spool = cls(path, file.connect_read_only(path), 0, lambda: 0)
        with spool._mutex, spool._translated():
            spool._load()
        return spool

    @classmethod
    def _open_sound(cls, path: Path, budget_bytes: int, clock: Callable[[], int], keep_ms: int) -> Self:
        try:
            return cls._open_file(path, budget_bytes, clock, keep_ms)
        except file.Corrupt as corrupt:
            name = disk.quarantine(path, clock())
            spool = cls._open_file(path, budget_bytes, clock, keep_ms)
            spool.append([_set_aside(str(corrupt), name, clock())])
            return spool

    @classmethod
    def _open_file(cls, path: Path, budget_bytes: int, clock: Callable[[], int], keep_ms: int) -> Self:
        spool = cls(path, file.connect(path, secrets.token_bytes(8)), budget_bytes, clock, keep_ms)
        try:
            spool._load()
            for run in [run for run in spool._runs.values() if run.held.empty]:  # were current in a process that ended
                spool._connection.execute("DELETE FROM run WHERE seq = ?", (run.seq,))
                del spool._runs[run.held.run]
        except sqlite3.Error as error:
            spool._connection.close()
            raise file.translated(path, error) from error
        return spool

    def close(self) -> None:
        """Closes the file and gives up the lock; closing twice is harmless."""
        with self._mutex:
            self._no_timer()
            with suppress(sqlite3.Error):
                self._close_transaction()
            self._connection.close()
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def listen(self, listener: Callable[[], None]) -> None:
        """Calls that after each append, in the appending thread; it must return at once."""
        self._listener = listener

    # ---- writing
    def append(self, rows: Sequence[NewRow], delta: AccountDelta = _NOTHING) -> None:
        """Numbers the rows, puts them on the disk and keeps the budget, in one transaction.

        Raises:
            UnavailableError: Nothing was kept; the message says what to do. The caller counts the rows as lost.
        """
        if not disk.has_reserve(self.path) and not self._give_up_ring():
            raise UnavailableError(f"spool {self.path}: {disk.DISK_FULL}")
        with self._change() as draft:
            for stream in Stream:
                draft.append(stream, [row for row in rows if row.stream is stream and not row.boot])
            accounts.add(self._connection, self._clock(), delta)
            self._wait([row for row in rows if row.boot])
            self._send_again(draft)
            for reason, samples in budget.keep(self._connection, draft, self.budget_bytes, self._clock()).items():
                accounts.lose(self._connection, self._clock(), reason, samples)
            self._appends += 1
            if self._appends % _EXPIRE_EVERY == 1:
                ring.expire(self._connection, self._clock() - self._keep_ms)
        if self._listener is not None:
            self._listener()

    def release(self, boot: str, difference_ms: int) -> None:
        """The time of day is known: rows that waited for it are numbered, with true stamps; lost ones are told.

        Rows of another start of the machine can no longer be dated: they are lost. At most 500 rows a transaction.

        Args:
            boot: The present start of the machine.
            difference_ms: What makes its stamps times of day.

        Raises:
            UnavailableError: The disk does not let us; what is left goes on waiting.
        """
        more = self._waits
        while more:
            with self._change() as draft:
                now_ms = self._clock()
                undated, dropped = waiting.forget_others(self._connection, boot)
                accounts.lose(self._connection, now_ms, waiting.NEVER_SET, undated)
                told = ((waiting.NEVER_SET, undated), (waiting.OVER_BOUND, dropped))
                lost = [loss_notice(Lost(reason, count, None, now_ms)) for reason, count in told if count]
                rows = waiting.take(self._connection, boot, difference_ms)
                for stream in Stream:
                    draft.append(stream, [row for row in (*lost, *rows) if row.stream is stream])
                more = bool(rows)
        self._waits = False

    def next_bd_seq(self) -> int:
        """The bdSeq of the next CONNECT: first 0, then one more each time, 0 after 255; durable before it is used.

        Source: Sparkplug 3.0, message-flow-edge-node-birth-publish-will-message-payload-bdSeq.

        Raises:
            UnavailableError: The disk does not let us.
        """
        with self._change():
            statement = "UPDATE spool SET bd_seq = coalesce((bd_seq + 1) % 256, 0) RETURNING bd_seq"
            ((bd_seq,),) = self._connection.execute(statement).fetchall()
        return int(bd_seq)

    def remember(self, description: DeviceDescription) -> None:
        """Keeps what a device is, for births of rows that outlive it; what is already known is not written again.

        Raises:
            UnavailableError: The disk does not let us.
        """
        if self.remembered(description.id) == description:
            return
        with self._change():
            devices.write(self._connection, description, self._clock())

    def delete_through(self, run: int, n: int) -> None:
        """Takes the rows of a run whose number is n or less out of the queue: the host has them, or lists them as lost.

        Durable with the next append, or after 5 s: after a power cut they are sent and answered again.

        Raises:
            UnavailableError: Nothing changed.
        """
        later = not self._asked and disk.has_reserve(self.path)
        with self._change(later=later) as draft:
            if run not in draft.runs:
                return
            committed = draft.delete_through(run, n, keep=self._keep_ms > 0)
            accounts.add(self._connection, self._clock(), committed=committed)
            self._send_again(draft)
        self._give_back_pages()

    def refetch(self, span: ring.Refetch) -> bool:
        """Sends what the ring holds of a span of time again; False when too many spans wait already.

        Rows go a few thousand at a time, each lot in a run of its own in the backlog lane, the next when the cloud has
        that one. A restart goes on where it was.

        Raises:
            UnavailableError: The disk does not let us.
        """
        with self._change() as draft:
            taken = ring.ask(self._connection, span)
            self._asked = True
            self._send_again(draft)
        if self._listener is not None:
            self._listener()
        return taken

    def cut(self) -> None:
        """Makes the next samples row open a new run; rows keep their identity.

        Raises:
            UnavailableError: The disk does not let us; nothing was cut.
        """
        with self._change() as draft:
            draft.cut()

    # ---- reading
    @property
    def spool_id(self) -> int:
        """Made with the file, unsigned 64 bits; another one after a damaged file was set aside."""
        return self._spool_id

    def runs(self) -> Sequence[HeldRun]:
        """Every run held, oldest first; an empty one only while it is current."""
        with self._mutex:
            return [run.held for run in self._runs.values()]

    def current(self, stream: Stream) -> int | None:
        """The run that the next row of this stream goes to; None if that row will open one."""
        return self._current.get(stream)

    def next_row(self, run: int, n: int) -> Row | None:
        """The lowest row of the run whose number is n or more.

        Raises:
            UnavailableError: The disk does not let us.
        """
        with self._mutex, self._translated():
            found = self._runs.get(run)
            if found is None:
                return None
            statement = f"{_SELECT} WHERE run = ? AND n >= ? ORDER BY n LIMIT 1"
            row = self._connection.execute(statement, (found.seq, min(max(n, found.held.base), NUMBER_MAX))).fetchone()
            return None if row is None else Row(run, *row)

    def remembered(self, device: str) -> DeviceDescription | None:
        """What the device was when it last changed; None if nobody ever told.

        Raises:
            UnavailableError: The disk does not let us.
        """
        with self._mutex, self._translated():
            return devices.read(self._connection, device)

    def account(self) -> Account:
        """What became of every reading since the spool was made.

        Raises:
            UnavailableError: The disk does not let us.
        """
        with self._mutex, self._translated():
            pending = sum(run.samples for run in self._runs.values()) + waiting.samples(self._connection)
            return accounts.read(self._connection, pending)

    @property
    def held_rows(self) -> int:
        """Data rows held."""
        with self._mutex:
            return sum(run.data_rows for run in self._runs.values())

    def waiting_samples(self) -> int:
        """Samples that wait for the time of day; part of what is pending.

        Raises:
            UnavailableError: The disk does not let us.
        """
        with self._mutex, self._translated():
            return waiting.samples(self._connection)

    def ring_bytes(self) -> int:
        """What the rows weigh that the cloud has and that can be sent again.

        Raises:
            UnavailableError: The disk does not let us.
        """
        with self._mutex, self._translated():
            return ring.weight(self._connection)

    @property
    def held_bytes(self) -> int:
        """What the rows weigh, as the budget counts; without the ring."""
        with self._mutex:
            return self._weight(self._runs)

    @property
    def oldest_ms(self) -> int | None:
        """When the oldest row was appended, UTC milliseconds; None when the spool is empty."""
        with self._mutex:
            return min((run.held.oldest_ms for run in self._runs.values() if not run.held.empty), default=None)

    # ---- the transaction
    @contextmanager
    def _change(self, *, later: bool = False) -> Iterator[drafts.Draft]:
        """One transaction: what it drafts is in memory exactly when it is durable, or in the transaction left open.

        Args:
            later: Leave it open for the next change, for 5 s and while little is in it: what is committed at the host
                may come back after a power cut, and is then sent and answered again; that costs less than pages.
        """
        with self._mutex, self._translated():
            if self._stale:
                self._load()
            if not self._connection.in_transaction:
                self._connection.execute("BEGIN IMMEDIATE")
            try:
                draft = drafts.Draft(self._connection, self._runs, self._current, self._spool_id, self._clock())
                yield draft
                draft.finish()
                self._left_open += _OPEN_COST + self._weight(self._runs) - self._weight(draft.runs)
                if not later or self._left_open > _OPEN_MOST:
                    self._left_open = 0
                    self._connection.execute("COMMIT")
                    self._no_timer()
                elif self._timer is None:
                    self._settle_in(_OPEN_S)
            except BaseException:
                self._undo()
                raise
            self._runs, self._current = draft.runs, draft.current

    @staticmethod
    def _weight(runs: Mapping[int, drafts.StoredRun]) -> int:
        return sum(run.bytes for run in runs.values())

    def _undo(self) -> None:
        """Takes back the transaction that is open, and what changes before had left in it."""
        with suppress(sqlite3.Error):
            self._connection.execute("ROLLBACK")
        if self._left_open:
            self._left_open, self._stale = 0, True
            with suppress(sqlite3.Error):
                self._load()

    def _settle_in(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._settle)
        self._timer.name, self._timer.daemon = "spool-settle", True
        self._timer.start()

    def _no_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _settle(self) -> None:
        """Makes durable what no append came for; a disk that does not let us says so again at the next append."""
        with suppress(UnavailableError), self._mutex, self._translated():
            self._timer = None
            if not self._left_open:
                return
            try:
                self._close_transaction()
            except sqlite3.Error:
                self._undo()
                raise

    def _close_transaction(self) -> None:
        """Makes durable what was left open."""
        if self._left_open:
            self._left_open = 0
            self._connection.execute("COMMIT")

    def _load(self) -> None:
        ((raw_id,),) = self._connection.execute("SELECT id FROM spool").fetchall()
        self._spool_id = int.from_bytes(raw_id)
        self._runs = drafts.load(self._connection)
        self._asked = ring.waiting(self._connection) > 0
        self._waits = waiting.any_rows(self._connection)
        self._stale = False

    def _wait(self, rows: Sequence[NewRow]) -> None:
        """Keeps rows that have no time of day yet, within a quarter of the budget."""
        if rows:
            self._waits = True
            dropped = waiting.put(self._connection, rows, self.budget_bytes // 4)
            accounts.lose(self._connection, self._clock(), waiting.OVER_BOUND, dropped)

    def _send_again(self, draft: drafts.Draft) -> None:
        """Takes the next lot out of the ring, once the cloud has the one before."""
        runs = draft.runs.values()
        if not self._asked or len(runs) > RUNS_MAX - _RUNS_LEFT or any(each.again_ms for each in runs):
            return
        for _ in range(_STEPS_MOST):
            found = ring.find(self._connection)
            if found is None:
                self._asked = False
                return
            if found.rows:
                samples = draft.open_again(found)
                accounts.add(self._connection, self._clock(), AccountDelta(read=samples, kept=samples))
                return

    def _give_up_ring(self) -> bool:
        """On a full disk the ring goes, a little at a time, until there is room to delete in again."""
        for _ in range(_RING_STEPS):
            with self._change():
                if not ring.trim(self._connection, _RING_STEP_BYTES):
                    return False
            self._give_back_pages()
            if disk.has_reserve(self.path):
                return True
        return False

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            self._stale = True
            meant = file.translated(self.path, error)
            if isinstance(meant, file.Corrupt):
                meant = self._start_anew(meant)
            elif file.is_full(error):
                disk.give_up_reserve(self.path)
                with suppress(sqlite3.Error):  # from now on the log is written over and takes no more room
                    self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            raise meant from error

    def _start_anew(self, corrupt: file.Corrupt) -> UnavailableError:
        """Sets a file aside that turned out to be damaged while in use; the call that noticed still fails."""
        if self._lock is None:
            return UnavailableError(f"spool {self.path}: is damaged ({corrupt})")
        with suppress(sqlite3.Error):
            self._connection.close()
        name = disk.quarantine(self.path, self._clock())
        try:
            self._connection = file.connect(self.path, secrets.token_bytes(8))
        except file.Corrupt as again:
            return UnavailableError(f"spool {self.path}: the disk damages new files as well ({again})")
        self._current = {}
        self._load()
        self._connection.execute("BEGIN IMMEDIATE")
        draft = drafts.Draft(self._connection, self._runs, {}, self._spool_id, self._clock())
        draft.append(Stream.EVENTS, [_set_aside(str(corrupt), name, self._clock())])
        draft.finish()
        self._connection.execute("COMMIT")
        self._runs, self._current = draft.runs, draft.current
        return UnavailableError(f"spool {self.path}: was damaged ({corrupt}); set aside as {name}, a new one is in use")

    def _give_back_pages(self) -> None:
        """Shrinks a file that has much free room, now and then; on a full disk always, and to the last page."""
        self._deletes += 1
        reserve = disk.has_reserve(self.path)
        if reserve and self._deletes % _VACUUM_EVERY:
            return
        with self._mutex, self._translated():
            self._close_transaction()
            ((free,),) = self._connection.execute("PRAGMA freelist_count").fetchall()
            if free > _FREE_PAGES or not reserve:
                keep = _FREE_PAGES if reserve else 0
                # a script, because `execute` steps once, and each step moves one page
                self._connection.executescript(f"PRAGMA incremental_vacuum({free - keep})")
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _set_aside(fault: str, name: str, now_ms: int) -> NewRow:
    reason = f"the spool file was damaged ({fault}) and set aside as {name}; what it held is not known"
    return loss_notice(Lost(reason, None, None, now_ms))
