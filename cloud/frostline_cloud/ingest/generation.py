"""The generation: how often SQL was written by a flush, kept in SQL and, a little later, in the store.

Each flush counts it up in its own transaction, and only if nobody else has: so two ingests at once notice each other
whatever they wrote. And each is told to the store now and then, after SQL: a store that knows of more flushes than SQL
says that SQL was restored from a backup (commit protocol, section 5). So does an ingest that has written more itself:
a standby that was behind has taken over. A store that knows of fewer than it was told (`marks`) has forgotten.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine, bindparam, select, update

from frostline_cloud.ingest import forgotten, journal
from frostline_cloud.ingest.journal import Loss
from frostline_cloud.ingest.marks import Mark, Marks
from frostline_cloud.sql import translated
from frostline_cloud.sql.tables import node, setting
from frostline_cloud.store.port import Store
from frostline_core.commit import RESTORED
from frostline_core.errors import FrostlineError, UnavailableError

log = logging.getLogger("frostline.ingest")

MARK_EVERY_MS: Final = 10_000
_KEY: Final = "generation"
_COUNT_UP: Final = (
    update(setting)
    .where(setting.c.key == _KEY, setting.c.value == bindparam("b_known"))
    .values(value=bindparam("b_next"))
)


class OvertakenError(FrostlineError):
    """Another ingest process has written: reload from SQL and start over."""


@dataclass(frozen=True, slots=True)
class _Reached:
    """A row of SQL: its text, which is what is compared and swapped, and what it says."""

    text: str
    number: int
    at_ms: int

    @classmethod
    def of(cls, number: int, at_ms: int) -> _Reached:
        return cls(json.dumps({"number": number, "at_ms": at_ms}), number, at_ms)

    @classmethod
    def read(cls, text: str) -> _Reached:
        told = json.loads(text)
        return cls(text, int(told["number"]), int(told["at_ms"]))


class Generation:
    """What this process knows of the generation; `load` first."""

    def __init__(self, engine: Engine, store: Store) -> None:
        self._engine, self._store = engine, store
        self._known = self._next = _Reached.of(0, 0)
        self._marked = self._marked_ms = 0
        self._compared = False
        self._marks = Marks()
        self._in_store: int | None = None  # what a store knows of that has forgotten since it was last told

    @property
    def number(self) -> int:
        """Of the last flush that this process knows of."""
        return self._known.number

    def load(self, now_ms: int) -> None:
        """Reads what SQL says; before rule states are read, so that a flush in between is noticed.

        If SQL went back under this process, what it has forgotten is listed as lost, and to be ruled.

        Raises:
            UnavailableError: SQL does not answer.
        """
        with translated("SQL"), self._engine.begin() as connection:
            known = _current(connection)
            self._marks.load(connection)
            reached = self._known.number
            went_back = known.number < reached
            self._known = self._list(connection, known, reached, now_ms) if went_back else known
        if went_back:
            _say(known, reached, "this process")

    def advance(self, connection: Connection, now_ms: int) -> None:
        """Counts up, in the transaction of a flush.

        Raises:
            OvertakenError: Another ingest has counted since.
        """
        self._next = _Reached.of(self._known.number + 1, now_ms)
        values = {"b_known": self._known.text, "b_next": self._next.text}
        if connection.execute(_COUNT_UP, values).rowcount != 1:
            raise OvertakenError("another ingest process has written; starting over from what SQL says")
        if self._in_store is None:
            self._marks.save(connection)
        else:
            self._marks.list_forgotten(connection, self._in_store, now_ms)

    def settled(self) -> None:
        """The flush is durable."""
        self._known = self._next
        self._marks.settled()
        if self._in_store is not None:
            self._marked, self._in_store = self._in_store, None

    def due(self, now_ms: int) -> bool:
        """Whether the store should be told."""
        return self._known.number > self._marked and not 0 <= now_ms - self._marked_ms < MARK_EVERY_MS

    def mark(self, now_ms: int, *, last: bool = False) -> None:
        """Tells the store, each 10 s at most and at a clean stop; a store that is away is told later."""
        if not last and not self.due(now_ms):
            return
        known, self._marked_ms = self._known, now_ms
        try:
            in_store = self._store.generation(self._marked)
            if in_store < self._marked:
                _say_forgotten(in_store, self._marked)
                self._in_store = in_store
                return
            self._store.mark_generation(known.number)
        except UnavailableError as error:
            log.debug("generation %d is not in the store yet: %s", known.number, error)
            return
        self._marked = known.number
        self._marks.told(Mark(known.number, known.at_ms))

    def compare(self, now_ms: int) -> bool:
        """Once per process: whether SQL went back; then what it has forgotten is listed as lost, and to be ruled.

        What was committed in that time is in the store; SQL no longer knows of it, nor of the alerts and the account.
        If the store has forgotten instead, that is listed: gateways may still have it, to be asked for again.

        Raises:
            UnavailableError: SQL or the store does not answer, or is not sure yet; ask again.
        """
        if self._compared:
            return False
        in_store = self._store.generation(self._marks.number)
        with translated("SQL"), self._engine.begin() as connection:
            known = _current(connection)
            went_back = in_store > known.number
            marked = self._marks.number
            if went_back:
                self._known = self._list(connection, known, in_store, now_ms)
            elif in_store < marked:
                self._marks.list_forgotten(connection, in_store, now_ms)
        self._marks.settled()
        self._compared = True
        if went_back:
            _say(known, in_store, "the store")
        elif in_store < marked:
            _say_forgotten(in_store, marked)
        return went_back

    def _list(self, connection: Connection, known: _Reached, reached: int, now_ms: int) -> _Reached:
        """Lists what SQL has forgotten, and has it ruled; returns where to go on, which is written."""
        owners = connection.execute(select(node.c.site, node.c.node)).all()
        span = (known.at_ms or None, now_ms)
        losses = [Loss(owner.site, owner.node, None, None, None, RESTORED, None, *span) for owner in owners]
        journal.list_losses(connection, losses or [Loss("", "", None, None, None, RESTORED, None, *span)], now_ms)
        forgotten.enlist(connection, known.at_ms, now_ms)
        onward = _Reached.of(reached + 1, now_ms)
        journal.put_setting(connection, _KEY, onward.text)
        return onward


def _say(known: _Reached, reached: int, who: str) -> None:
    text = "SQL was restored: it knows of %d flushes, %s of %d; what it has forgotten is listed as lost"
    log.error(text, known.number, who, reached)


def _say_forgotten(in_store: int, told: int) -> None:
    text = "the store knows of %d flushes and was told of %d; what it has forgotten is listed as lost: ask for it again"
    log.error(text, in_store, told)


def _current(connection: Connection) -> _Reached:
    found = connection.scalar(select(setting.c.value).where(setting.c.key == _KEY))
    if found is not None:
        return _Reached.read(found)
    first = _Reached.of(0, 0)
    journal.put_setting(connection, _KEY, first.text)
    return first
