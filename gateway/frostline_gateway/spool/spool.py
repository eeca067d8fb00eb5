"""The spool: the gateway's disk queue, the only copy of a sample until the cloud has committed it.

Invariants, whatever dies and whenever:
1. What `append` returned from is on the disk: in the redo file, or in the tables (`tables`).
2. A row's identity (run, n) is given once, in that change, and never changes. A run is opened by the first row
   after a process start or a cut, numbered 1, 2, 3 ... without holes, and never resumed by another process.
3. A row leaves only by `delete_through`, which a commit of the host asks for, or into a gap row, which keeps its
   numbers, its count of samples and its span of time. Gap rows leave only by `delete_through`. What is committed may
   stay in the ring (`ring`), where the protocol does not see it.
4. The account moves in the change that moves the rows: kept = committed + pending + lost.
5. Rows and ring weigh no more than the budget (`budget`), unless nothing but gap rows is left; then each run has
   one, of 128 bytes and up to 300 more where it has several reasons.

Format: one SQLite file (tables in `file`). `spool`: id (8 random bytes, made with the file), the last bdSeq, the
number of the last change that the tables have. `run`: the runs held, in order of opening, with totals of their rows.
`row`: the rows; `reason` is "" for data. `ring`, `refetch`, `lot`: see `ring` and `lots`. `device`: what each device
was when it last changed. `account` and `lost`: samples per UTC day. Beside the file lie `.redo` (the changes since the
tables were written, 4 MiB), `-wal`, `-shm`, `.lock` (one writing process at a time), `.reserve` (4 MiB that are given
up when the disk is full, so that there is room to delete in), and `.corrupt-<UTC>`: damaged spools that were set aside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from frostline_core.commit import RUNS_MAX, HeldRun, Row
from frostline_core.commit.account import GatewayAccount
from frostline_core.commit.wire import NUMBER_MAX
from frostline_core.errors import UnavailableError
from frostline_core.reading import DeviceDescription, Stream
from frostline_gateway.spool import account as accounts
from frostline_gateway.spool import budget, devices, disk, ring, waiting
from frostline_gateway.spool import draft as drafts
from frostline_gateway.spool.rows import AccountDelta, Lost, NewRow, loss_notice
from frostline_gateway.spool.state import State
from frostline_gateway.spool.view import SpoolView, look

SETTLE_S = 15.0
"""So long a commit of the cloud waits for an append to become durable with."""
_EXPIRE_EVERY = 256
"""Appends between two looks at what is too old for the ring."""
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
        self, path: Path, budget_bytes: int, clock: Callable[[], int], keep_ms: int = 0, *, settle_s: float = SETTLE_S
    ) -> None:
        """Use `open`."""
        self.path, self.budget_bytes = path, budget_bytes
        self._clock, self._keep_ms = clock, keep_ms
        self._appends = 0
        self._listener: Callable[[], None] | None = None
        self._state = State(path, clock, settle_s)

    @classmethod
    def open(
        cls, path: Path, budget_bytes: int, clock: Callable[[], int], keep_ms: int = 0, *, settle_s: float = SETTLE_S
    ) -> Self:
        """Opens the spool, making it if need be. A damaged file is set aside, and the new one tells the host so.

        Args:
            path: The file; its folder exists.
            budget_bytes: Most that rows may weigh, the ring included; `budget` says what goes at the bound.
            clock: Time of day, UTC milliseconds.
            keep_ms: How long committed rows stay in the ring, from when they were appended; 0: they do not.
            settle_s: How long a commit of the cloud waits for an append to become durable with.

        Raises:
            UnavailableError: Another process has it, or the disk does not let us; the message says what to do.
            ConfigError: A newer Frostline wrote it.
        """
        spool = cls(path, budget_bytes, clock, keep_ms, settle_s=settle_s)
        if spool._state.notice is not None:
            try:
                spool.append([spool._state.notice])
            except BaseException:
                spool.abandon()
                raise
        return spool

    @classmethod
    def open_read_only(cls, path: Path) -> SpoolView:
        """What an existing spool holds, also while a gateway writes it.

        Raises:
            UnavailableError: It does not exist, or cannot be read.
        """
        return look(path)

    def close(self) -> None:
        """Writes what is not written, closes the file and gives up the lock; closing twice is harmless."""
        self._state.close()

    def abandon(self) -> None:
        """Ends as a kill does: writes nothing more, and gives up the lock."""
        self._state.abandon()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def listen(self, listener: Callable[[], None]) -> None:
        """Calls that after each append, in the appending thread; it must return at once."""
        self._listener = listener

    # ---- writing
    def append(self, rows: Sequence[NewRow], delta: AccountDelta = _NOTHING, read_ms: int = 0) -> None:
        """Numbers the rows, puts them on the disk and keeps the budget, in one change.

        Args:
            rows: In order.
            delta: What they add to the account.
            read_ms: All that was read before this instant, UTC milliseconds, is on the disk with them; 0: not known.

        Raises:
            UnavailableError: Nothing was kept; the message says what to do. The caller counts the rows as lost.
        """
        if not disk.has_reserve(self.path) and not self._give_up_ring():
            raise UnavailableError(f"spool {self.path}: {disk.DISK_FULL}")
        with self._state.change() as draft:
            now_ms = self._clock()
            for stream in Stream:
                draft.append(stream, [row for row in rows if row.stream is stream and not row.boot])
            if read_ms:
                draft.change.execute("UPDATE spool SET read_ms = ?", (read_ms,))
            accounts.add(draft.change, now_ms, delta)
            self._wait(draft, [row for row in rows if row.boot])
            self._send_again(draft)
            for reason, samples in budget.keep(draft, self.budget_bytes, now_ms).items():
                accounts.lose(draft.change, now_ms, reason, samples)
            self._appends += 1
            if self._appends % _EXPIRE_EVERY == 1:
                ring.expire(draft.change, now_ms - self._keep_ms)
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
        more = self._state.waits
        while more:
            with self._state.change() as draft:
                now_ms = self._clock()
                undated, dropped = waiting.forget_others(draft.change, boot)
                accounts.lose(draft.change, now_ms, waiting.NEVER_SET, undated)
                told = ((waiting.NEVER_SET, undated), (waiting.OVER_BOUND, dropped))
                lost = [loss_notice(Lost(reason, count, None, now_ms)) for reason, count in told if count]
                rows = waiting.take(draft.change, boot, difference_ms)
                for stream in Stream:
                    draft.append(stream, [row for row in (*lost, *rows) if row.stream is stream])
                more = bool(rows)
        self._state.waits = False

    def next_bd_seq(self) -> int:
        """The bdSeq of the next CONNECT: first 0, then one more each time, 0 after 255; durable before it is used.

        Source: Sparkplug 3.0, message-flow-edge-node-birth-publish-will-message-payload-bdSeq.

        Raises:
            UnavailableError: The disk does not let us.
        """
        with self._state.change() as draft:
            statement = "UPDATE spool SET bd_seq = coalesce((bd_seq + 1) % 256, 0) RETURNING bd_seq"
            ((bd_seq,),) = draft.change.execute(statement).fetchall()
        return int(bd_seq)

    def remember(self, description: DeviceDescription) -> None:
        """Keeps what a device is, for births of rows that outlive it; what is already known is not written again.

        Raises:
            UnavailableError: The disk does not let us.
        """
        if self.remembered(description.id) == description:
            return
        with self._state.change() as draft:
            devices.write(draft.change, description, self._clock())

    def delete_through(self, run: int, n: int) -> None:
        """Takes the rows of a run whose number is n or less out of the queue: the host has them, or lists them as lost.

        Durable with the next append, or after 15 s: after a power cut they are sent and answered again.

        Raises:
            UnavailableError: Nothing changed.
        """
        later = not self._state.asked and disk.has_reserve(self.path)
        with self._state.change(later=later) as draft:
            if run not in draft.runs:
                return
            committed = draft.delete_through(run, n, keep=self._keep_ms > 0)
            accounts.add(draft.change, self._clock(), committed=committed)
            self._send_again(draft)
        self._give_back_pages()

    def refetch(self, span: ring.Refetch) -> bool:
        """Sends what the ring holds of a span of time again; False when too many spans wait already.

        Rows go a few thousand at a time, each lot in a run of its own in the backlog lane, the next when the cloud has
        that one. A restart goes on where it was.

        Raises:
            UnavailableError: The disk does not let us.
        """
        with self._state.change() as draft:
            taken = ring.ask(draft.change, span)
            self._state.asked = True
            self._send_again(draft)
        if self._listener is not None:
            self._listener()
        return taken

    def cut(self) -> None:
        """Makes the next samples row open a new run; rows keep their identity.

        Raises:
            UnavailableError: The disk does not let us; nothing was cut.
        """
        with self._state.change() as draft:
            draft.cut()

    def settle(self) -> None:
        """Makes durable what waits for the next change.

        Raises:
            UnavailableError: The disk does not let us.
        """
        self._state.settle()

    # ---- reading
    @property
    def spool_id(self) -> int:
        """Made with the file, unsigned 64 bits; another one after a damaged file was set aside."""
        return self._state.spool_id

    def runs(self) -> Sequence[HeldRun]:
        """Every run held, oldest first; an empty one only while it is current."""
        with self._state.mutex:
            return [run.held for run in self._state.runs.values()]

    def current(self, stream: Stream) -> int | None:
        """The run that the next row of this stream goes to; None if that row will open one."""
        return self._state.current.get(stream)

    def next_row(self, run: int, n: int) -> Row | None:
        """The lowest row of the run whose number is n or more.

        Raises:
            UnavailableError: The disk does not let us.
        """
        with self._state.sound() as connection:
            found = self._state.runs.get(run)
            if found is None:
                return None
            statement = f"{_SELECT} WHERE run = ? AND n >= ? ORDER BY n LIMIT 1"
            row = connection.execute(statement, (found.seq, min(max(n, found.held.base), NUMBER_MAX))).fetchone()
            return None if row is None else Row(run, *row)

    def remembered(self, device: str) -> DeviceDescription | None:
        """What the device was when it last changed; None if nobody ever told.

        Raises:
            UnavailableError: The disk does not let us.
        """
        with self._state.sound() as connection:
            return devices.read(connection, device)

    def view(self) -> SpoolView:
        """What it holds, in numbers.

        Raises:
            UnavailableError: The disk does not let us.
        """
        with self._state.sound() as connection:
            return SpoolView.of(connection, self._state.runs)

    def told(self, most: int) -> GatewayAccount:
        """The account as the cloud is told of it: the newest days, and what all days together do not explain.

        Raises:
            UnavailableError: The disk does not let us.
        """
        with self._state.sound() as connection:
            whole = SpoolView.of(connection, self._state.runs).account
            residue = whole.kept - whole.committed - whole.pending - sum(whole.lost.values())
            return GatewayAccount(accounts.recent(connection, most), whole.pending, residue)

    @property
    def read_ms(self) -> int:
        """All that was read before this instant, UTC milliseconds, is on the disk; 0: not known.

        Raises:
            UnavailableError: The disk does not let us.
        """
        with self._state.sound() as connection:
            return int(connection.execute("SELECT read_ms FROM spool").fetchone()[0])

    @property
    def held_rows(self) -> int:
        """Data rows held."""
        with self._state.mutex:
            return sum(run.data_rows for run in self._state.runs.values())

    @property
    def held_bytes(self) -> int:
        """What the rows weigh, as the budget counts; without the ring."""
        with self._state.mutex:
            return sum(run.bytes for run in self._state.runs.values())

    @property
    def oldest_ms(self) -> int | None:
        """When the oldest row was appended, UTC milliseconds; None when the spool is empty."""
        with self._state.mutex:
            return min((run.held.oldest_ms for run in self._state.runs.values() if not run.held.empty), default=None)

    def _wait(self, draft: drafts.Draft, rows: Sequence[NewRow]) -> None:
        """Keeps rows that have no time of day yet, within a quarter of the budget."""
        if rows:
            self._state.waits = True
            dropped = waiting.put(draft.change, rows, self.budget_bytes // 4)
            accounts.lose(draft.change, self._clock(), waiting.OVER_BOUND, dropped)

    def _send_again(self, draft: drafts.Draft) -> None:
        """Takes the next lot out of the ring, once the cloud has the one before."""
        runs = draft.runs.values()
        if not self._state.asked or len(runs) > RUNS_MAX - _RUNS_LEFT or any(each.again_ms for each in runs):
            return
        for _ in range(_STEPS_MOST):
            found = ring.find(draft.change)
            if found is None:
                self._state.asked = False
                return
            if found.count:
                samples = draft.open_again(found)
                accounts.add(draft.change, self._clock(), AccountDelta(read=samples, kept=samples))
                return

    def _give_up_ring(self) -> bool:
        """On a full disk the ring goes, a little at a time, until there is room to delete in again."""
        for _ in range(_RING_STEPS):
            with self._state.change() as draft:
                if not ring.trim(draft.change, _RING_STEP_BYTES):
                    return False
            self._give_back_pages()
            if disk.has_reserve(self.path):
                return True
        return False

    def _give_back_pages(self) -> None:
        """On a full disk what was deleted goes back to the file system at once."""
        if not disk.has_reserve(self.path):
            self._state.give_back()
