"""A bundle: many rows of the outbox that are told as one message, a digest or a group's."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, update

from frostline_cloud.alerts.event import EventType
from frostline_cloud.notify.outbox import Fate, RowState, Tried, note, parts
from frostline_cloud.sql.tables import outbox


@dataclass(frozen=True, slots=True)
class Bundle:
    """What this process works on until the lease ends.

    Attributes:
        id: Made from the rows, so that another attempt with the same rows has it too.
        type: DIGEST or GROUP.
        body: JSON.
        rows: Ids, and when each was written.
        attempts: Of the row that was tried most often, this attempt included.
        lease_ms: Until when they are held; it also says whose they are.
        group: Id of the group; "" for a digest.
        firing: Alerts of the group that fire, as the message says.
    """

    id: str
    type: EventType
    body: str
    rows: tuple[tuple[str, int], ...]
    attempts: int
    lease_ms: int
    group: str = ""
    firing: int = 0


def bundle_id(prefix: str, rows: Sequence[Row[Any]]) -> str:
    """The same for the same rows, in whatever order."""
    return f"{prefix}_{hashlib.sha256(' '.join(sorted(row.id for row in rows)).encode()).hexdigest()[:32]}"


def take(connection: Connection, rows: Sequence[Row[Any]], until_ms: int) -> int:
    """Holds rows until the lease ends; returns the number of this attempt."""
    for ids in parts([row.id for row in rows]):
        held = {"attempts": outbox.c.attempts + 1, "due_ms": until_ms}
        connection.execute(update(outbox).where(outbox.c.id.in_(ids)).values(**held))
    return 1 + max(int(row.attempts) for row in rows)


def finish(connection: Connection, bundle: Bundle, tried: Tried, fate: Fate, oldest_ms: int) -> list[str]:
    """Writes what became of a bundle for each of its rows.

    Args:
        connection: In a transaction that may write.
        bundle: What was attempted.
        tried: The attempt.
        fate: Of the rows.
        oldest_ms: Where they wait: what was written before that is dead instead.

    Returns:
        Ids of the rows that are dead.
    """
    dead: list[str] = []
    for rows in parts(bundle.rows):
        for ids, becomes in _fates(rows, fate, oldest_ms):
            mark = bundle.id if becomes.state is RowState.DELIVERED else None
            mine = (outbox.c.id.in_(ids), outbox.c.due_ms == bundle.lease_ms)
            query = update(outbox).where(*mine, outbox.c.state == RowState.WAITING.value)
            done_ms = None if becomes.state is RowState.WAITING else tried.at_ms + tried.took_ms
            values = {"state": becomes.state.value, "due_ms": becomes.due_ms, "done_ms": done_ms, "digest": mark}
            changed = connection.scalars(query.values(**values).returning(outbox.c.id)).all()
            dead += changed if becomes.state is RowState.DEAD else []
    note(connection, bundle.rows[0][0], tried)
    return dead


def _fates(rows: Sequence[tuple[str, int]], fate: Fate, oldest_ms: int) -> list[tuple[list[str], Fate]]:
    if fate.state is not RowState.WAITING:
        return [([message_id for message_id, _ in rows], fate)]
    old = [message_id for message_id, created_ms in rows if created_ms < oldest_ms]
    young = [message_id for message_id, created_ms in rows if created_ms >= oldest_ms]
    given_up = Fate(RowState.DEAD, fate.due_ms)
    return [(ids, becomes) for ids, becomes in ((old, given_up), (young, fate)) if ids]
