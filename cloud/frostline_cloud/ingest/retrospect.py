"""After SQL was restored: rules look again at what the store has of the time that SQL has forgotten.

    forgotten (row in SQL) -> samples of the store -> rules as SQL knew them -> retroactive incidents -> row goes on

Beside ingest and on its own rule states, so that live alerts neither wait for it nor change. What it finds is an
incident of a backlog: told as such, never as current. What is open at the end of the span is followed in the store
until it ends, or is one with a live alert. An alert that was open before the span stays the live one.
"""

from __future__ import annotations

import heapq
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import ColumnElement, Connection, Engine, Table, select

from frostline_cloud import alerts
from frostline_cloud.alerts.incident import Incident
from frostline_cloud.ingest import forgotten
from frostline_cloud.ingest.forgotten import Name, Span
from frostline_cloud.ingest.series import NODE_KIND
from frostline_cloud.rules import Rulebook, pauses
from frostline_cloud.rules.playback import Playback, Seen
from frostline_cloud.sql import read_only, translated
from frostline_cloud.sql.tables import alert, device, metric
from frostline_cloud.store import Place, Store
from frostline_core.rules import NEVER, OPEN, Phase, RuleSet, Series, Track, Transition
from frostline_core.rules.backlog import GOES_ON, OVER_BEFORE

log = logging.getLogger("frostline.ingest")

EVERY_S: Final = 1.0
WORK_S: Final = 0.5
"""One look begins no further device after so long: ingest has the processor for the rest."""
PART_MS: Final = 86_400_000
"""So much of one device's time is one transaction."""
FOLLOW_MS: Final = 60_000
"""What is open at the end of a span is looked at so often."""
SETTLED_MS: Final = 60_000
"""What is followed is read up to so long ago: a flush may be under way."""
SHOWN_MS: Final = 15_000
"""So long after the end of a span the store is first asked: VictoriaMetrics shows a new series after eleven seconds."""
DECIDED_MS: Final = 900_000
"""So long a device waits at most for what was pending in SQL to fire or end live: else it might be found twice."""

_TOLD_S: Final = 60.0
_FLYING: Final = frozenset({Phase.FIRING, Phase.CLEARING})


@dataclass(frozen=True, slots=True)
class _Scene:
    """A device as SQL knows it now, and the rules that look at it."""

    rules: RuleSet
    series: tuple[Series, ...]
    spans: tuple[tuple[int, int], ...]


