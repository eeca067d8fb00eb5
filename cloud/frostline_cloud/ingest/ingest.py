"""The ingest loop: a Sparkplug host on a thread of its own, so that no browser ever delays a sample.

    broker -> session -> decode -> commit queue -> flush -> committed, told to the gateways

There is one flush at a time. While its store write is under way, in a thread of its own, messages go on being read and
decoded for the next one, up to `_MOST_AHEAD` flushes' worth; further ones wait in the broker's bounded queue. See
`flush` for what is one atom, `gate` for when the host says that it is online, and the commit protocol for why nothing
is lost when any of it fails.
"""

from __future__ import annotations

import gc
import logging
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from frostline_cloud.ingest.config import IngestConfig
from frostline_cloud.ingest.errands import Errands, Refetch, Retirement, must_be_offline, refetch_command
from frostline_cloud.ingest.generation import OvertakenError
from frostline_cloud.ingest.load import Load, Written
from frostline_cloud.ingest.prescribe import Prescriber
from frostline_cloud.ingest.presence import Presence
from frostline_cloud.ingest.reader import Parts, Reader
from frostline_cloud.ingest.status import IngestStatus
from frostline_core.commit import Commit
from frostline_core.errors import UnavailableError
from frostline_core.moment import Moment

log = logging.getLogger("frostline.ingest")

_TAKE_MOST = 500
_MOST_AHEAD = 4
_SWITCH_S = 0.001
"""How long the thread that decodes may keep the interpreter while the one that writes waits for it; Python's own 5 ms
are a flush's whole time."""
_TICK_MS = 1_000
_SET_MS = 100
_MOST_PAUSE_MS = 50
"""After a flush, the next one waits as long as SQL took, at most so long: so SQL never has more than half of the time,
and under load flushes grow instead of becoming many."""
_LAST_MARK_S = 5.0
_GC = (200_000, 20, 100)
"""Messages make no cycles, but thousands of them wait for a flush: with Python's own (700, 10, 10) the collector would
look at all of them, and at every series, many times in each flush."""


@dataclass(slots=True)
class _Flight:
    """A flush whose store write is under way, since `began_ms` of the steady clock."""

    load: Load
    writing: Future[Written]
    began_ms: int


