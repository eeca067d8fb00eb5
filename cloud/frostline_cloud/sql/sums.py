"""What the promise counts is never forgotten, only told more briefly when it is old.

Old losses of a gateway become one entry that stands for them, old days of its account one row: no total ever changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, Row, Table, delete, func, insert, select, tuple_, update

from frostline_cloud.sql.tables import account, gateway_account, loss
from frostline_cloud.sql.upsert import insert_new

ALL_BEFORE: Final = ""
"""The day of the account that stands for all days before those that are kept one by one."""

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


@dataclass(frozen=True, slots=True)
class Ledger:
    """A table of days by site and node.

    Attributes:
        table: The table.
        counts: Columns that are added up.
        explained: Of a day that adds up; one that does not stays as it is, and stays an alert.
        rest: What the other columns hold in the row of all days before.
    """

    table: Table
    counts: tuple[str, ...]
    explained: ColumnElement[bool]
    rest: Mapping[str, int | None]

    @property
    def key(self) -> tuple[Column[Any], ...]:
        """Site, node and day."""
        return self.table.c.site, self.table.c.node, self.table.c.day

    def old(self, connection: Connection, last: str, most: int) -> list[Any]:
        """Site, node and day of days before `last` that add up, at most so many."""
        day = self.table.c.day
        query = select(*self.key).where(day > ALL_BEFORE, day < last, self.explained)
        return [tuple(row) for row in connection.execute(query.limit(most))]

    def close(self, connection: Connection, found: Sequence[Any]) -> int:
        """Adds days to the row of all days before; returns how many."""
        rows = connection.execute(select(self.table).where(tuple_(*self.key).in_(found), self.explained)).all()
        sums: dict[tuple[str, str], dict[str, int]] = {}
        for row in rows:
            of_node = sums.setdefault((row.site, row.node), dict.fromkeys(self.counts, 0))
            for name in self.counts:
                of_node[name] += getattr(row, name)
        before = [{"site": site, "node": name, "day": ALL_BEFORE} for site, name in sums]
        insert_new(connection, self.table, [each | dict.fromkeys(self.counts, 0) | dict(self.rest) for each in before])
        for (site, name), counts in sums.items():
            added = {count: self.table.c[count] + more for count, more in counts.items()}
            connection.execute(update(self.table).filter_by(site=site, node=name, day=ALL_BEFORE).values(**added))
        gone = [(row.site, row.node, row.day) for row in rows]
        connection.execute(delete(self.table).where(tuple_(*self.key).in_(gone)))
        return len(rows)


_A, _G = account.c, gateway_account.c

SAMPLES: Final = Ledger(
    account,
    ("received", "written", "dead_lettered", "duplicate"),
    _A.received == _A.written + _A.dead_lettered + _A.duplicate,
    {},
)
"""What came from gateways."""

READINGS: Final = Ledger(
    gateway_account,
    ("read", "kept", "filtered", "rejected", "committed", "lost"),
    (_G.read == _G.kept + _G.filtered + _G.rejected) & (_G.unexplained == 0),
    {"pending": None, "unexplained": 0, "told_ms": 0},
)
"""What gateways told."""
