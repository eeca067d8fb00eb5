"""The outbox: which notification is next, who works on it, and what became of it.

A row is `waiting` until it is `delivered`, `dead` (given up), `collapsed` (a later one says more) or `skipped` (the
receiver wants no such). A row to `*` is news that has yet to be addressed; then it is `dispatched`, or `muted`
where its alert is not told (shelved, silenced, inhibited). To claim a row is
to raise `attempts` and to move `due_ms` to the end of a lease, by compare-and-swap: of several processes one wins, and
if that one dies the row is due again when the lease ends. Of one incident a receiver gets one notification at a time,
in the order of revisions. A row with `grouping` is told with its group. A row with `held_ms` is over its receiver's
budget and goes with the next digest; when something critical of its incident follows, it is let go again, so that
nothing critical ever waits.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, Connection, Row, exists, insert, select, update

from frostline_cloud.alerts.event import EventType
from frostline_cloud.notify.receivers.receiver import Attempt
from frostline_cloud.sql.tables import delivery, outbox

UNADDRESSED: Final = "*"
"""The receiver of news that dispatch has yet to address."""

AT_ONCE: Final = 500
"""Rows that one statement names, at most."""

_IDS = uuid.UUID("f3a5c7a2-6f0e-4b0e-9a51-0d1f5c1c1a77")


class RowState(StrEnum):
    """The states of a row."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"
    COLLAPSED = "collapsed"
    SKIPPED = "skipped"
    DISPATCHED = "dispatched"
    MUTED = "muted"


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
class Tried:
    """An attempt that is over.

    Attributes:
        attempt: What became of it.
        at_ms: When it began.
        took_ms: How long it took.
    """

    attempt: Attempt
    at_ms: int
    took_ms: int


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of what was attempted.

    Attributes:
        state: Of its rows from now on.
        due_ms: When to try again, where `state` is waiting; else when that was written.
    """

    state: RowState
    due_ms: int


def new_id(origin: str, receiver: str) -> str:
    """The id of a notification that follows from another: the same each time, so that a repeated step adds nothing."""
    return f"msg_{uuid.uuid5(_IDS, f'{origin}/{receiver}').hex}"


def waiting(receiver: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """The condition of a receiver's open rows."""
    return (outbox.c.receiver == receiver, outbox.c.state == RowState.WAITING.value)


def due(connection: Connection, receiver: str, now_ms: int, limit: int) -> Sequence[Row[Any]]:
    """Rows of a receiver to be worked on now: due, not held, in no group, and the first of their incident that waits.

    Critical ones come first. `pressed` says that something critical of the same incident waits behind the row. Asked
    for the two apart, each in the order of an index: however many wait, no more is read than is asked for.
    """
    earlier = outbox.alias("earlier")
    before = exists().where(
        earlier.c.alert == outbox.c.alert,
        earlier.c.receiver == outbox.c.receiver,
        earlier.c.state == RowState.WAITING.value,
        earlier.c.revision < outbox.c.revision,
    )
    alone = (outbox.c.grouping.is_(None), outbox.c.held_ms.is_(None))
    query = select(outbox, pressed().label("pressed")).where(*waiting(receiver), *alone, outbox.c.due_ms <= now_ms)
    query = query.where(~before).order_by(outbox.c.due_ms, outbox.c.id)
    found = list(connection.execute(query.where(outbox.c.critical.is_(True)).limit(limit)))
    if len(found) < limit:
        found += connection.execute(query.where(outbox.c.critical.is_(False)).limit(limit - len(found)))
    return found


def pressed() -> ColumnElement[bool]:
    """Whether something critical of a row's incident waits behind it for the same receiver."""
    later = outbox.alias("later")
    return exists().where(
        later.c.alert == outbox.c.alert,
        later.c.receiver == outbox.c.receiver,
        later.c.state == RowState.WAITING.value,
        later.c.revision > outbox.c.revision,
        later.c.critical,
    )


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
        passed = (*waiting(row.receiver), outbox.c.alert == row.alert, outbox.c.revision < newest.revision)
        connection.execute(update(outbox).where(*passed).values(state=RowState.COLLAPSED.value, done_ms=now_ms))
        connection.execute(update(outbox).where(outbox.c.id == newest.id).values(held_ms=None, **held))
        row = newest
    severity = str(orjson.loads(row.body)["incident"]["severity"])
    return Claim(row.id, row.alert, row.type, severity, row.body, row.created_ms, held["attempts"])


def finish(connection: Connection, claimed: Claim, tried: Tried, fate: Fate) -> None:
    """Writes what became of an attempt; if the lease had ended and another took the row, only the attempt is noted."""
    mine = (outbox.c.id == claimed.id, outbox.c.attempts == claimed.attempts)
    still = (*mine, outbox.c.state == RowState.WAITING.value)
    done_ms = None if fate.state is RowState.WAITING else tried.at_ms + tried.took_ms
    values = {"state": fate.state.value, "due_ms": fate.due_ms, "done_ms": done_ms}
    connection.execute(update(outbox).where(*still).values(**values))
    note(connection, claimed.id, tried)


