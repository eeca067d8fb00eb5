"""A receiver's budget: what is beyond it is held, and told as one digest.

How much is used is read from what was delivered, so that a restart forgets nothing. A window slides. Critical
notifications are neither counted nor held, and neither is what must go before one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Row, func, or_, select, update

from frostline_cloud.alerts.event import EventType
from frostline_cloud.alerts.message import instant
from frostline_cloud.notify.bundle import Bundle, bundle_id, take
from frostline_cloud.notify.grouping.body import MOST_LISTED, gravity
from frostline_cloud.notify.outbox import AT_ONCE, RowState, pressed, settle, waiting
from frostline_cloud.notify.receivers.settings import BudgetConfig
from frostline_cloud.sql.tables import outbox

MOST_ROWS: Final = 5_000
"""Notifications that one digest stands for; what is beyond comes with the next."""

_MOST_COUNTED = 20


def left(connection: Connection, receiver: str, budget: BudgetConfig, now_ms: int) -> int | None:
    """How many notifications the receiver still takes one by one now; None for any number."""
    found = None
    for length_ms, most in budget.windows_ms:
        sent = (
            outbox.c.receiver == receiver,
            outbox.c.state == RowState.DELIVERED.value,
            outbox.c.due_ms > now_ms - length_ms,  # of a delivered row: when it was
        )
        singles = select(func.count()).where(*sent, outbox.c.digest.is_(None), ~outbox.c.critical)
        digests = select(func.count(outbox.c.digest.distinct())).where(*sent, ~outbox.c.critical)
        used = (connection.scalar(singles) or 0) + (connection.scalar(digests) or 0)
        found = max(0, most - used) if found is None else min(found, max(0, most - used))
    return found


def hold(connection: Connection, receiver: str, now_ms: int, ids: Sequence[str] | None = None) -> int:
    """Holds rows for the next digest: those, or `AT_ONCE` in no group that are due and not critical.

    Returns:
        How many. In a storm the others follow, so that nobody waits long for the write lock.
    """
    rows = (*waiting(receiver), outbox.c.held_ms.is_(None), outbox.c.critical.is_(False), outbox.c.due_ms <= now_ms)
    query = update(outbox).where(*rows, ~pressed())
    if ids is None:
        ids = list(connection.scalars(select(outbox.c.id).where(*rows, outbox.c.grouping.is_(None)).limit(AT_ONCE)))
    query = query.where(outbox.c.id.in_(ids))
    return connection.execute(query.values(held_ms=now_ms)).rowcount


def release(connection: Connection, receiver: str) -> int:
    """Lets go what something critical waits behind; returns how many."""
    urgent = _urgent(connection, receiver)
    if not urgent:
        return 0
    held = update(outbox).where(*waiting(receiver), outbox.c.held_ms.is_not(None), outbox.c.alert.in_(urgent))
    return connection.execute(held.where(pressed()).values(held_ms=None)).rowcount


def is_pressed(connection: Connection, receiver: str) -> bool:
    """Whether `release` has something to do."""
    urgent = _urgent(connection, receiver)
    if not urgent:
        return False
    held = select(outbox.c.id).where(*waiting(receiver), outbox.c.held_ms.is_not(None), outbox.c.alert.in_(urgent))
    return connection.execute(held.where(pressed()).limit(1)).first() is not None


def _urgent(connection: Connection, receiver: str) -> list[str]:
    """Alerts of which something critical waits, `AT_ONCE` at most: most of the time none, and that is quickly seen."""
    critical = (*waiting(receiver), outbox.c.held_ms.is_(None), outbox.c.critical.is_(True))
    return list(connection.scalars(select(outbox.c.alert).where(*critical).limit(AT_ONCE)))


def is_due(connection: Connection, receiver: str, budget: BudgetConfig, now_ms: int) -> bool:
    """Whether a digest is to be sent."""
    held = select(outbox.c.id).where(
        *waiting(receiver),
        outbox.c.held_ms <= now_ms - round(budget.digest_every_s * 1000),
        outbox.c.due_ms <= now_ms,
    )
    return connection.execute(held.limit(1)).first() is not None


def claim_digest(
    connection: Connection, receiver: str, wants: Callable[[str, str], bool], lease_ms: tuple[int, int]
) -> Bundle | None:
    """Takes everything that is held, and what waits behind it, as one message; None if there is nothing.

    Args:
        connection: In a transaction that may write.
        receiver: Its name.
        wants: Whether it wants a type and a severity.
        lease_ms: From now until when the rows are held.
    """
    now_ms, until_ms = lease_ms
    mine = (*waiting(receiver), outbox.c.held_ms.is_not(None), outbox.c.due_ms <= now_ms)
    first = select(outbox.c.alert).where(*mine).order_by(outbox.c.held_ms, outbox.c.id).limit(MOST_ROWS)
    query = select(outbox).where(*waiting(receiver), outbox.c.due_ms <= now_ms, outbox.c.alert.in_(first))
    query = query.where(or_(outbox.c.held_ms.is_not(None), outbox.c.grouping.is_(None)))  # a group tells its own
    query = query.order_by(outbox.c.created_ms, outbox.c.revision, outbox.c.id).with_for_update()
    found = [(row, orjson.loads(row.body)) for row in connection.execute(query.limit(MOST_ROWS))]
    kept = [(row, body) for row, body in found if wants(row.type, body["incident"]["severity"])]
    ids = {row.id for row, _ in kept}
    settle(connection, [row.id for row, _ in found if row.id not in ids], RowState.SKIPPED, now_ms)
    if not kept:
        return None
    rows = [row for row, _ in kept]
    made = _body(bundle_id("dig", rows), kept, now_ms)
    text = orjson.dumps(made).decode()
    attempts = take(connection, rows, until_ms)
    return Bundle(
        made["id"], EventType.DIGEST, text, tuple((row.id, row.created_ms) for row in rows), attempts, until_ms
    )


def _body(digest_id: str, rows: Sequence[tuple[Row[Any], dict[str, Any]]], now_ms: int) -> dict[str, Any]:
    """One entry an incident, its newest; the gravest first."""
    newest = {row.alert: body for row, body in rows}  # rows come in the order of revisions
    entries = sorted(newest.values(), key=lambda body: gravity(body["incident"]["severity"]))
    return {
        "type": EventType.DIGEST.value,
        "id": digest_id,
        "timestamp": instant(now_ms),
        "count": len(rows),
        "incidents": len(newest),
        "severity": entries[0]["incident"]["severity"],
        "by_rule": _counts([body["rule"].get("title") or body["rule"]["id"] for body in entries]),
        "by_site": _counts([body["series"]["site"] for body in entries]),
        "items": entries[:MOST_LISTED],
    }


def _counts(names: Sequence[str]) -> list[dict[str, Any]]:
    return [{"name": name, "count": count} for name, count in Counter(names).most_common(_MOST_COUNTED)]
