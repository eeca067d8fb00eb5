"""Notifications that were given up: what they were, and a second chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, exists, func, select, update

from frostline_cloud.notify.outbox import RowState
from frostline_cloud.sql.tables import delivery, outbox


@dataclass(frozen=True, slots=True)
class DeadNotice:
    """A notification that was given up.

    Attributes:
        id: Its id, the same as before when it is sent again.
        receiver: Who should have had it.
        type: For example `alert.firing`.
        alert: Its incident.
        created_ms: When it was written.
        done_ms: When it was given up.
        attempts: How often it was tried.
        error: Of the last attempt.
    """

    id: str
    receiver: str
    type: str
    alert: str
    created_ms: int
    done_ms: int | None
    attempts: int
    error: str


def dead_letters(connection: Connection, receiver: str | None = None, limit: int = 100) -> list[DeadNotice]:
    """The newest `limit` notifications that were given up, of one receiver or of all."""
    query = select(outbox).where(outbox.c.state == RowState.DEAD.value)
    if receiver is not None:
        query = query.where(outbox.c.receiver == receiver)
    rows = connection.execute(query.order_by(outbox.c.created_ms.desc(), outbox.c.id).limit(limit)).all()
    errors = _last_errors(connection, [row.id for row in rows])
    return [_notice(row, errors.get(row.id, "")) for row in rows]


def revive(connection: Connection, now_ms: int, receiver: str | None = None, ids: Sequence[str] | None = None) -> int:
    """Lets dead notifications wait again, for another 24 h; returns how many.

    One stays dead where its receiver has already been told something newer of the same incident.

    Args:
        connection: In a transaction that may write.
        now_ms: The clock.
        receiver: Only those of this receiver; None for all.
        ids: Only these; None for all.
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
    if ids is not None:
        dead = dead.where(outbox.c.id.in_(ids))
    again = {"state": RowState.WAITING.value, "attempts": 0, "created_ms": now_ms, "due_ms": now_ms, "done_ms": None}
    return connection.execute(dead.values(held_ms=None, grouping=None, **again)).rowcount


def _last_errors(connection: Connection, ids: Sequence[str]) -> dict[str, str]:
    newest = select(func.max(delivery.c.id)).where(delivery.c.outbox.in_(ids)).group_by(delivery.c.outbox)
    rows = connection.execute(select(delivery.c.outbox, delivery.c.error).where(delivery.c.id.in_(newest)))
    return {row.outbox: row.error for row in rows}


def _notice(row: Row[Any], error: str) -> DeadNotice:
    return DeadNotice(row.id, row.receiver, row.type, row.alert, row.created_ms, row.done_ms, row.attempts, error)