class Retrospect:
    """Rules forgotten spans, device by device; `step` again and again.

    Args:
        engine: SQL.
        store: Where the samples are.
        rulebook: The rules in force, which count for the past too.
        receivers: Who is told.
        clock_ms: UTC.
        besides: Sites that are left out.
    """

    def __init__(  # noqa: PLR0913 - the wiring file hands over what it touches
        self,
        engine: Engine,
        store: Store,
        rulebook: Rulebook,
        receivers: Sequence[str],
        clock_ms: Callable[[], int],
        besides: Collection[str] = (),
    ) -> None:
        self._engine, self._store, self._rulebook, self._receivers = engine, store, rulebook, receivers
        self._clock_ms, self._besides = clock_ms, frozenset(besides)
        self._queue: deque[str] = deque()
        self._followed: dict[str, int] = {}  # key of a row to when it was looked at; as many as alerts that last
        self._told_s = 0.0
        self._ruling = False

    @property
    def left(self) -> int:
        """Devices that are not ruled yet, as of the last step."""
        return sum(key not in self._followed for key in self._queue)

    def step(self) -> None:
        """Works for half a second, or on one part of one device if that takes longer.

        Raises:
            UnavailableError: Store or SQL do not answer; the next step tries another device first.
        """
        if not self._queue:
            self._look()
        if not self._queue:
            return
        self._rulebook.refresh()
        began = time.monotonic()
        for _ in range(len(self._queue)):
            if time.monotonic() - began >= WORK_S:
                break
            key = self._queue.popleft()
            self._queue.append(key)
            if self._part(key):
                self._queue.pop()
        self._tell()

    def _look(self) -> None:
        with translated("SQL"), read_only(self._engine).connect() as connection:
            keys = forgotten.waiting(connection)
        due_ms, known = self._clock_ms() - FOLLOW_MS, set(keys)
        self._followed = {key: at_ms for key, at_ms in self._followed.items() if key in known}
        self._queue.extend(key for key in keys if self._followed.get(key, due_ms) <= due_ms)
        self._tell()

    def _tell(self) -> None:
        left, now_s = self.left, time.monotonic()
        if left and (not self._ruling or now_s - self._told_s >= _TOLD_S):
            log.warning("what SQL has forgotten is ruled from the store: %d devices are left", left)
            self._ruling, self._told_s = True, now_s
        elif not left and self._ruling:
            log.warning("what SQL had forgotten is ruled; alerts that go on: %d", len(self._followed))
            self._ruling = False

    def _part(self, key: str) -> bool:
        """Rules one part of a device; whether nothing is left to do for now."""
        with translated("SQL"), read_only(self._engine).connect() as connection:
            text = forgotten.read(connection, key)
            if text is None:
                return True
            span = Span.load(text)
            scene = self._scene(connection, span)
            pending = any(_is_undecided(each, span) for each in _incidents(connection, span))
        now_ms = self._clock_ms()
        if now_ms - span.goal_ms < (DECIDED_MS if pending else SHOWN_MS):
            return False
        most_ms = now_ms - SETTLED_MS if span.is_over else span.goal_ms
        until_ms = max(span.reached_ms, min(span.reached_ms + PART_MS, most_ms))
        found = self._play(span, scene, until_ms)
        with translated("SQL"), self._engine.begin() as connection:
            if not forgotten.is_still(connection, key, text):
                return False  # another ingest was faster
            late = list(_retroactive(found, span, _incidents(connection, span)))
            alerts.record(connection, late, self._rulebook.rules, self._receivers, now_ms)
            alerts.record(connection, _joins(connection, span), self._rulebook.rules, self._receivers, now_ms)
            forgotten.write(connection, span)
        if span.is_over and span.open:
            self._followed[key] = now_ms
        return span.is_over

    def _scene(self, connection: Connection, span: Span) -> _Scene:
        where = (span.site, span.node, span.device)
        names = connection.execute(select(metric.c.metric, metric.c.unit).where(*_is_of(metric, where))).all()
        row = connection.execute(select(device).where(*_is_of(device, where))).one_or_none()
        kind, zone, labels = (NODE_KIND, "", {}) if row is None else (row.kind, row.zone, row.labels)
        retired = row is not None and row.birth is None
        series = [Series(*where, kind, zone, name, labels, retired, unit) for name, unit in names]
        rules = [] if span.site in self._besides else [each for each in self._rulebook.rules.rules if each.in_backlog]
        rules = [rule for rule in rules if any(rule.select.applies_to(each) for each in series)]
        ids = {rule.id for rule in rules}
        watched = {watch.metric for rule in rules for watch in rule.inputs()} | {name for _, name in span.open}
        needed = [s for s in series if s.metric in watched or any(rule.select.applies_to(s) for rule in rules)]
        paused = [each for each in pauses(connection, span.first_ms, span.site) if each.covers(*where)]
        book = RuleSet.of(rules, [each for each in self._rulebook.rules.histories.values() if each.id in ids])
        return _Scene(book, tuple(needed), tuple((each.from_ms, each.to_ms) for each in paused))

    def _play(self, span: Span, scene: _Scene, until_ms: int) -> list[Transition]:
        """Shows the rules what the store has before `until_ms`, and keeps in the span what they know then."""
        found: list[Transition] = []
        if scene.series and until_ms > span.reached_ms:
            ids = {rule.id for rule in scene.rules.rules}
            known = [span.known(each.metric, ids) for each in scene.series]
            playback = Playback(scene.rules, scene.series, span.reached_ms, known, lambda _: scene.spans)
            parts = [
                self._samples(index, each, max(span.reached_ms, known[index].last_ms + 1), until_ms)
                for index, each in enumerate(scene.series)
            ]
            found = list(playback.play(heapq.merge(*parts, key=lambda each: each[:2]), until_ms - 1))
            for each, after in zip(scene.series, playback.known(), strict=True):
                span.keep(each.metric, after)
        span.reached_ms = until_ms
        return found

    def _samples(self, index: int, series: Series, from_ms: int, until_ms: int) -> Iterator[Seen]:
        place = Place(series.kind, series.site, series.node, series.device, series.zone)
        if from_ms < until_ms:
            for at_ms, value in self._store.samples(place, series.metric, from_ms, until_ms):
                yield at_ms, index, value


