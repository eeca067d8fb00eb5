"""A bundle: many rows of the outbox that are told as one message, a digest or a group's."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, update

from frostline_cloud.alerts.event import EventType
from frostline_cloud.notify.outbox import AT_ONCE, RowState, note_attempt
from frostline_cloud.notify.receivers.receiver import Attempt
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


def settle(connection: Connection, ids: Sequence[str], state: RowState, now_ms: int) -> None:
    """Ends rows that wait, without an attempt."""
    for some in parts(ids):
        mine = (outbox.c.id.in_(some), outbox.c.state == RowState.WAITING.value)
        connection.execute(update(outbox).where(*mine).values(state=state.value, done_ms=now_ms))


def finish(
    connection: Connection, bundle: Bundle, attempt: Attempt, when: tuple[int, int], ends: tuple[RowState, int, int]
) -> int:
    """Writes what became of a bundle for each of its rows; returns how many are dead.

    Args:
        connection: In a transaction that may write.
        bundle: What was attempted.
        attempt: What became of it.
        when: When it began, and how long it took.
        ends: The rows' state from now on; when to try again, or when it was done; and of what age a row that would
            wait is dead instead.
    """
    state, due_ms, oldest_ms = ends
    dead = 0
    for rows in parts(bundle.rows):
        for ids, becomes in _fates(rows, state, oldest_ms):
            done = None if becomes is RowState.WAITING else due_ms
            mark = bundle.id if becomes is RowState.DELIVERED else None
            mine = (outbox.c.id.in_(ids), outbox.c.due_ms == bundle.lease_ms)
            query = update(outbox).where(*mine, outbox.c.state == RowState.WAITING.value)
            changed = query.values(state=becomes.value, due_ms=due_ms, done_ms=done, digest=mark)
            count = connection.execute(changed).rowcount
            dead += count if becomes is RowState.DEAD else 0
    note_attempt(connection, bundle.rows[0][0], attempt, when)
    return dead


def parts(items: Sequence[Any]) -> list[Sequence[Any]]:
    """As many as one statement may name."""
    return [items[start : start + AT_ONCE] for start in range(0, len(items), AT_ONCE)]


def _fates(rows: Sequence[tuple[str, int]], state: RowState, oldest_ms: int) -> list[tuple[list[str], RowState]]:
    if state is not RowState.WAITING:
        return [([message_id for message_id, _ in rows], state)]
    old = [message_id for message_id, created_ms in rows if created_ms < oldest_ms]
    young = [message_id for message_id, created_ms in rows if created_ms >= oldest_ms]
    return [(ids, becomes) for ids, becomes in ((old, RowState.DEAD), (young, RowState.WAITING)) if ids]
