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
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass

from frostline_cloud.ingest.aside import Aside
from frostline_cloud.ingest.broker import Arrived, Broker, Connected, Disconnected, Incoming, Subscribed
from frostline_cloud.ingest.config import IngestConfig
from frostline_cloud.ingest.decode import Batch, Item, decode, take
from frostline_cloud.ingest.errands import Errands, Refetch, Retirement, must_be_offline, refetch_command
from frostline_cloud.ingest.flush import Flusher
from frostline_cloud.ingest.generation import Generation, OvertakenError
from frostline_cloud.ingest.journal import Loss
from frostline_cloud.ingest.load import Load, Written
from frostline_cloud.ingest.presence import Presence
from frostline_cloud.ingest.refusal import RefusedDataError
from frostline_cloud.ingest.registry import Registry
from frostline_cloud.ingest.series import SeriesTable
from frostline_cloud.ingest.status import IngestStatus
from frostline_cloud.ingest.told import account_of
from frostline_cloud.ingest.unread import Parking, Puzzles, mark_of, without_seq
from frostline_cloud.rules import Pauses
from frostline_core.commit import BatchMark, Commit, HostCommit, pack_commits, unpack_batch
from frostline_core.errors import ProtocolError, UnavailableError
from frostline_core.rules import Evaluator
from frostline_core.sparkplug import (
    DataCame,
    DeviceBorn,
    DeviceDied,
    Event,
    HostSession,
    MessageType,
    NodeBack,
    NodeBorn,
    NodeDied,
    NodeView,
    RebirthWanted,
    Refused,
    SequenceGap,
    StateWrong,
    Topic,
    Unresolved,
    topics,
)

log = logging.getLogger("frostline.ingest")

_TAKE_MOST = 500
_MOST_AHEAD = 4
_SWITCH_S = 0.001
"""How long the thread that decodes may keep the interpreter while the one that writes waits for it; Python's own 5 ms
are a flush's whole time."""
_TICK_MS = 1_000
_COMMITS_PER_NCMD = 8
_LAST_MARK_S = 5.0
_GC = (200_000, 20, 100)
"""Messages make no cycles, but thousands of them wait for a flush: with Python's own (700, 10, 10) the collector would
look at all of them, and at every series, many times in each flush."""


@dataclass(slots=True)
class Parts:
    """What the wiring file builds for the loop."""

    broker: Broker
    session: HostSession
    commit: HostCommit[Item]
    registry: Registry
    series: SeriesTable
    flusher: Flusher
    evaluator: Evaluator
    generation: Generation
    check: Callable[[], None]
    """Raises UnavailableError unless store and SQL can write."""
    pauses: Pauses | None = None


@dataclass(slots=True)
class _Flight:
    """A flush whose store write is under way."""

    load: Load
    writing: Future[Written]
    began_ms: int