def _retroactive(found: Iterable[Transition], span: Span, known: Sequence[Incident]) -> Iterator[Transition]:
    """What was found, as changes of a backlog, without what is told already; keeps in the span what is open."""
    over: dict[Name, int] = {}
    for each in found:
        name = (each.rule_id, each.series.metric)
        if name in span.inherited:
            if each.after not in OPEN:
                span.inherited.discard(name)
                over[name] = each.at_ms
                if each.at_ms < span.goal_ms:
                    yield replace(each, track=Track.BACKLOG, note=OVER_BEFORE)
            continue
        if name not in span.open:
            opens = each.after in (Phase.PENDING, Phase.FIRING)
            others = [had for had in known if had.opened_ms >= over.get(name, NEVER)]
            if not opens or each.at_ms >= span.goal_ms or any(_holds(had, name, each.at_ms) for had in others):
                continue
            span.open.add(name)
        if each.after not in OPEN:
            span.open.discard(name)
            over[name] = each.at_ms
        yield replace(each, track=Track.BACKLOG)


def _joins(connection: Connection, span: Span) -> list[Transition]:
    """What lasts beyond the span and in the live samples too becomes one; forgets what somebody else has ended."""
    if not span.is_over or not span.open:
        return []
    by_name: dict[Name, dict[Track, Incident]] = {}
    for incident in _incidents(connection, span):
        if incident.state in OPEN:
            by_name.setdefault((incident.rule, incident.metric), {})[incident.track] = incident
    joined = []
    for name in sorted(span.open):
        tracks = by_name.get(name, {})
        late, live = tracks.get(Track.BACKLOG), tracks.get(Track.LIVE)
        if late is not None and (live is None or late.state not in _FLYING):
            continue
        span.open.discard(name)
        if late is not None and live is not None:
            series = Series(late.site, late.node, late.device, "", late.zone, late.metric)
            before, after, at_ms = Phase(late.state), Phase(live.state), span.goal_ms
            joined.append(Transition(late.rule, series, before, after, at_ms, late.value, None, GOES_ON, Track.JOIN))
    return joined


def _incidents(connection: Connection, span: Span) -> list[Incident]:
    """Those of the device since the span began, and what is open."""
    where = _is_of(alert, (span.site, span.node, span.device))
    recent = (alert.c.opened_ms >= span.first_ms) | alert.c.state.in_([phase.value for phase in OPEN])
    return [Incident.from_row(row) for row in connection.execute(select(alert).where(*where, recent)).mappings()]


def _is_undecided(incident: Incident, span: Span) -> bool:
    """Whether an incident was pending before the span, and the live samples have yet to say what becomes of it."""
    pends = incident.state == Phase.PENDING and incident.track is Track.LIVE
    return pends and incident.opened_ms < span.goal_ms and span.reached_ms == span.first_ms


def _holds(incident: Incident, name: Name, at_ms: int) -> bool:
    """Whether an incident that was found otherwise, in samples that a gateway sent again, is the same."""
    if (incident.rule, incident.metric) != name or incident.fired_ms is None:
        return False
    end_ms = incident.evidence.get("back_in_range_ms", incident.resolved_ms)
    return incident.opened_ms <= at_ms and (end_ms is None or at_ms <= end_ms)


def _is_of(table: Table, where: tuple[str, str, str]) -> list[ColumnElement[bool]]:
    return [table.c.site == where[0], table.c.node == where[1], table.c.device == where[2]]