def note(connection: Connection, message_id: str, tried: Tried) -> None:
    """Writes an attempt down."""
    values = {"at_ms": tried.at_ms, "status": tried.attempt.status, "error": tried.attempt.error}
    connection.execute(insert(delivery).values(outbox=message_id, took_ms=tried.took_ms, **values))


def settle(connection: Connection, ids: Sequence[str], state: RowState, now_ms: int) -> None:
    """Ends rows that wait, without an attempt."""
    for some in parts(ids):
        mine = (outbox.c.id.in_(some), outbox.c.state == RowState.WAITING.value)
        connection.execute(update(outbox).where(*mine).values(state=state.value, done_ms=now_ms))


def parts(items: Sequence[Any]) -> list[Sequence[Any]]:
    """As many as one statement may name."""
    return [items[start : start + AT_ONCE] for start in range(0, len(items), AT_ONCE)]


def bury(connection: Connection, served: Sequence[str], before_ms: int, now_ms: int) -> list[tuple[str, str]]:
    """Gives up what was written before a time for receivers that nobody serves, `AT_ONCE` rows at most.

    Returns:
        The id and the receiver of each.
    """
    old = (outbox.c.state == RowState.WAITING.value, outbox.c.created_ms < before_ms)
    unserved = select(outbox.c.id, outbox.c.receiver).where(*old, outbox.c.receiver.not_in([UNADDRESSED, *served]))
    found = [(row.id, row.receiver) for row in connection.execute(unserved.limit(AT_ONCE))]
    settle(connection, [message_id for message_id, _ in found], RowState.DEAD, now_ms)
    return found


def redirect(connection: Connection, receiver: str, to: str, now_ms: int) -> int:
    """Gives what waits for one receiver to another, which may have it already; returns how many moved."""
    there = outbox.alias("there")
    has = exists().where(there.c.alert == outbox.c.alert, there.c.revision >= outbox.c.revision, there.c.receiver == to)
    moved = connection.execute(
        update(outbox)
        .where(*waiting(receiver), ~has)
        .values(receiver=to, attempts=0, due_ms=now_ms, created_ms=now_ms, held_ms=None, grouping=None)
    ).rowcount
    rest = update(outbox).where(*waiting(receiver))
    connection.execute(rest.values(state=RowState.COLLAPSED.value, done_ms=now_ms))
    return moved


def stand_in(connection: Connection, ids: Sequence[str], to: str, now_ms: int) -> int:
    """Gives copies of notifications to another receiver, but where that has it or something newer of the incident.

    Returns:
        How many.
    """
    there = outbox.alias("there")
    has = exists().where(there.c.alert == outbox.c.alert, there.c.receiver == to, there.c.revision >= outbox.c.revision)
    made = 0
    for some in parts(ids):
        lacking = connection.execute(select(outbox).where(outbox.c.id.in_(some), ~has)).all()
        if lacking:
            connection.execute(insert(outbox), [addressed(row, (to, row.route), now_ms) for row in lacking])
        made += len(lacking)
    return made


def addressed(
    origin: Row[Any], to: tuple[str, str | None], now_ms: int, body: Mapping[str, Any] | None = None, what: str = ""
) -> dict[str, Any]:
    """The values of a new row that tells one receiver what another row says.

    Args:
        origin: What it follows from.
        to: The receiver, and the route that chose it.
        now_ms: The clock.
        body: What to say, where it is not what `origin` says; its id is set.
        what: What the id is made of beside the receiver; "" for the id of `origin`.
    """
    receiver, route = to
    said = dict(orjson.loads(origin.body) if body is None else body)
    said["id"] = new_id(what or origin.id, receiver)
    return {
        "id": said["id"],
        "alert": origin.alert,
        "revision": said["revision"],
        "type": said["type"],
        "receiver": receiver,
        "body": orjson.dumps(said).decode(),
        "state": RowState.WAITING.value,
        "created_ms": now_ms,
        "due_ms": now_ms,
        "attempts": 0,
        "critical": origin.critical,
        "route": route,
    }


def _successor(connection: Connection, row: Row[Any], types: Sequence[str]) -> Row[Any] | None:
    """A later row of the same incident that makes this one needless."""
    later = select(outbox).where(*waiting(row.receiver), outbox.c.alert == row.alert, outbox.c.revision > row.revision)
    found = connection.execute(later.order_by(outbox.c.revision)).all()
    rows = [each for each in found if not types or each.type in types]
    ends = [each for each in rows if each.type == EventType.RESOLVED]
    if ends:
        return ends[0]
    updates = [each for each in rows if each.type == EventType.UPDATED]
    return updates[-1] if updates and row.type == EventType.UPDATED else None
