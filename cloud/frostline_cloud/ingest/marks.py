"""What the store was told of flushes, kept in SQL: so it is noticed that a store has forgotten what it had taken.

    setting, "generation/marks"     JSON, oldest first: [[number, at_ms], ...]

A mark says that the store had all flushes up to a number, the last one of that time (UTC ms), and was told the number
after them. A store that knows of less was emptied, restored from a backup, or replaced by another: what came after the
newest mark that it still has is no longer in it, though gateways were told that it is committed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select

from frostline_cloud.ingest import journal
from frostline_cloud.ingest.journal import Loss
from frostline_cloud.sql.tables import node, setting

FORGOTTEN: Final = "the store has forgotten it: emptied, restored or replaced"
MARKS_MOST: Final = 256
"""Beyond it every second one of the older half goes: the newest by ten seconds each, what is older more coarsely."""
_KEY: Final = "generation/marks"


@dataclass(frozen=True, slots=True)
class Mark:
    """The store was told of a flush: its number, and when it was."""

    number: int
    at_ms: int


class Marks:
    """What this process knows of them; `load` first. Only `told` may be called by another thread."""

    def __init__(self) -> None:
        self._kept: tuple[Mark, ...] = ()
        self._next: tuple[Mark, ...] | None = None
        self._told: Mark | None = None

    @property
    def number(self) -> int:
        """Of the newest one in SQL; 0 without one."""
        return self._kept[-1].number if self._kept else 0

    def load(self, connection: Connection) -> None:
        """Reads what SQL says."""
        found = connection.scalar(select(setting.c.value).where(setting.c.key == _KEY))
        self._kept, self._next = tuple(Mark(*each) for each in json.loads(found)) if found else (), None

    def told(self, mark: Mark) -> None:
        """The store has taken it; it is kept with the next flush."""
        self._told = mark

    def save(self, connection: Connection) -> None:
        """Keeps what the store was told since, in the transaction of a flush."""
        told, self._next = self._told, None
        if told is not None and told.number > self.number:
            self._write(connection, _fewer((*self._kept, told)))

    def settled(self) -> None:
        """The transaction is durable."""
        if self._next is not None:
            self._kept, self._next = self._next, None

    def list_forgotten(self, connection: Connection, in_store: int, now_ms: int) -> None:
        """Lists what a store has forgotten, for every gateway, and the marks that it no longer has go.

        Args:
            connection: In a transaction.
            in_store: The highest number that the store knows of.
            now_ms: UTC; what is written from now on is in the store.
        """
        left = tuple(each for each in self._kept if each.number <= in_store)
        self._write(connection, left)
        self._told = None
        span = (left[-1].at_ms if left else None, now_ms)
        owners = connection.execute(select(node.c.site, node.c.node)).all()
        losses = [Loss(owner.site, owner.node, None, None, None, FORGOTTEN, None, *span) for owner in owners]
        journal.list_losses(connection, losses, now_ms)

    def _write(self, connection: Connection, marks: tuple[Mark, ...]) -> None:
        self._next = marks
        journal.put_setting(connection, _KEY, json.dumps([[each.number, each.at_ms] for each in marks]))


def _fewer(marks: tuple[Mark, ...]) -> tuple[Mark, ...]:
    half = MARKS_MOST // 2
    return marks if len(marks) <= MARKS_MOST else (*marks[:-half:2], *marks[-half:])
