"""The gateway's side of the commit protocol: which row goes next, and what a commit deletes.

It decides; the rows live behind `Rows`. Nothing here is durable: a process that starts anew knows only what `Rows`
holds, sends it again with the same numbers, and measures its windows anew. Time and randomness are arguments: `now_ms`
is any clock that only goes forward, `utc_ms` is the time of day that rows are stamped with.
Source: commit protocol version 1, section 3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from frostline_core.commit.rows import HeldRun, Row, Rows
from frostline_core.commit.window import Window, WindowLimits
from frostline_core.commit.wire import RUNS_MAX, BatchMark, Commit, Runs
from frostline_core.reading import Lane, Stream


@dataclass(frozen=True, slots=True)
class GatewayLimits:
    """Bounds of the gateway's side.

    Attributes:
        window: Of each lane.
        runs: No cut once so many runs are held.
        cut_after_ms: A live row that waited so long becomes backlog, so that what comes now is live.
        tail_ms: After a restart, live waits for rows of the run before that are no older than this.
        backlog_per_s: Backlog messages a second; a burst is at most one second's worth. 0 sets no limit.
        burst_ms: Samples wait so long and go out together, for a link that is paid by the byte; events do not wait.
            A new session sends all at once. 0: nothing waits.
    """

    window: WindowLimits = field(default_factory=WindowLimits)
    runs: int = RUNS_MAX
    cut_after_ms: int = 30_000
    tail_ms: int = 30_000
    backlog_per_s: float = 100.0
    burst_ms: int = 0


class Verdict(StrEnum):
    """What a commit turned out to be.

    MOVED: rows were deleted. STILL: nothing new. UNKNOWN: not a run of ours; ignored. IMPOSSIBLE: above what the
    current run ever gave; ignored, and a person must look. IMAGE: above what an older run gave, so this disk is an
    image of one that lived on; its rows were the same rows and are deleted, and a person must look.
    """

    MOVED = "moved"
    STILL = "still"
    UNKNOWN = "unknown"
    IMPOSSIBLE = "impossible"
    IMAGE = "image"


@dataclass(frozen=True, slots=True)
class Send:
    """A row to send now, with the lane that chose it and the mark that goes on the wire."""

    lane: Lane
    row: Row
    mark: BatchMark


@dataclass(frozen=True, slots=True)
class LaneView:
    """One lane for status: rows it may have under way, has under way; age stamp of its oldest row (0: none)."""

    window: int
    in_flight: int
    oldest_ms: int


class GatewayCommit:
    """Chooses what is sent and applies commits. One per process; not for several threads.

    Args:
        rows: The spool.
        random: Evenly spread over [0, 1); for the timers' jitter.
        utc_ms: Time of day at process start.
        limits: Bounds.
    """

    def __init__(
        self, rows: Rows, random: Callable[[], float], utc_ms: int, limits: GatewayLimits | None = None
    ) -> None:
        self._rows = rows
        self._limits = limits or GatewayLimits()
        self._windows = {lane: Window(self._limits.window, random) for lane in Lane}
        self._highest: dict[
            int, int
        ] = {}  # per run, highest number ever sent: above it a row is sent for the first time
        self._in_session = False
        self._answer_by_ms: int | None = None
        self._tail = self._tail_run(utc_ms)
        self._tail_by_ms: int | None = None
        self._events_turn = True
        self._tokens, self._tokens_ms = max(1.0, self._limits.backlog_per_s), 0
        self._token_at_ms: int | None = None  # while backlog waits only for its rate
        self._burst_at_ms = 0
        self._released: dict[int, int] = {}  # per run, how far the present burst goes

    def announcement(self) -> Runs:
        """What NBIRTH says: the spool, and the newest 64 runs held."""
        held = self._rows.runs()
        return Runs(self._rows.spool_id, {each.run: each.last for each in held[-RUNS_MAX:]}, len(held) > RUNS_MAX)

    def session_started(self, now_ms: int, utc_ms: int) -> None:
        """Births are out: after a connect, after a rebirth, after the host came back. Everything goes out again.

        If rows are held, the first waits for the host's answer to the birth, at most one resend time: what the host has
        already is then not sent again.
        """
        for window in self._windows.values():
            window.fresh()
        held = self._rows.runs()
        wait_ms = max(window.resend_ms for window in self._windows.values())
        self._answer_by_ms = None if all(each.empty for each in held) else now_ms + wait_ms
        if self._tail is not None and self._tail_by_ms is None:
            self._tail_by_ms = now_ms + 2 * wait_ms
        self._in_session = True
        self._burst_at_ms = now_ms
        self._cut_if_old(held, utc_ms)

    def session_ended(self) -> None:
        """No connection, host offline, or births are being sent: nothing goes out."""
        self._in_session = False
        for window in self._windows.values():
            window.go_back()

    def next(self, now_ms: int, utc_ms: int) -> Send | None:
        """The row to hand to the broker now; None until time passes, a commit comes or a row is appended.

        Live first; then events and backlog by turns, so that neither starves.
        """
        self._token_at_ms = None
        if not self._in_session or self._waits_for_answer(now_ms):
            return None
        held = self._rows.runs()
        if self._cut_if_old(held, utc_ms):
            held = self._rows.runs()
        if self._limits.burst_ms and now_ms >= self._burst_at_ms:
            self._released = {each.run: each.last for each in held}
            self._burst_at_ms = now_ms + self._limits.burst_ms
        if not self._waits_for_tail(held, now_ms):
            send = self._send(Lane.LIVE, held, now_ms)
            if send is not None:
                return send
        for lane in (Lane.EVENTS, Lane.BACKLOG) if self._events_turn else (Lane.BACKLOG, Lane.EVENTS):
            send = self._send(lane, held, now_ms)
            if send is not None:
                self._events_turn = lane is Lane.BACKLOG
                return send
        return None

    def on_commit(self, commit: Commit, now_ms: int) -> Verdict:
        """The host answered: deletes what is durable there, and goes back to base at a hole."""
        self._answer_by_ms = None
        held = next((each for each in self._rows.runs() if each.run == commit.run), None)
        if held is None:
            return Verdict.UNKNOWN
        if commit.n > held.last:
            if self._rows.current(held.stream) == held.run:
                return Verdict.IMPOSSIBLE
            self._rows.delete_through(held.run, held.last)
            return Verdict.IMAGE
        moved = commit.n >= held.base
        if moved:
            self._rows.delete_through(held.run, commit.n)
        window = next((each for each in self._windows.values() if each.run == held.run), None)
        if window is not None and moved:
            window.confirmed(commit.n, now_ms)
        if window is not None and commit.hole:
            window.shrink()
        return Verdict.MOVED if moved else Verdict.STILL

    def tick(self, now_ms: int) -> None:
        """Looks at the resend timers; call it at `wake_ms` or later."""
        for window in self._windows.values():
            if window.deadline_ms is not None and now_ms >= window.deadline_ms:
                window.expire()

    def wake_ms(self, now_ms: int) -> int | None:
        """When `tick` and `next` may have something to do though nothing came; None: not until something comes."""
        if not self._in_session:
            return None
        times = [window.deadline_ms for window in self._windows.values()]
        if self._limits.burst_ms and self._answer_by_ms is None:
            times.append(self._burst_at_ms)
        times += [self._answer_by_ms, self._tail_by_ms if self._tail is not None else None, self._token_at_ms]
        return min((max(at, now_ms) for at in times if at is not None), default=None)

    def lanes(self) -> Mapping[Lane, LaneView]:
        """Each lane for status; the one method that any thread may call."""
        held = self._rows.runs()
        view: dict[Lane, LaneView] = {}
        for lane, window in self._windows.items():
            run = self._lane_run(lane, held)
            view[lane] = LaneView(window.size, window.in_flight, run.oldest_ms if run and not run.empty else 0)
        return view

    def _tail_run(self, utc_ms: int) -> int | None:
        """The samples run of the process before, if it ended a moment ago."""
        newest = next((each for each in reversed(self._rows.runs()) if each.stream is Stream.SAMPLES), None)
        if newest is None or newest.empty or newest.run == self._rows.current(Stream.SAMPLES):
            return None
        if not 0 <= utc_ms - newest.newest_ms < self._limits.tail_ms:
            return None
        return newest.run

    def _waits_for_answer(self, now_ms: int) -> bool:
        if self._answer_by_ms is not None and now_ms >= self._answer_by_ms:
            self._answer_by_ms = None
        return self._answer_by_ms is not None

    def _waits_for_tail(self, held: Sequence[HeldRun], now_ms: int) -> bool:
        """So that a restart of seconds stays in order in live. Only for quality; safety does not need it."""
        if self._tail is None:
            return False
        gone = not any(each.run == self._tail and not each.empty for each in held)
        if gone or (self._tail_by_ms is not None and now_ms >= self._tail_by_ms):
            self._tail = None
        return self._tail is not None

    def _cut_if_old(self, held: Sequence[HeldRun], utc_ms: int) -> bool:
        """A clock that jumped back makes a row look as old as one that jumped forward: both are cut, both are safe."""
        live = self._lane_run(Lane.LIVE, held)
        if live is None or live.empty or len(held) >= self._limits.runs:
            return False
        if abs(utc_ms - live.oldest_ms) <= self._limits.cut_after_ms + self._limits.burst_ms:
            return False
        self._rows.cut()
        return True

    def _lane_run(self, lane: Lane, held: Sequence[HeldRun]) -> HeldRun | None:
        current = self._rows.current(Stream.SAMPLES)
        if lane is Lane.LIVE:
            return next((each for each in held if each.run == current), None)
        stream = Stream.EVENTS if lane is Lane.EVENTS else Stream.SAMPLES
        return next((each for each in held if each.stream is stream and not each.empty and each.run != current), None)

    def _send(self, lane: Lane, held: Sequence[HeldRun], now_ms: int) -> Send | None:
        run, window = self._lane_run(lane, held), self._windows[lane]
        window.attach(run.run if run is not None else None)
        if run is None or run.empty or max(window.next_n, run.base) > self._sendable(lane, run):
            return None
        if window.in_flight >= window.size or (lane is Lane.BACKLOG and not self._has_token(now_ms)):
            return None
        row = self._rows.next_row(run.run, max(window.next_n, run.base))
        if row is None or not window.room_for(len(row.payload)):
            return None
        window.sent(row.n, len(row.payload), now_ms, once=row.n > self._highest.get(run.run, 0))
        self._highest[run.run] = max(row.n, self._highest.get(run.run, 0))
        if len(self._highest) > len(held):
            self._highest = {each.run: self._highest[each.run] for each in held if each.run in self._highest}
        if lane is Lane.BACKLOG:
            self._tokens -= 1
        return Send(lane, row, BatchMark(run.run, run.stream, row.n, row.first, run.base, row.gap))

    def _sendable(self, lane: Lane, run: HeldRun) -> int:
        """Highest number that may go out now."""
        waits = self._limits.burst_ms and lane is not Lane.EVENTS
        return self._released.get(run.run, 0) if waits else run.last

    def _has_token(self, now_ms: int) -> bool:
        rate = self._limits.backlog_per_s
        if not rate:
            return True
        self._tokens = min(max(1.0, rate), self._tokens + (now_ms - self._tokens_ms) * rate / 1000)
        self._tokens_ms = now_ms
        if self._tokens < 1:
            self._token_at_ms = now_ms + int((1 - self._tokens) * 1000 / rate) + 1
        return self._tokens >= 1
