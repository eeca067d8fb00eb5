"""A receiver's budget: what is beyond it is held, and told as one digest.

How much is used is read from what was delivered, so that a restart forgets nothing. A window slides. Critical
notifications are neither counted nor held, and neither is what must go before one.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select, update

from frostline_cloud.alerts.event import EventType
from frostline_cloud.alerts.message import instant
from frostline_cloud.notify.outbox import AT_ONCE, RowState, note_attempt, pressed, waiting
from frostline_cloud.notify.receivers.receiver import Attempt
from frostline_cloud.notify.receivers.settings import BudgetConfig
from frostline_cloud.sql.tables import outbox
from frostline_core.rules import Severity

MOST_ROWS: Final = 5_000
"""Notifications that one digest stands for; what is beyond comes with the next."""

MOST_LISTED: Final = 50
"""Incidents that a digest lists; the others are counted."""

_MOST_COUNTED = 20
_RANK = {Severity.CRITICAL.value: 0, Severity.WARNING.value: 1, Severity.INFO.value: 2}


@dataclass(frozen=True, slots=True)
class Digest:
    """Many notifications as one, which this process works on until the lease ends.

    Attributes:
        id: Made from the rows, so that another attempt with the same rows has it too.
        body: JSON.
        rows: Ids, and when each was written.
        attempts: Of the row that was tried most often, this attempt included.
        lease_ms: Until when they are held; it also says whose they are.
    """

    id: str
    body: str
    rows: tuple[tuple[str, int], ...]
    attempts: int
    lease_ms: int


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
        digests = select(func.count(outbox.c.digest.distinct())).where(*sent)
        used = (connection.scalar(singles) or 0) + (connection.scalar(digests) or 0)
        found = max(0, most - used) if found is None else min(found, max(0, most - used))
    return found


def hold(connection: Connection, receiver: str, now_ms: int, ids: Sequence[str] | None = None) -> int:
    """Holds rows for the next digest: those, or everything that is due and not critical; returns how many."""
    rows = (*waiting(receiver), outbox.c.held_ms.is_(None), ~outbox.c.critical, outbox.c.due_ms <= now_ms)
    query = update(outbox).where(*rows, ~pressed())
    if ids is not None:
        query = query.where(outbox.c.id.in_(ids))
    return connection.execute(query.values(held_ms=now_ms)).rowcount


def release(connection: Connection, receiver: str, *, everything: bool = False) -> int:
    """Lets go what something critical waits behind, or everything; returns how many."""
    query = update(outbox).where(*waiting(receiver), outbox.c.held_ms.is_not(None))
    if not everything:
        query = query.where(pressed())
    return connection.execute(query.values(held_ms=None)).rowcount


def is_pressed(connection: Connection, receiver: str) -> bool:
    """Whether `release` has something to do."""
    held = select(outbox.c.id).where(*waiting(receiver), outbox.c.held_ms.is_not(None), pressed())
    return connection.execute(held.limit(1)).first() is not None


def is_due(connection: Connection, receiver: str, budget: BudgetConfig, now_ms: int) -> bool:
    """Whether a digest is to be sent."""
    held = select(outbox.c.id).where(
        *waiting(receiver),
        outbox.c.held_ms <= now_ms - round(budget.digest_every_s * 1000),
        outbox.c.due_ms <= now_ms,
    )
    return connection.execute(held.limit(1)).first() is not None


def claim_digest(
    connection: Connection, receiver: str, types: Sequence[str], lease_ms: tuple[int, int]
) -> Digest | None:
    """Takes everything that is held, and what waits behind it, as one message; None if there is nothing.

    Args:
        connection: In a transaction that may write.
        receiver: Its name.
        types: What it wants; empty for all.
        lease_ms: From now until when the rows are held.
    """
    now_ms, until_ms = lease_ms
    mine = (*waiting(receiver), outbox.c.held_ms.is_not(None), outbox.c.due_ms <= now_ms)
    first = select(outbox.c.alert).where(*mine).order_by(outbox.c.held_ms, outbox.c.id).limit(MOST_ROWS)
    query = select(outbox).where(*waiting(receiver), outbox.c.due_ms <= now_ms, outbox.c.alert.in_(first))
    query = query.order_by(outbox.c.created_ms, outbox.c.revision, outbox.c.id).with_for_update()
    rows = connection.execute(query.limit(MOST_ROWS)).all()
    unwanted = [row.id for row in rows if types and row.type not in types]
    for ids in _parts(unwanted):
        skipped = {"state": RowState.SKIPPED.value, "done_ms": now_ms}
        connection.execute(update(outbox).where(outbox.c.id.in_(ids)).values(**skipped))
    rows = [row for row in rows if not types or row.type in types]
    if not rows:
        return None
    for ids in _parts([row.id for row in rows]):
        held = {"attempts": outbox.c.attempts + 1, "due_ms": until_ms}
        connection.execute(update(outbox).where(outbox.c.id.in_(ids)).values(**held))
    digest_id = f"dig_{hashlib.sha256(' '.join(sorted(row.id for row in rows)).encode()).hexdigest()[:32]}"
    attempts = 1 + max(row.attempts for row in rows)
    body = json.dumps(_body(digest_id, rows, now_ms), ensure_ascii=False, separators=(",", ":"))
    return Digest(digest_id, body, tuple((row.id, row.created_ms) for row in rows), attempts, until_ms)


def finish_digest(
    connection: Connection, digest: Digest, attempt: Attempt, when: tuple[int, int], ends: tuple[RowState, int, int]
) -> int:
    """Writes what became of a digest for each of its rows; returns how many are dead.

    Args:
        connection: In a transaction that may write.
        digest: What was attempted.
        attempt: What became of it.
        when: When it began, and how long it took.
        ends: The rows' state from now on; when to try again, or when it was done; and of what age a row that would
            wait is dead instead.
    """
    state, due_ms, oldest_ms = ends
    dead = 0
    for rows in _parts(digest.rows):
        for ids, becomes in _fates(rows, state, oldest_ms):
            done = None if becomes is RowState.WAITING else due_ms
            mark = digest.id if becomes is RowState.DELIVERED else None
            mine = (outbox.c.id.in_(ids), outbox.c.due_ms == digest.lease_ms)
            query = update(outbox).where(*mine, outbox.c.state == RowState.WAITING.value)
            changed = query.values(state=becomes.value, due_ms=due_ms, done_ms=done, digest=mark)
            count = connection.execute(changed).rowcount
            dead += count if becomes is RowState.DEAD else 0
    note_attempt(connection, digest.rows[0][0], attempt, when)
    return dead


def _fates(rows: Sequence[tuple[str, int]], state: RowState, oldest_ms: int) -> list[tuple[list[str], RowState]]:
    if state is not RowState.WAITING:
        return [([message_id for message_id, _ in rows], state)]
    old = [message_id for message_id, created_ms in rows if created_ms < oldest_ms]
    young = [message_id for message_id, created_ms in rows if created_ms >= oldest_ms]
    return [(ids, becomes) for ids, becomes in ((old, RowState.DEAD), (young, RowState.WAITING)) if ids]


def _body(digest_id: str, rows: Sequence[Row[Any]], now_ms: int) -> dict[str, Any]:
    """One entry an incident, its newest; the gravest first."""
    newest = {row.alert: json.loads(row.body) for row in rows}  # rows come in the order of revisions
    entries = sorted(newest.values(), key=lambda body: _RANK.get(body["incident"]["severity"], 3))
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


def _parts(items: Sequence[Any]) -> list[Sequence[Any]]:
    return [items[start : start + AT_ONCE] for start in range(0, len(items), AT_ONCE)]
