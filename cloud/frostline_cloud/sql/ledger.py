"""Reading the account: what came, what became of it, what is lost, and what could not be stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, case, func, or_, select, tuple_

from frostline_cloud.sql.registry import KnownNode
from frostline_cloud.sql.tables import account, dead_letter, loss, run
from frostline_cloud.sql.tables import node as _nodes
from frostline_core.commit import RunRecord, in_doubt, run_number, run_text

NodeKey = tuple[str, str]
"""Site and node."""


@dataclass(frozen=True, slots=True)
class Account:
    """Samples of a node: every one that was received has one of three fates; residue is what has none.

    Attributes:
        day: UTC day, `2026-01-31`; "" for all days together.
    """

    site: str
    node: str
    day: str
    received: int
    written: int
    dead_lettered: int
    duplicate: int

    @property
    def residue(self) -> int:
        """Samples that the account does not explain: anything but 0 is an error of ours."""
        return self.received - self.written - self.dead_lettered - self.duplicate


@dataclass(frozen=True, slots=True)
class Lost:
    """How much of a node is listed as lost; what was recovered since is told apart.

    Attributes:
        listings: Entries in the list of losses.
        samples: Samples of those entries that know their number.
        uncounted: Entries that do not.
        recovered: Entries whose samples were stored after all; they count in none of the others.
        recovered_samples: Samples of those.
    """

    listings: int = 0
    samples: int = 0
    uncounted: int = 0
    recovered: int = 0
    recovered_samples: int = 0


@dataclass(frozen=True, slots=True)
class Doubt:
    """A run whose gateway no longer has it and whose tail may be lost; what still arrives shortens it.

    Attributes:
        run: 16 hex digits.
        first: First number in doubt; there is no last.
        announced: Highest number that a birth told of.
    """

    run: str
    first: int
    announced: int


@dataclass(frozen=True, slots=True)
class Span:
    """Rows of a list by node and time: at_ms in [from_ms, to_ms), id below `before` (newest first)."""

    site: str | None = None
    node: str | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    before: int | None = None
    most: int = 100


@dataclass(frozen=True, slots=True)
class Days:
    """Rows of the account: days in [first, last], after the key (day, site, node) of the last row already read."""

    first: str
    last: str
    site: str | None = None
    node: str | None = None
    after: tuple[str, str, str] | None = None
    most: int = 100


def accounts(connection: Connection, days: Days) -> list[Account]:
    """The account by day, site and node."""
    order = (account.c.day, account.c.site, account.c.node)
    query = select(account).where(account.c.day.between(days.first, days.last)).order_by(*order).limit(days.most)
    for column, wanted in ((account.c.site, days.site), (account.c.node, days.node)):
        if wanted is not None:
            query = query.where(column == wanted)
    if days.after is not None:
        query = query.where(tuple_(*order) > tuple_(*days.after))
    return [
        Account(row.site, row.node, row.day, row.received, row.written, row.dead_lettered, row.duplicate)
        for row in connection.execute(query)
    ]


def totals(connection: Connection, nodes: Sequence[NodeKey] | None = None) -> dict[NodeKey, Account]:
    """The account of whole nodes, over all days; None is every node."""
    sums = [func.coalesce(func.sum(account.c[name]), 0).label(name) for name in _FATES]
    query = select(account.c.site, account.c.node, *sums).group_by(account.c.site, account.c.node)
    if nodes is not None:
        query = query.where(tuple_(account.c.site, account.c.node).in_(nodes))
    return {
        (row.site, row.node): Account(row.site, row.node, "", *(int(getattr(row, name)) for name in _FATES))
        for row in connection.execute(query)
    }


def lost(connection: Connection, nodes: Sequence[NodeKey] | None = None) -> dict[NodeKey, Lost]:
    """How much of each node is listed as lost; None is every node."""
    stays = loss.c.recovered_ms.is_(None)
    entries, samples = func.sum(loss.c.entries), func.sum(loss.c.samples)
    figures = {
        "listings": entries.filter(stays),
        "samples": samples.filter(stays),
        "uncounted": entries.filter(stays, loss.c.samples.is_(None)),
        "recovered": entries.filter(~stays),
        "recovered_samples": samples.filter(~stays),
    }
    sums = [func.coalesce(each, 0).label(name) for name, each in figures.items()]
    query = select(loss.c.site, loss.c.node, *sums).group_by(loss.c.site, loss.c.node)
    if nodes is not None:
        query = query.where(tuple_(loss.c.site, loss.c.node).in_(nodes))
    return {
        (row.site, row.node): Lost(**{name: int(getattr(row, name)) for name in figures})
        for row in connection.execute(query)
    }


def losses(connection: Connection, span: Span) -> Sequence[Row[Any]]:
    """Entries of the list of losses, newest first: rows of table `loss`.

    The rest of a run, written off, begins after what is committed: late rows are applied, and the entry shrinks.
    """
    columns = [column for column in loss.c if column.name != "first"]
    first = case((_WRITTEN_OFF, run.c.committed + 1), else_=loss.c.first).label("first")
    query = select(*columns, func.coalesce(first, loss.c.first).label("first"))
    return _newest(connection, query.outerjoin(run, run.c.run == loss.c.run), loss, span)


def dead_letters(connection: Connection, span: Span) -> Sequence[Row[Any]]:
    """Samples that could not be stored, newest first: rows of table `dead_letter` without `raw`."""
    columns = [column for column in dead_letter.c if column.name != "raw"]
    return _newest(connection, select(*columns), dead_letter, span)


def one_dead_letter(connection: Connection, number: int) -> Row[Any] | None:
    """A dead letter with its bytes."""
    return connection.execute(select(dead_letter).where(dead_letter.c.id == number)).one_or_none()


def doubts(connection: Connection, node: KnownNode, most: int = 100) -> list[Doubt]:
    """Runs of a node that may have lost their tail (commit protocol, section 4), at most `most`, newest first.

    Those that somebody has written off are in no doubt: they are listed as lost.
    """
    if node.spool is None or node.held is None:
        return []
    of_another_spool = func.substr(run.c.run, 1, 4) != node.spool[-4:]  # what SQL can leave out; `in_doubt` decides
    written_off = select(loss.c.run).where(_WRITTEN_OFF, loss.c.site == node.site, loss.c.node == node.node)
    query = select(run.c.run, run.c.committed, run.c.announced).where(
        run.c.site == node.site,
        run.c.node == node.node,
        or_(of_another_spool, run.c.committed < run.c.announced),
        run.c.run.not_in(written_off),
    )
    records = [
        RunRecord(run_number(row.run), row.committed, row.announced)
        for row in connection.execute(query.order_by(run.c.at_ms.desc()).limit(_MOST_RUNS))
    ]
    announced = {record.run: record.announced for record in records}
    doubtful = in_doubt(records, run_number(node.spool), {run_number(held) for held in node.held})
    return [Doubt(run_text(number), first, announced[number]) for number, first in list(doubtful.items())[:most]]


def doubtful(connection: Connection) -> dict[NodeKey, int]:
    """How many runs of each node are in doubt, of nodes that have any: one query, however large the fleet."""
    of_another_spool = func.substr(run.c.run, 1, 4) != func.substr(_nodes.c.spool, 13, 4)
    query = (
        select(run.c.site, run.c.node, run.c.run, run.c.committed, run.c.announced, _nodes.c.spool, _nodes.c.held)
        .join(_nodes, and_(_nodes.c.site == run.c.site, _nodes.c.node == run.c.node))
        .where(
            _nodes.c.spool.is_not(None),
            or_(of_another_spool, run.c.committed < run.c.announced),
            run.c.run.not_in(select(loss.c.run).where(_WRITTEN_OFF)),
        )
    )
    found: dict[NodeKey, int] = {}
    for row in connection.execute(query):
        record = RunRecord(run_number(row.run), row.committed, row.announced)
        held = None if row.held is None else {run_number(each) for each in row.held}
        if in_doubt([record], run_number(row.spool), held):
            found[row.site, row.node] = found.get((row.site, row.node), 0) + 1
    return found


_MOST_RUNS = 10_000
_WRITTEN_OFF = and_(loss.c.run.is_not(None), loss.c.first.is_not(None), loss.c.last.is_(None))
_FATES = ("received", "written", "dead_lettered", "duplicate")


def _newest(connection: Connection, query: Select[Any], table: Any, span: Span) -> Sequence[Row[Any]]:
    if span.site is not None:
        query = query.where(table.c.site == span.site)
    if span.node is not None:
        query = query.where(table.c.node == span.node)
    if span.from_ms is not None:
        query = query.where(table.c.at_ms >= span.from_ms)
    if span.to_ms is not None:
        query = query.where(table.c.at_ms < span.to_ms)
    if span.before is not None:
        query = query.where(table.c.id < span.before)
    return connection.execute(query.order_by(table.c.id.desc()).limit(span.most)).all()
