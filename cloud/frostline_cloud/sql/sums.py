"""What the promise counts is never forgotten, only told more briefly when it is old.

Old losses of a gateway become one entry that stands for them, old days of its account one row: no total ever changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, insert, select, tuple_, update

from frostline_cloud.sql.tables import account, loss

ALL_BEFORE: Final = ""
"""The day of the account that stands for all days before those that are kept one by one."""

_FATES: Final = ("received", "written", "dead_lettered", "duplicate")
_DAY_KEY: Final = (account.c.site, account.c.node, account.c.day)
_GROUPS_AT_ONCE: Final = 50


def old_losses(connection: Connection, cutoff_ms: int) -> list[Any]:
    """Site, node, whether uncounted, whether still lost: wherever more than one entry is old."""
    group = (loss.c.site, loss.c.node, loss.c.samples.is_(None), loss.c.recovered_ms.is_(None))
    query = select(*group).where(loss.c.at_ms < cutoff_ms).group_by(*group).having(func.count() > 1)
    return [tuple(row) for row in connection.execute(query.limit(_GROUPS_AT_ONCE))]


def sum_up(connection: Connection, found: Sequence[Any], cutoff_ms: int, most: int) -> int:
    """Makes one entry of the old ones of each group, of `most` in one call; returns how many rows there are less."""
    gone = 0
    for site, name, uncounted, stays in found:
        samples = loss.c.samples.is_(None) if uncounted else loss.c.samples.is_not(None)
        recovered = loss.c.recovered_ms.is_(None) if stays else loss.c.recovered_ms.is_not(None)
        of_group = (loss.c.site == site, loss.c.node == name, samples, recovered, loss.c.at_ms < cutoff_ms)
        query = select(loss).where(*of_group).order_by(loss.c.at_ms).limit(most)
        rows = connection.execute(query).all()
        if len(rows) < 2:
            continue
        connection.execute(delete(loss).where(loss.c.id.in_([row.id for row in rows])))
        connection.execute(insert(loss).values(site=site, node=name, **_summed(rows)))
        gone += len(rows) - 1
    return gone


def _summed(rows: Sequence[Row[Any]]) -> dict[str, Any]:
    """Values of the entry that stands for these."""
    entries = sum(row.entries for row in rows)
    first, last = rows[0], rows[-1]
    known = [row.samples for row in rows if row.samples is not None]
    begins = [row.from_ms for row in rows if row.from_ms is not None]
    ends = [row.to_ms for row in rows if row.to_ms is not None]
    return {
        "reason": f"{entries} entries that are past their time, summed up",
        "samples": sum(known) if known else None,
        "from_ms": min(begins, default=None),
        "to_ms": max(ends, default=None),
        "at_ms": last.at_ms,
        "entries": entries,
        "recovered_ms": None if first.recovered_ms is None else max(row.recovered_ms for row in rows),
    }


def old_days(connection: Connection, last: str, most: int) -> list[Any]:
    """Site, node and day of days before `last` that add up, at most so many; one that does not stays an alert."""
    old = and_(account.c.day > ALL_BEFORE, account.c.day < last, _adds_up())
    return [tuple(row) for row in connection.execute(select(*_DAY_KEY).where(old).limit(most))]


def close_days(connection: Connection, found: Sequence[Any]) -> int:
    """Adds days to the row of all days before; returns how many."""
    still = and_(tuple_(*_DAY_KEY).in_(found), _adds_up())
    rows = connection.execute(select(account).where(still)).all()
    sums: dict[tuple[str, str], dict[str, int]] = {}
    for row in rows:
        of_node = sums.setdefault((row.site, row.node), dict.fromkeys(_FATES, 0))
        for fate in _FATES:
            of_node[fate] += getattr(row, fate)
    for (site, name), counts in sums.items():
        before = (account.c.site == site, account.c.node == name, account.c.day == ALL_BEFORE)
        added = {fate: account.c[fate] + count for fate, count in counts.items()}
        if connection.execute(update(account).where(*before).values(**added)).rowcount == 0:
            connection.execute(insert(account).values(site=site, node=name, day=ALL_BEFORE, **counts))
    connection.execute(delete(account).where(tuple_(*_DAY_KEY).in_([(row.site, row.node, row.day) for row in rows])))
    return len(rows)


def _adds_up() -> ColumnElement[bool]:
    return account.c.received == account.c.written + account.c.dead_lettered + account.c.duplicate
