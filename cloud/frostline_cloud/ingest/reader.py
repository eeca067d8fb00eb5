"""What comes: messages and news of the connection, until they wait for a flush or in SQL's registry.

Nearly all messages go the short way: session, decode, commit queue, one object each. The others are events, and each
event has one place where it leads.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from frostline_cloud.ingest.aside import Aside
from frostline_cloud.ingest.broker import Broker, Connected, Disconnected, Incoming, Subscribed
from frostline_cloud.ingest.config import IngestConfig
from frostline_cloud.ingest.decode import Batch, batch_of, decode, owner_of
from frostline_cloud.ingest.flush import Flusher
from frostline_cloud.ingest.generation import Generation
from frostline_cloud.ingest.journal import Loss
from frostline_cloud.ingest.presence import Presence
from frostline_cloud.ingest.refusal import RefusedDataError
from frostline_cloud.ingest.registry import Registry
from frostline_cloud.ingest.series import SeriesTable
from frostline_cloud.ingest.status import IngestStatus
from frostline_cloud.ingest.told import account_of
from frostline_cloud.ingest.unread import Parking, Puzzles, mark_in, without_seq
from frostline_cloud.rules import Pauses, Rulebook
from frostline_core.commit import COMMITS_MAX, BatchMark, Commit, HostCommit, mark_of, pack_commits, unpack_batch
from frostline_core.errors import ProtocolError, UnavailableError
from frostline_core.moment import Moment
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
    Skimmed,
    StateWrong,
    Topic,
    Unresolved,
    inflated,
    topics,
)

log = logging.getLogger("frostline.ingest")


@dataclass(slots=True)
class Parts:
    """What the wiring file builds for the loop."""

    broker: Broker
    session: HostSession
    commit: HostCommit[Batch]
    registry: Registry
    series: SeriesTable
    flusher: Flusher
    evaluator: Evaluator
    generation: Generation
    check: Callable[[], None]
    """Raises UnavailableError unless store and SQL can write."""
    pauses: Pauses | None = None
    rulebook: Rulebook | None = None


class Reader:
    """Takes what comes; not for several threads.

    Args:
        parts: What it works with.
        presence: What it says of us.
        status: Where it counts.
        limits: Bounds.

    Attributes:
        aside: What waits besides numbered batches.
        parking: Messages that wait for a birth.
        gathered: Samples that wait for a flush.
    """

    def __init__(self, parts: Parts, presence: Presence, status: IngestStatus, limits: IngestConfig) -> None:
        self._parts, self._presence, self._status = parts, presence, status
        self._future_ms = limits.future_ms
        self._duplicates = 0
        parts.session.prepare(parts.series.plan)
        self._puzzles = Puzzles()
        self.aside, self.parking = Aside(limits.queue_messages), Parking()
        self.gathered = 0

    @property
    def waits(self) -> bool:
        """Whether something waits for a flush."""
        return bool(self._parts.commit.queued or self.aside.plain)

    def read(self, items: Sequence[Incoming], now: Moment) -> None:
        """Takes everything that has come, in order."""
        session, latest_ms = self._parts.session, now.utc_ms + self._future_ms
        at, count, arrived = 0, len(items), 0
        while at < count:
            skimmed = Skimmed()
            behind = session.skim(items, at, latest_ms, skimmed)
            arrived += behind - at
            self._keep_skimmed(skimmed, now)
            if behind < count:
                item = items[behind]
                arrived += isinstance(item, tuple)
                if not (isinstance(item, tuple) and self._compressed(*item, now)):
                    self._handle(item, now)
            at = behind + 1
        if arrived:
            self._status.messages += arrived

    def events(self, events: Iterable[Event], now: Moment) -> None:
        """Does what events ask for."""
        for event in events:
            try:
                self._event(event, now)
            except UnavailableError as error:  # nobody can say what is committed: as if it had not come
                self._presence.failed(now, str(error))
            except RefusedDataError as error:
                self._refuse(event, str(error))

    def tell(self, answers: Mapping[tuple[str, str], list[Commit]], now_ms: int) -> None:
        """Tells gateways what is committed, in one call of the socket: there is one NCMD for each in each flush.

        It is always something durable, so that it may be told at any time.
        """
        commands: list[tuple[str, bytes]] = []
        for owner, commits in answers.items():
            for start in range(0, len(commits), COMMITS_MAX):
                value = pack_commits(commits[start : start + COMMITS_MAX])
                with suppress(ValueError):  # a node that sends batches and declares no way to hear of them
                    commands.append(self._parts.session.commit_command(*owner, value, now_ms))
        self._parts.broker.publish_all(commands)

    def _handle(self, item: Incoming, now: Moment) -> None:
        parts, status = self._parts, self._status
        if isinstance(item, tuple):
            for event in parts.session.receive(*item, now.utc_ms, now.steady_ms):
                if event.__class__ is DataCame:
                    try:
                        self._data(event, now)
                    except UnavailableError as error:  # nobody can say what is committed: as if it had not come
                        self._presence.failed(now, str(error))
                else:
                    self.events([event], now)
        elif isinstance(item, Connected):
            parts.broker.subscribe(parts.session.subscriptions())
        elif isinstance(item, Subscribed):
            log.info("connected to the broker")
            status.connected, status.connected_ms = True, now.utc_ms
            parts.evaluator.listen(now.utc_ms)  # silence while nobody listened proves nothing
            self._presence.say(now.utc_ms)  # not before: births that it calls for would not be heard
        elif isinstance(item, Disconnected):
            if status.connected:
                log.warning("disconnected from the broker: %s", item.reason)
            elif status.notes.get("broker") != item.reason:
                log.warning("%s; trying again", item.reason)
            status.notes["broker"] = item.reason
            status.connected = False
            self.events(parts.session.connection_lost(now.utc_ms, now.steady_ms), now)

    def _keep_skimmed(self, skimmed: Skimmed, now: Moment) -> None:
        """Messages that went the short way wait for the next flush."""
        self.gathered += skimmed.samples
        for item in skimmed.plain:
            self.aside.keep(item)
        batches, size = skimmed.batches, skimmed.size
        while batches:
            done = self._parts.commit.on_next(batches, size)
            if done == len(batches):
                return
            each = batches[done]
            try:
                self._queue(mark_of(each), batch_of(each), len(each[6]), now)
            except UnavailableError as error:  # nobody can say what is committed: as if it had not come
                self._presence.failed(now, str(error))
            batches = batches[done + 1 :]
            size = sum(len(each[6]) for each in batches)

    def _compressed(self, topic: str, payload: bytes, now: Moment) -> bool:
        """Takes what is in a compressed payload; False for any other."""
        try:
            inside = inflated(payload)
        except ProtocolError as error:
            self.events([Refused(topic, payload, str(error))], now)
            return True
        if inside is payload:
            return False
        skimmed = Skimmed()
        if not self._parts.session.skim([(topic, inside)], 0, now.utc_ms + self._future_ms, skimmed):
            self._handle((topic, inside), now)
        self._keep_skimmed(skimmed, now)
        return True

    def _event(self, event: Event, now: Moment) -> None:
        registry = self._parts.registry
        match event:
            case DataCame():
                self._data(event, now)
            case NodeBorn():
                owner = (event.view.site, event.view.node)
                self._puzzles.born(owner)
                registry.node_born(event, now.utc_ms)
                self._release(event.view, "", now)
            case DeviceBorn():
                registry.device_born(event, now.utc_ms)
                self._release(event.view, event.device_view.description.id, now)
            case NodeBack():
                registry.back(event)
            case NodeDied() | DeviceDied():
                registry.died(event)
            case _:
                self._trouble(event, now)

    def _trouble(self, event: Event, now: Moment) -> None:
        match event:
            case RebirthWanted(site, node, reason):
                log.info("asking %s/%s for a rebirth: %s", site, node, reason)
                self._status.rebirths += 1
                topic, payload = self._parts.session.rebirth_command(site, node, now.utc_ms)
                self._parts.broker.publish(topic, payload)
            case SequenceGap(view, expected, got):
                if not view.proved:
                    reason = f"sequence gap: expected {expected}, got {got}; how much is not known"
                    self.aside.lose([Loss(view.site, view.node, None, None, None, reason)])
            case Refused(topic, raw, reason):
                self._status.refused += 1
                self.aside.bury(topic, raw, reason)
            case Unresolved():
                self._status.unresolved += 1
                self._unread(event, now)
            case StateWrong():
                self._presence.say(now.utc_ms)

    def _data(self, event: DataCame, now: Moment) -> None:
        view = event.view
        try:
            mark = unpack_batch(event.batch) if event.batch is not None else None
            told = account_of(event) if mark is None and view.proved else None
        except ProtocolError as error:
            self._status.refused += 1
            self.aside.bury(event.topic, event.raw, str(error))
            return
        if told is not None:
            self.aside.tell((view.site, view.node), told)
        if mark is None and view.proved:
            return  # a proved node's samples are batches; anything else only shows the present
        self._keep(mark, decode(event, now.utc_ms + self._future_ms), len(event.raw), now)

    def _keep(self, mark: BatchMark | None, batch: Batch, size: int, now: Moment) -> None:
        """A message waits for the next flush; a batch that is not the next of its run is answered."""
        self.gathered += batch.good
        if mark is None:
            self.aside.keep(batch)
        else:
            self._queue(mark, batch, size, now)

    def _queue(self, mark: BatchMark, batch: Batch, size: int, now: Moment) -> None:
        commit, owner = self._parts.commit, owner_of(batch)
        answer = commit.on_data(mark, batch, size, now.steady_ms)
        if commit.statistics.duplicates != self._duplicates:
            self._duplicates = commit.statistics.duplicates
            self.aside.duplicate(owner, batch.count)
            self._status.duplicates += batch.count
        if answer is not None:
            self.tell({owner: [answer]}, now.utc_ms)

    def _unread(self, event: Unresolved, now: Moment) -> None:
        """A message that needs a birth, which was asked for: a plain node's waits, any other's comes again."""
        view, commit = self._parts.session.node(event.site, event.node), self._parts.commit
        if view is None or not view.proved:
            self.parking.park(event, view, now)
            return
        mark, owner = mark_in(view, event), (event.site, event.node)
        if mark is None:
            return
        if self._puzzles.hopeless(owner, mark, commit.known(mark.run)):
            reason = f"not readable after three births: {event.reason}"
            place = topics.parse(event.topic)
            batch = Batch(event.site, event.node, place.device, event.topic, event.raw, [], [], unfit=reason)
            answer = commit.on_data(mark, batch, len(event.raw), now.steady_ms)
        else:
            answer = commit.unreadable(mark, now.steady_ms)
        if answer is not None:
            self.tell({owner: [answer]}, now.utc_ms)

    def _release(self, view: NodeView, device: str, now: Moment) -> None:
        """A birth came: what waited for it is read."""
        if not len(self.parking):
            return
        for each in self.parking.born(view, device):
            self.events(self._parts.session.receive(each.topic, without_seq(each.raw), now.utc_ms, now.steady_ms), now)

    def _refuse(self, event: Event, reason: str) -> None:
        """A birth that cannot be taken as it is is a dead letter."""
        self._status.refused += 1
        log.error("a birth is a dead letter: %s", reason)
        if isinstance(event, NodeBorn):
            self.aside.bury(str(Topic(MessageType.NBIRTH, event.view.site, event.view.node)), event.raw, reason)
        elif isinstance(event, DeviceBorn):
            device = event.device_view.description.id
            self.aside.bury(str(Topic(MessageType.DBIRTH, event.view.site, event.view.node, device)), event.raw, reason)