class Ingest:
    """Runs the parts in flow order until it is told to stop; whatever waits, waits by the steady clock."""

    def __init__(self, parts: Parts, config: IngestConfig, clock: Callable[[], Moment]) -> None:
        self._parts, self._config, self._clock = parts, config, clock
        self._waiting_since_ms: int | None = None
        began = clock()
        self._not_before_ms, self._ticked_ms = began.steady_ms, began.steady_ms - _TICK_MS
        self._apart_ms = began.utc_ms - began.steady_ms
        self._unregistered_ms: int | None = None
        self._flight: _Flight | None = None
        self._stale = False
        self._errands = Errands(parts.broker.wake)
        self._writer = ThreadPoolExecutor(1, "store")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ingest", daemon=True)
        self.status = IngestStatus()
        self._presence = Presence((parts.session, parts.broker), parts.check, config, self.status, clock)
        self._reader = Reader(parts, self._presence, self.status, config)
        self._prescriber = Prescriber(parts.session, parts.broker.publish)
        self.failure: BaseException | None = None

    def start(self) -> None:
        """Restores what births and rules said before, and starts the thread.

        Raises:
            UnavailableError: SQL does not answer.
        """
        self._parts.generation.load(self._clock().utc_ms)
        self.status.nodes = self._parts.registry.restore(self._parts.session, self._clock().utc_ms)
        self._presence.probe(self._clock())
        sys.setswitchinterval(_SWITCH_S)
        gc.set_threshold(*_GC)
        self._parts.broker.start()
        self._thread.start()

    def stop(self) -> None:
        """STATE offline first, then drains what has come, then disconnects."""
        self._stopping.set()
        self._thread.join(timeout=30)
        self._writer.shutdown(wait=False)
        self._parts.broker.stop()

    def refetch(self, wanted: Refetch) -> None:
        """Asks a gateway to send a span of time again; may be called by any thread.

        Raises:
            NotPossibleError: The gateway is not known, not online, or cannot do that.
            UnavailableError: There is no broker session, or ingest is busy; nothing was sent.
        """
        self._errands.ask(lambda: self._send(refetch_command(self._parts.session, wanted, self._clock().utc_ms)))

    def retire(self, wanted: Retirement) -> None:
        """Ends the rules of a device that is gone for good; may be called by any thread.

        Its alerts resolve with the next flush, its history stays, and a birth brings it back.

        Raises:
            NotPossibleError: It is online.
            UnavailableError: Ingest is busy, or SQL cannot write; nothing has changed, or ask again.
        """
        self._errands.ask(lambda: self._retire(wanted))

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                most = _TAKE_MOST if self._reader.gathered < _MOST_AHEAD * self._config.flush_samples else 0
                items = self._parts.broker.take(self._wait_s(self._clock().steady_ms), most)
                now = self._clock()
                self._reader.read(items, now)
                self._turn(now)
            self._finish()
        except BaseException as error:
            self.failure = error
            log.critical("ingest has stopped; the process must be restarted", exc_info=error)

    def _wait_s(self, steady_ms: int) -> float:
        due = [self._ticked_ms + _TICK_MS]
        if self._waiting_since_ms is not None and self._flight is None:
            due.append(max(self._waiting_since_ms + self._config.linger_ms, self._not_before_ms))
        return min(_TICK_MS, max(0, min(due) - steady_ms)) / 1000

    # ---- births ----------------------------------------------------------------------------------------------------
    def _register(self, now: Moment) -> None:
        """What births and deaths said goes to SQL, before anything that was read with them is committed.

        Raises:
            UnavailableError: SQL cannot write; it is kept.
        """
        done = self._parts.registry.write(now.utc_ms)
        for topic, raw, reason in done.refused:
            self.status.refused += 1
            log.error("a birth is a dead letter: %s", reason)
            self._reader.aside.bury(topic, raw, reason)
        self._reader.tell(done.answers, now.utc_ms)

    def _registered(self, now: Moment) -> None:
        """Tries it, at most once per tick while SQL is away: births wait, and nothing read with them is committed."""
        failed_ms = self._unregistered_ms
        if not self._parts.registry.pending or (failed_ms is not None and now.steady_ms - failed_ms < _TICK_MS):
            return
        try:
            self._register(now)
        except UnavailableError as error:
            failed = self._clock()
            self._unregistered_ms = failed.steady_ms
            self._presence.failed(failed, str(error))
        else:
            if failed_ms is not None:
                self._unregistered_ms = None
                self._presence.probe(now)

    # ---- what is due ---------------------------------------------------------------------------------------------
    def _turn(self, now: Moment) -> None:
        self._registered(now)
        if now.steady_ms - self._ticked_ms >= _TICK_MS:
            self._tick(now)
        self._errands.run()
        if self._waiting_since_ms is None and self._reader.waits:
            self._waiting_since_ms = now.steady_ms
        if self._flight is not None and self._flight.writing.done():
            self._land(self._flight, now)
        since_ms = self._waiting_since_ms
        waited = since_ms is not None and now.steady_ms >= max(since_ms + self._config.linger_ms, self._not_before_ms)
        if waited or self._reader.gathered >= self._config.flush_samples:
            self._launch()
        status, seen = self.status, self._parts.commit.statistics
        status.queued = self._parts.commit.queued + len(self._reader.aside.plain)
        status.dropped, status.holes = self._parts.broker.dropped + seen.dropped_full, seen.holes
        status.online, status.reason = self._presence.open and status.connected, self._presence.reason

    def _tick(self, now: Moment) -> None:
        self._ticked_ms = now.steady_ms
        set_ms, self._apart_ms = now.utc_ms - now.steady_ms - self._apart_ms, now.utc_ms - now.steady_ms
        if abs(set_ms) > _SET_MS:
            log.warning("the clock was set by %+.1f s", set_ms / 1000)
        self._reader.events(self._parts.session.tick(now.utc_ms, now.steady_ms), now)
        self._reader.aside.lose(self._reader.parking.lost(now.steady_ms))
        self.status.parked = len(self._reader.parking)
        if self.status.connected and self._presence.open and not self._stale:
            if self._parts.pauses is not None:
                self._parts.pauses.refresh(self._parts.evaluator, now.utc_ms)
            self._parts.evaluator.advance(now.utc_ms)
        if self.status.connected:
            self._prescriber.look(self._parts.evaluator.rules, now.utc_ms, self._parts.pauses)
        if self._parts.rulebook is not None and self._parts.rulebook.refresh():
            self._stale = True
        renews = self._stale and self._presence.open
        if renews or self._parts.evaluator.staged().transitions or self._reader.aside.noted:
            self._launch()
        if not self._presence.open:
            self._presence.probe(now)
        elif self._flight is not None:
            self._presence.waits(now, self._flight.began_ms)
        elif self._presence.failing:
            self._presence.doubt()

    def _launch(self) -> None:
        """Starts a flush with everything that waits, unless one is under way."""
        if self._flight is not None:
            return
        load = Load(self._parts.commit.take_all(), *self._reader.aside.take())
        self._waiting_since_ms, self._reader.gathered = None, 0
        writing = self._writer.submit(self._parts.flusher.write, load)
        self._flight = _Flight(load, writing, self._clock().steady_ms)
        writing.add_done_callback(lambda _: self._parts.broker.wake())

    def _land(self, flight: _Flight, now: Moment) -> None:
        """Ends a flush whose store write has ended: SQL, then the gateways."""
        self._flight = None
        parts, status = self._parts, self.status
        try:
            written = flight.writing.result()
            self._register(now)
            self._freshen(now.utc_ms)
            done = parts.flusher.commit(flight.load, written, now.utc_ms)
        except OvertakenError as error:
            log.warning("%s", error)
            status.overtaken += 1
            self._stale = True
            self._again(flight.load, now.steady_ms)
            return
        except UnavailableError as error:
            self._again(flight.load, now.steady_ms)
            self._presence.failed(self._clock(), str(error), flight.began_ms)
            return
        if done.samples or not self._presence.failing:  # counts and losses alone are no proof that the store takes data
            self._presence.succeeded(now)
        by_node: dict[tuple[str, str], list[Commit]] = {}
        for commit in parts.commit.settled(done.committed, now.steady_ms):
            by_node.setdefault(done.owners[commit.run], []).append(commit)
        self._reader.tell(by_node, now.utc_ms)
        status.flushes += 1
        status.samples += done.samples
        status.transitions += done.transitions
        status.store_s += done.store_s
        status.sql_s += done.sql_s
        self._not_before_ms = self._clock().steady_ms + min(round(done.sql_s * 1000), _MOST_PAUSE_MS)
        if parts.generation.due(now.utc_ms):
            self._writer.submit(parts.generation.mark, now.utc_ms).add_done_callback(_report)

    def _again(self, load: Load, steady_ms: int) -> None:
        """Nothing of a flush is committed: the gateways send it again, and what is sent only once is kept."""
        self._parts.commit.forget()
        self._reader.aside.put_back(load)
        if self._reader.aside.plain:
            self._waiting_since_ms = steady_ms + _TICK_MS
        self.status.flush_failures += 1

    def _freshen(self, now_ms: int) -> None:
        """Reads from SQL what another ingest has written, if one has, and goes on with rules that have changed.

        Raises:
            UnavailableError: SQL does not answer.
        """
        if not self._stale:
            return
        parts = self._parts
        parts.flusher.doubt()
        parts.generation.load(now_ms)
        parts.evaluator = parts.registry.renew(None if parts.rulebook is None else parts.rulebook.rules)
        parts.flusher.renew(parts.evaluator)
        parts.evaluator.listen(self.status.connected_ms or now_ms)
        self._stale = False

    def _retire(self, wanted: Retirement) -> None:
        must_be_offline(self._parts.session, wanted)
        where = "/".join(filter(None, (wanted.site, wanted.node, wanted.device)))
        log.warning("%s is retired by %s", where, wanted.who)
        self._parts.registry.retire((wanted.site, wanted.node), wanted.device)
        self._register(self._clock())

    def _send(self, command: tuple[str, bytes]) -> None:
        if not self._parts.broker.publish(*command):
            raise UnavailableError("there is no session with the broker")

    # ---- the end -----------------------------------------------------------------------------------------------------
    def _finish(self) -> None:
        """SIGTERM: STATE offline, what has come is flushed, the gateways hear of it."""
        said = self._parts.session.offline(self._clock().utc_ms)
        self._parts.broker.publish_and_wait(said.topic, said.payload, 2.0)
        until = time.monotonic() + 1.0
        while time.monotonic() < until and (items := self._parts.broker.take(0.05, _TAKE_MOST)):
            self._reader.read([item for item in items if isinstance(item, tuple)], self._clock())
        self._home()
        self._reader.aside.lose(self._reader.parking.close())
        self._launch()
        self._home()
        marking = self._writer.submit(self._parts.generation.mark, self._clock().utc_ms, last=True)
        marking.add_done_callback(_report)
        wait([marking], _LAST_MARK_S)

    def _home(self) -> None:
        """Waits for the flush under way."""
        if self._flight is not None:
            wait([self._flight.writing])
            self._land(self._flight, self._clock())


def _report(marking: Future[None]) -> None:
    """A marker that is refused must be known: without it a store or an SQL that went back is not noticed."""
    error = None if marking.cancelled() else marking.exception()
    if error is not None:
        log.error("the store could not be told of flushes: %s", error, exc_info=error)
