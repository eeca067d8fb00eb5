"""The spool's account: what became of every reading, kept in the transactions that move the rows."""

from __future__ import annotations

import sqlite3
import time

from frostline_core.commit.account import DayAccount
from frostline_gateway.spool.rows import Account, AccountDelta
from frostline_gateway.spool.statements import Recorded

_NOTHING = AccountDelta()


def add(connection: Recorded, now_ms: int, delta: AccountDelta = _NOTHING, committed: int = 0) -> None:
    """Adds to the account of the UTC day, inside the transaction that is open; nothing to add writes nothing."""
    counts = (delta.read, delta.kept, delta.filtered, delta.rejected, committed)
    if any(counts):
        connection.execute(
            "INSERT INTO account VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (day) DO UPDATE SET read = read + excluded.read,"
            " kept = kept + excluded.kept, filtered = filtered + excluded.filtered,"
            " rejected = rejected + excluded.rejected, committed = committed + excluded.committed",
            (_day(now_ms), *counts),
        )
    for reason, samples in delta.lost.items():
        lose(connection, now_ms, reason, samples)


def lose(connection: Recorded, now_ms: int, reason: str, samples: int) -> None:
    """Counts samples that are gone, inside the transaction that is open."""
    if samples:
        connection.execute(
            "INSERT INTO lost VALUES (?, ?, ?) ON CONFLICT (day, reason) DO UPDATE SET"
            " samples = samples + excluded.samples",
            (_day(now_ms), reason, samples),
        )


def read(connection: sqlite3.Connection | Recorded, pending: int) -> Account:
    """All days together."""
    sums = connection.execute(
        "SELECT total(read), total(kept), total(filtered), total(rejected), total(committed) FROM account"
    ).fetchone()
    lost = connection.execute("SELECT reason, sum(samples) FROM lost GROUP BY reason ORDER BY reason").fetchall()
    read, kept, filtered, rejected, committed = (int(each) for each in sums)
    return Account(read, kept, filtered, rejected, committed, pending, dict(lost))


def recent(connection: sqlite3.Connection | Recorded, most: int) -> tuple[DayAccount, ...]:
    """The newest days, oldest of them first."""
    rows = connection.execute(
        "SELECT day, sum(read), sum(kept), sum(filtered), sum(rejected), sum(committed), sum(lost) FROM"
        " (SELECT day, read, kept, filtered, rejected, committed, 0 AS lost FROM account"
        " UNION ALL SELECT day, 0, 0, 0, 0, 0, samples FROM lost) GROUP BY day ORDER BY day DESC LIMIT ?",
        (most,),
    )
    return tuple(DayAccount(*row) for row in reversed(rows.fetchall()))


def _day(now_ms: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(now_ms / 1000))