class Ingest:
    """Runs the parts in flow order until it is told to stop."""

    def __init__(self, parts: Parts, config: IngestConfig, clock_ms: Callable[[], int]) -> None:
        self._parts, self._config, self._clock_ms = parts, config, clock_ms
        self._aside = Aside(config.queue_messages)
        self._waiting_since_ms: int | None = None
        self._ticked_ms = 0
        self._unregistered_ms = 0
        self._gathered = self._duplicates = 0
        self._flight: _Flight | None = None
        self._stale = False
        self._parking, self._puzzles = Parking(), Puzzles()
        self._errands = Errands(parts.broker.wake)
        self._writer = ThreadPoolExecutor(1, "store")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ingest", daemon=True)
        self.status = IngestStatus()
        self._presence = Presence((parts.session, parts.broker), parts.check, config, self.status, clock_ms)
        self.failure: BaseException | None = None

    def start(self) -> None:
        """Restores what births and rules said before, and starts the thread.

        Raises:
            UnavailableError: SQL does not answer.
        """
        self._parts.generation.load()
        self.status.nodes = self._parts.registry.restore(self._parts.session, self._clock_ms())
        self._presence.probe(self._clock_ms())
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
        self._errands.ask(lambda: self._send(refetch_command(self._parts.session, wanted, self._clock_ms())))

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
                most = _TAKE_MOST if self._gathered < _MOST_AHEAD * self._config.flush_samples else 0
                items = self._parts.broker.take(self._wait_s(self._clock_ms()), most)
                now_ms = self._clock_ms()
                for item in items:
                    if item.__class__ is not Arrived or not self._regular(item, now_ms):
                        self._handle(item, now_ms)
                self._turn(now_ms)
            self._finish()
        except BaseException as error:
            self.failure = error
            log.critical("ingest has stopped; the process must be restarted", exc_info=error)

    def _wait_s(self, now_ms: int) -> float:
        due = [self._ticked_ms + _TICK_MS]
        if self._waiting_since_ms is not None and self._flight is None:
            due.append(self._waiting_since_ms + self._config.linger_ms)
        return max(0, min(due) - now_ms) / 1000

    # ---- what comes ----------------------------------------------------------------------------------------------
    def _handle(self, item: Incoming, now_ms: int) -> None:
        parts, status = self._parts, self.status
        if isinstance(item, Arrived):
            status.messages += 1
            status.message_ms = now_ms
            for event in parts.session.receive(item.topic, item.payload, now_ms):
                if event.__class__ is DataCame:
                    try:
                        self._data(event, now_ms)
                    except UnavailableError as error:  # nobody can say what is committed: as if it had not come
                        self._presence.failed(now_ms, str(error))
                else:
                    self._events([event], now_ms)
        elif isinstance(item, Connected):
            parts.broker.subscribe(parts.session.subscriptions())
        elif isinstance(item, Subscribed):
            log.info("connected to the broker")
            status.connected, status.connected_ms = True, now_ms
            parts.evaluator.listen(now_ms)  # silence while nobody listened proves nothing
            self._presence.say(now_ms)  # not before: births that it calls for would not be heard
        elif isinstance(item, Disconnected):
            if status.connected:
                log.warning("disconnected from the broker: %s", item.reason)
            elif status.notes.get("broker") != item.reason:
                log.warning("%s; trying again", item.reason)
            status.notes["broker"] = item.reason
            status.connected = False
            self._events(parts.session.connection_lost(now_ms), now_ms)

    def _regular(self, item: Arrived, now_ms: int) -> bool:
        """Takes a message the short way of nearly all, if it can go that way."""
        parts, raw = self._parts, item.payload
        columns = parts.session.columns(item.topic, raw)
        if columns is None:
            return False
        self.status.messages += 1
        self.status.message_ms = now_ms
        try:
            self._keep(
                columns.mark, take(columns, raw, parts.series, now_ms + self._config.future_ms), len(raw), now_ms
            )
        except UnavailableError as error:  # nobody can say what is committed: as if it had not come
            self._presence.failed(now_ms, str(error))
        return True

    def _events(self, events: Iterable[Event], now_ms: int) -> None:
        for event in events:
            try:
                self._event(event, now_ms)
            except UnavailableError as error:  # nobody can say what is committed: as if it had not come
                self._presence.failed(now_ms, str(error))
            except RefusedDataError as error:
                self._refuse(event, str(error))

    def _event(self, event: Event, now_ms: int) -> None:
        registry = self._parts.registry
        match event:
            case DataCame():
                self._data(event, now_ms)
            case NodeBorn():
                owner = (event.view.site, event.view.node)
                self._puzzles.born(owner)
                registry.node_born(event, now_ms)
                self._release(event.view, "", now_ms)
            case DeviceBorn():
                registry.device_born(event, now_ms)
                self._release(event.view, event.device_view.description.id, now_ms)
            case NodeBack():
                registry.back(event)
            case NodeDied() | DeviceDied():
                registry.died(event)
            case _:
                self._trouble(event, now_ms)

    def _trouble(self, event: Event, now_ms: int) -> None:
        match event:
            case RebirthWanted(site, node, reason):
                log.info("asking %s/%s for a rebirth: %s", site, node, reason)
                self.status.rebirths += 1
                topic, payload = self._parts.session.rebirth_command(site, node, now_ms)
                self._parts.broker.publish(topic, payload)
            case SequenceGap(view, expected, got):
                if not view.proved:
                    reason = f"sequence gap: expected {expected}, got {got}; how much is not known"
                    self._aside.lose([Loss(view.site, view.node, None, None, None, reason)])
            case Refused(topic, raw, reason):
                self.status.refused += 1
                self._aside.bury(topic, raw, reason)
            case Unresolved():
                self.status.unresolved += 1
                self._unread(event, now_ms)
            case StateWrong():
                self._presence.say(now_ms)

    def _data(self, event: DataCame, now_ms: int) -> None:
        view, parts = event.view, self._parts
        try:
            mark = unpack_batch(event.batch) if event.batch is not None else None
            told = account_of(event) if mark is None and view.proved else None
        except ProtocolError as error:
            self.status.refused += 1
            self._aside.bury(event.topic, event.raw, str(error))
            return
        if told is not None:
            self._aside.tell((view.site, view.node), told)
        if mark is None and view.proved:
            return  # a proved node's samples are batches; anything else only shows the present
        self._keep(mark, decode(event, parts.series, now_ms + self._config.future_ms), len(event.raw), now_ms)

    def _keep(self, mark: BatchMark | None, item: Item, size: int, now_ms: int) -> None:
        """A message waits for the next flush; a batch that is not the next of its run is answered."""
        commit = self._parts.commit
        if mark is None:
            self._aside.keep(item)
        elif (answer := commit.on_data(mark, item, size, now_ms)) is not None:
            self._tell(item.owner, [answer], now_ms)
        if mark is not None and commit.statistics.duplicates != self._duplicates:
            self._duplicates = commit.statistics.duplicates
            self._aside.duplicate(item.owner, item.count)
            self.status.duplicates += item.count
        self._gathered += item.good
        if self._waiting_since_ms is None and (commit.queued or self._aside.plain):
            self._waiting_since_ms = now_ms

    def _unread(self, event: Unresolved, now_ms: int) -> None:
        """A message that needs a birth, which was asked for: a plain node's waits, any other's comes again."""
        view, commit = self._parts.session.node(event.site, event.node), self._parts.commit
        if view is None or not view.proved:
            self._parking.park(event, view, now_ms)
            return
        mark, owner = mark_of(view, event), (event.site, event.node)
        if mark is None:
            return
        if self._puzzles.hopeless(owner, mark, commit.known(mark.run)):
            reason = f"not readable after three births: {event.reason}"
            place = topics.parse(event.topic)
            batch = Batch(event.site, event.node, place.device, event.topic, event.raw, [], [], unfit=reason)
            answer = commit.on_data(mark, batch, len(event.raw), now_ms)
        else:
            answer = commit.unreadable(mark, now_ms)
        if answer is not None:
            self._tell(owner, [answer], now_ms)
        if self._waiting_since_ms is None and commit.queued:
            self._waiting_since_ms = now_ms

    def _release(self, view: NodeView, device: str, now_ms: int) -> None:
        """A birth came: what waited for it is read."""
        if not len(self._parking):
            return
        for each in self._parking.born(view, device):
            self._events(self._parts.session.receive(each.topic, without_seq(each.raw), now_ms), now_ms)

    def _register(self, now_ms: int) -> None:
        """What births and deaths said goes to SQL, before anything that was read with them is committed.

        Raises:
            UnavailableError: SQL cannot write; it is kept.
        """
        done = self._parts.registry.write(now_ms)
        for topic, raw, reason in done.refused:
            self.status.refused += 1
            log.error("a birth is a dead letter: %s", reason)
            self._aside.bury(topic, raw, reason)
        self._tell_all(done.answers, now_ms)

    def _registered(self, now_ms: int) -> None:
        """Tries it, at most once per tick while SQL is away: births wait, and nothing read with them is committed."""
        if not self._parts.registry.pending or now_ms - self._unregistered_ms < _TICK_MS:
            return
        try:
            self._register(now_ms)
        except UnavailableError as error:
            self._unregistered_ms = self._clock_ms()
            self._presence.failed(self._unregistered_ms, str(error))
        else:
            if self._unregistered_ms:
                self._unregistered_ms = 0
                self._presence.probe(now_ms)

    def _refuse(self, event: Event, reason: str) -> None:
        """A birth that cannot be taken as it is is a dead letter."""
        self.status.refused += 1
        log.error("a birth is a dead letter: %s", reason)
        if isinstance(event, NodeBorn):
            self._aside.bury(str(Topic(MessageType.NBIRTH, event.view.site, event.view.node)), event.raw, reason)
        elif isinstance(event, DeviceBorn):
            device = event.device_view.description.id
            self._aside.bury(
                str(Topic(MessageType.DBIRTH, event.view.site, event.view.node, device)), event.raw, reason
            )

    # ---- what is due ---------------------------------------------------------------------------------------------
    def _turn(self, now_ms: int) -> None:
        self._registered(now_ms)
        if now_ms - self._ticked_ms >= _TICK_MS:
            self._tick(now_ms)
        self._errands.run()
        if self._flight is not None and self._flight.writing.done():
            self._land(self._flight, now_ms)
        waited = self._waiting_since_ms is not None and now_ms - self._waiting_since_ms >= self._config.linger_ms
        if waited or self._gathered >= self._config.flush_samples:
            self._launch()
        status = self.status
        status.queued, status.dropped = self._parts.commit.queued + len(self._aside.plain), self._parts.broker.dropped
        status.online, status.reason = self._presence.open and status.connected, self._presence.reason

    def _tick(self, now_ms: int) -> None:
        self._ticked_ms = now_ms
        self._events(self._parts.session.tick(now_ms), now_ms)
        self._aside.lose(self._parking.lost(now_ms))
        self.status.parked = len(self._parking)
        if self.status.connected and self._presence.open and not self._stale:
            if self._parts.pauses is not None:
                self._parts.pauses.refresh(self._parts.evaluator, now_ms)
            self._parts.evaluator.advance(now_ms)
        if self._parts.evaluator.staged().transitions or self._aside.noted:
            self._launch()
        if not self._presence.open:
            self._presence.probe(now_ms)
        elif self._flight is not None:
            self._presence.waits(now_ms, self._flight.began_ms)
        elif self._presence.failing:
            self._presence.doubt()

    def _launch(self) -> None:
        """Starts a flush with everything that waits, unless one is under way."""
        if self._flight is not None:
            return
        load = Load(self._parts.commit.take(), *self._aside.take())
        self._waiting_since_ms, self._gathered = None, 0
        writing = self._writer.submit(self._parts.flusher.write, load)
        self._flight = _Flight(load, writing, self._clock_ms())
        writing.add_done_callback(lambda _: self._parts.broker.wake())

    def _land(self, flight: _Flight, now_ms: int) -> None:
        """Ends a flush whose store write has ended: SQL, then the gateways."""
        self._flight = None
        parts, status = self._parts, self.status
        try:
            written = flight.writing.result()
            self._register(now_ms)
            self._freshen(now_ms)
            done = parts.flusher.commit(flight.load, written, now_ms)
        except OvertakenError as error:
            log.warning("%s", error)
            status.overtaken += 1
            self._stale = True
            self._again(flight.load, now_ms)
            return
        except UnavailableError as error:
            self._again(flight.load, now_ms)
            self._presence.failed(self._clock_ms(), str(error), flight.began_ms)
            return
        queued = flight.load.queued
        if done.samples or not self._presence.failing:  # counts and losses alone are no proof that the store takes data
            self._presence.succeeded(now_ms)
        owners = {each.mark.run: each.item.owner for each in queued}
        by_node: dict[tuple[str, str], list[Commit]] = {}
        for commit in parts.commit.settled(done.committed, now_ms):
            by_node.setdefault(owners[commit.run], []).append(commit)
        self._tell_all(by_node, now_ms)
        status.flushes += 1
        status.samples += done.samples
        status.transitions += done.transitions
        status.store_s += done.store_s
        status.sql_s += done.sql_s
        if parts.generation.due(now_ms):
            self._writer.submit(parts.generation.mark, now_ms)

    def _again(self, load: Load, now_ms: int) -> None:
        """Nothing of a flush is committed: the gateways send it again, and what is sent only once is kept."""
        self._parts.commit.forget()
        self._aside.put_back(load)
        if self._aside.plain:
            self._waiting_since_ms = now_ms + _TICK_MS
        self.status.flush_failures += 1

    def _freshen(self, now_ms: int) -> None:
        """Reads from SQL what another ingest has written, if one has.

        Raises:
            UnavailableError: SQL does not answer.
        """
        if not self._stale:
            return
        parts = self._parts
        parts.generation.load()
        parts.evaluator = parts.registry.renew()
        parts.flusher.renew(parts.evaluator)
        parts.evaluator.listen(self.status.connected_ms or now_ms)
        self._stale = False

    def _retire(self, wanted: Retirement) -> None:
        must_be_offline(self._parts.session, wanted)
        where = "/".join(filter(None, (wanted.site, wanted.node, wanted.device)))
        log.warning("%s is retired by %s", where, wanted.who)
        self._parts.registry.retire((wanted.site, wanted.node), wanted.device)
        self._register(self._clock_ms())

    def _send(self, command: tuple[str, bytes]) -> None:
        if not self._parts.broker.publish(*command):
            raise UnavailableError("there is no session with the broker")

    def _tell(self, owner: tuple[str, str], commits: list[Commit], now_ms: int) -> None:
        """Tells a gateway what is committed: always something durable, so that it may be told at any time."""
        self._tell_all({owner: commits}, now_ms)

    def _tell_all(self, answers: Mapping[tuple[str, str], list[Commit]], now_ms: int) -> None:
        """The same for many, in one call of the socket: there is one NCMD for each gateway in each flush."""
        commands: list[tuple[str, bytes]] = []
        for owner, commits in answers.items():
            for start in range(0, len(commits), _COMMITS_PER_NCMD):
                value = pack_commits(commits[start : start + _COMMITS_PER_NCMD])
                with suppress(ValueError):  # a node that sends batches and declares no way to hear of them
                    commands.append(self._parts.session.commit_command(*owner, value, now_ms))
        self._parts.broker.publish_all(commands)

    # ---- the end -----------------------------------------------------------------------------------------------------
    def _finish(self) -> None:
        """SIGTERM: STATE offline, what has come is flushed, the gateways hear of it."""
        said = self._parts.session.offline(self._clock_ms())
        self._parts.broker.publish_and_wait(said.topic, said.payload, 2.0)
        until = time.monotonic() + 1.0
        while time.monotonic() < until and (items := self._parts.broker.take(0.05, _TAKE_MOST)):
            for item in items:
                if isinstance(item, Arrived):
                    self._handle(item, self._clock_ms())
        self._home()
        self._aside.lose(self._parking.close())
        self._launch()
        self._home()
        wait([self._writer.submit(self._parts.generation.mark, self._clock_ms(), last=True)], _LAST_MARK_S)

    def _home(self) -> None:
        """Waits for the flush under way."""
        if self._flight is not None:
            wait([self._flight.writing])
            self._land(self._flight, self._clock_ms())
