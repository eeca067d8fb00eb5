"""The outbox: which notification is next, who works on it, and what became of it.

A row is `waiting` until it is `delivered`, `dead` (given up), `collapsed` (a later one says more) or `skipped` (the
receiver wants no such). To claim a row is to raise `attempts` and to move `due_ms` to the end of a lease, by
compare-and-swap: of several processes one wins, and if that one dies the row is due again when the lease ends. Of one
incident a receiver gets one notification at a time, in the order of revisions.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, exists, insert, select, update

from frostline_cloud.alerts.event import EventType
from frostline_cloud.notify.receivers.receiver import Attempt
from frostline_cloud.sql.tables import delivery, outbox


class RowState(StrEnum):
    """The states of a row."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"
    COLLAPSED = "collapsed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Claim:
    """A row that this process works on until the lease ends.

    Attributes:
        id: The notification's id.
        alert: Its incident.
        type: For example `alert.firing`.
        severity: Of the incident when the notification was written.
        body: JSON.
        created_ms: When it was written.
        attempts: This attempt included.
    """

    id: str
    alert: str
    type: str
    severity: str
    body: str
    created_ms: int
    attempts: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended.

    Attributes:
        claim: What was attempted.
        attempt: What became of it.
        at_ms: When it began.
        took_ms: How long it took.
        state: The row's state from now on.
        due_ms: When to try again, where `state` is waiting.
    """

    claim: Claim
    attempt: Attempt
    at_ms: int
    took_ms: int
    state: RowState
    due_ms: int


def due(connection: Connection, receiver: str, now_ms: int, limit: int) -> Sequence[Row[Any]]:
    """Rows of a receiver to be worked on now: due, and the first of their incident that waits."""
    earlier = outbox.alias("earlier")
    before = exists().where(
        earlier.c.alert == outbox.c.alert,
        earlier.c.receiver == outbox.c.receiver,
        earlier.c.state == RowState.WAITING.value,
        earlier.c.revision < outbox.c.revision,
    )
    query = select(outbox).where(*_waiting(receiver), outbox.c.due_ms <= now_ms, ~before)
    return connection.execute(query.order_by(outbox.c.due_ms, outbox.c.id).limit(limit)).all()


def claim(connection: Connection, row: Row[Any], types: Sequence[str], lease_ms: tuple[int, int]) -> Claim | None:
    """Takes a row, or the later one that says more; None if somebody else has it.

    Where an incident has been resolved before its firing was delivered, the firing is stale: only "resolved" is sent,
    which also says when it fired. Of several updates only the newest is sent.

    Args:
        connection: In a transaction that may write.
        row: From `due`.
        types: What the receiver wants; empty for all.
        lease_ms: From now until when the row is held.
    """
    now_ms, until_ms = lease_ms
    held = {"attempts": row.attempts + 1, "due_ms": until_ms}
    unchanged = (
        outbox.c.state == RowState.WAITING.value,
        outbox.c.attempts == row.attempts,
        outbox.c.due_ms == row.due_ms,
    )
    if connection.execute(update(outbox).where(outbox.c.id == row.id, *unchanged).values(**held)).rowcount != 1:
        return None
    newest = _successor(connection, row, types)
    if newest is not None:
        passed = (*_waiting(row.receiver), outbox.c.alert == row.alert, outbox.c.revision < newest.revision)
        connection.execute(update(outbox).where(*passed).values(state=RowState.COLLAPSED.value, done_ms=now_ms))
        connection.execute(update(outbox).where(outbox.c.id == newest.id).values(**held))
        row = newest
    severity = str(json.loads(row.body)["incident"]["severity"])
    return Claim(row.id, row.alert, row.type, severity, row.body, row.created_ms, held["attempts"])


def finish(connection: Connection, outcome: Outcome) -> None:
    """Writes what became of an attempt; if the lease had ended and another took the row, only the attempt is noted."""
    done = None if outcome.state is RowState.WAITING else outcome.at_ms + outcome.took_ms
    mine = (outbox.c.id == outcome.claim.id, outbox.c.attempts == outcome.claim.attempts)
    still = (*mine, outbox.c.state == RowState.WAITING.value)
    values = {"state": outcome.state.value, "due_ms": outcome.due_ms, "done_ms": done}
    connection.execute(update(outbox).where(*still).values(**values))
    connection.execute(
        insert(delivery).values(
            outbox=outcome.claim.id,
            at_ms=outcome.at_ms,
            status=outcome.attempt.status,
            error=outcome.attempt.error,
            took_ms=outcome.took_ms,
        )
    )


def settle(connection: Connection, message_id: str, state: RowState, now_ms: int) -> None:
    """Ends a row without an attempt."""
    mine = (outbox.c.id == message_id, outbox.c.state == RowState.WAITING.value)
    connection.execute(update(outbox).where(*mine).values(state=state.value, done_ms=now_ms))


def bury(connection: Connection, served: Sequence[str], before_ms: int, now_ms: int) -> int:
    """Gives up what was written before a time for receivers that nobody serves; returns how many."""
    old = (outbox.c.state == RowState.WAITING.value, outbox.c.created_ms < before_ms)
    unserved = update(outbox).where(*old, outbox.c.receiver.not_in(served))
    return connection.execute(unserved.values(state=RowState.DEAD.value, done_ms=now_ms)).rowcount


def revive(connection: Connection, now_ms: int, receiver: str | None = None) -> int:
    """Lets dead notifications wait again, for another 24 h; returns how many.

    One stays dead where its receiver has already been told something newer of the same incident.

    Args:
        connection: In a transaction that may write.
        now_ms: The clock.
        receiver: Only those of this receiver; None for all.
    """
    later = outbox.alias("later")
    newer = exists().where(
        later.c.alert == outbox.c.alert,
        later.c.receiver == outbox.c.receiver,
        later.c.state == RowState.DELIVERED.value,
        later.c.revision > outbox.c.revision,
    )
    dead = update(outbox).where(outbox.c.state == RowState.DEAD.value, ~newer)
    if receiver is not None:
        dead = dead.where(outbox.c.receiver == receiver)
    again = {"state": RowState.WAITING.value, "attempts": 0, "created_ms": now_ms, "due_ms": now_ms, "done_ms": None}
    return connection.execute(dead.values(**again)).rowcount


def _waiting(receiver: str) -> tuple[Any, ...]:
    return (outbox.c.receiver == receiver, outbox.c.state == RowState.WAITING.value)


def _successor(connection: Connection, row: Row[Any], types: Sequence[str]) -> Row[Any] | None:
    """A later row of the same incident that makes this one needless."""
    later = select(outbox).where(*_waiting(row.receiver), outbox.c.alert == row.alert, outbox.c.revision > row.revision)
    found = connection.execute(later.order_by(outbox.c.revision)).all()
    rows = [each for each in found if not types or each.type in types]
    ends = [each for each in rows if each.type == EventType.RESOLVED]
    if ends:
        return ends[0]
    updates = [each for each in rows if each.type == EventType.UPDATED]
    return updates[-1] if updates and row.type == EventType.UPDATED else None
