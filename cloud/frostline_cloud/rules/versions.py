"""Every version that a rule has had, or will have: number, content, and from when it is in force; never deleted.

A version that is to come has a beginning in the future, and the one before it already has its end. One that is
withdrawn before it began keeps its row, with an end at its beginning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, insert, or_, select, update

from frostline_cloud.sql.tables import rule_version
from frostline_core.rules import Rule, RuleSet


@dataclass(frozen=True, slots=True)
class RuleVersion:
    """One version of one rule.

    Attributes:
        rule: The rule's id.
        number: 1 for the first; one more with every change, also with one back to what it was before.
        hash: Of the content (`Rule.content_hash`).
        content: The rule with the keys of its file, without those at their default.
        effective_ms: From when it was, is or will be in force.
        retired_ms: Until when; None where no end is known.
        author: Who made it; "" where it came from a file.
    """

    rule: str
    number: int
    hash: str
    content: Mapping[str, Any]
    effective_ms: int
    retired_ms: int | None
    author: str

    def is_in_force(self, at_ms: int) -> bool:
        """Whether it was in force at an instant."""
        return self.effective_ms <= at_ms and (self.retired_ms is None or at_ms < self.retired_ms)

    def is_to_come(self, now_ms: int) -> bool:
        """Whether it is not yet in force, and will be."""
        return self.effective_ms > now_ms and (self.retired_ms is None or self.retired_ms > self.effective_ms)


def adopt(connection: Connection, rules: RuleSet, now_ms: int, author: str = "") -> list[str]:
    """Writes down what has changed since the rules that were in force until now; to be called before they are used.

    Args:
        connection: In a transaction.
        rules: All the rules that are in force from now on.
        now_ms: From when.
        author: Who changed them; "" for files.

    Returns:
        The ids of the rules that are new, changed or gone.
    """
    current = {row.rule: row for row in connection.execute(select(rule_version).where(in_force_at(now_ms)))}
    wanted = {rule.id: rule for rule in rules.rules}
    over = [id_ for id_, row in current.items() if id_ not in wanted or wanted[id_].content_hash != row.hash]
    begun = [rule for id_, rule in wanted.items() if id_ not in current or current[id_].hash != rule.content_hash]
    if over:
        gone = rule_version.c.rule.in_(over)
        connection.execute(update(rule_version).where(in_force_at(now_ms), gone).values(retired_ms=now_ms))
        to_come = (gone, rule_version.c.effective_ms > now_ms)
        connection.execute(update(rule_version).where(*to_come).values(retired_ms=rule_version.c.effective_ms))
    if begun:
        newest = _newest(connection, [rule.id for rule in begun])
        rows = [row_of(rule, newest.get(rule.id, 0) + 1, now_ms, author) for rule in begun]
        connection.execute(insert(rule_version), rows)
    return sorted({*over, *(rule.id for rule in begun)})


def versions(connection: Connection, rule_id: str) -> list[RuleVersion]:
    """Every version of a rule, the newest first."""
    query = select(rule_version).where(rule_version.c.rule == rule_id).order_by(rule_version.c.number.desc())
    return [RuleVersion(**row) for row in connection.execute(query).mappings()]


def numbers(connection: Connection, rule_ids: Iterable[str], at_ms: int) -> dict[str, int]:
    """The number of the version that was in force at an instant, for each of these rules that had one then."""
    query = select(rule_version.c.rule, rule_version.c.number).where(in_force_at(at_ms))
    found = query.where(rule_version.c.rule.in_(rule_ids)).order_by(rule_version.c.number)
    return {row.rule: row.number for row in connection.execute(found)}


def in_force_at(at_ms: int) -> ColumnElement[bool]:
    """The condition of a version that is in force at an instant."""
    ended = rule_version.c.retired_ms
    return and_(rule_version.c.effective_ms <= at_ms, or_(ended.is_(None), ended > at_ms))


def _newest(connection: Connection, rule_ids: list[str]) -> dict[str, int]:
    query = select(rule_version.c.rule, func.max(rule_version.c.number).label("number"))
    grouped = query.where(rule_version.c.rule.in_(rule_ids)).group_by(rule_version.c.rule)
    return {row.rule: row.number for row in connection.execute(grouped)}


def row_of(rule: Rule, number: int, now_ms: int, author: str) -> dict[str, Any]:
    """A version as its row in SQL."""
    return {
        "rule": rule.id,
        "number": number,
        "hash": rule.content_hash,
        "content": dict(rule.content),
        "effective_ms": now_ms,
        "retired_ms": None,
        "author": author,
    }
