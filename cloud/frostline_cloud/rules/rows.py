"""Rules made over the API: rows beside the rules of files, each change a version with its author.

A row is the version in force of a rule that has an author. Files go first: a rule that a file has, too, is the file's.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Engine, func, insert, select, update

from frostline_cloud.rules.versions import RuleVersion, row_of, versions
from frostline_cloud.sql import read_only, translated
from frostline_cloud.sql.tables import rule_version
from frostline_core.errors import ConfigError, FrostlineError, UnavailableError
from frostline_core.rules import Rule, RuleSet, parse

log = logging.getLogger("frostline.rules")

MOST_ROWS = 1_000
"""How many rules may be made over the API."""


class RuleConflictError(FrostlineError):
    """The rule is not as the caller takes it to be: it exists already, was changed meanwhile, or belongs to a file."""


def in_force(connection: Connection, files: RuleSet) -> RuleSet:
    """The rules of files, and those made over the API.

    A row whose rule a file has is left out; so is one that this version cannot read, with a line in the log.
    """
    known = {rule.id for rule in files.rules}
    rows: list[Rule] = []
    for row in connection.execute(_rows().order_by(rule_version.c.rule)):
        if row.rule in known:
            continue
        try:
            rows.append(parse(row.content, "made over the API"))
        except ConfigError as error:
            log.error("a rule is not in force: %s", error)
    return RuleSet.of([*files.rules, *rows]) if rows else files


def create_rule(
    connection: Connection, files: RuleSet, table: Mapping[str, Any], now_ms: int, author: str
) -> RuleVersion:
    """Puts a new rule into force.

    Raises:
        ConfigError: It does not fit; every fault, a line each.
        RuleConflictError: There is a rule with that id, or there are too many.
    """
    rule = _parsed(table)
    if files.rule(rule.id) is not None or _current(connection, rule.id) is not None:
        raise RuleConflictError(f"rule '{rule.id}' exists")
    if (connection.scalar(select(func.count()).select_from(_rows().subquery())) or 0) >= MOST_ROWS:
        raise RuleConflictError(f"there are {MOST_ROWS} rules made over the API")
    return _put(connection, rule, now_ms, author)


def change_rule(connection: Connection, table: Mapping[str, Any], number: int, now_ms: int, author: str) -> RuleVersion:
    """Puts a new version of a rule into force; the same content again changes nothing.

    Args:
        connection: In a transaction.
        table: The whole rule.
        number: The version that the caller has seen.
        now_ms: From when.
        author: Who.

    Raises:
        ConfigError: It does not fit.
        RuleConflictError: That version is not the one in force, or it is a file's.
    """
    rule = _parsed(table)
    current = _seen(connection, rule.id, number)
    if current.hash == rule.content_hash:
        return current
    _end(connection, rule.id, number, now_ms)
    return _put(connection, rule, now_ms, author)


def retire_rule(connection: Connection, rule_id: str, number: int, now_ms: int) -> None:
    """Takes a rule out of force; its alerts resolve, its versions stay.

    Raises:
        RuleConflictError: That version is not the one in force, or it is a file's.
    """
    _seen(connection, rule_id, number)
    _end(connection, rule_id, number, now_ms)


class Rulebook:
    """What ingest knows of rules: looked up each second. While SQL does not answer, what was known counts.

    Attributes:
        rules: In force.
    """

    def __init__(self, engine: Engine, files: RuleSet) -> None:
        self.rules = files
        self._engine, self._files = engine, files
        self._seen: tuple[int, int] | None = None

    def refresh(self) -> bool:
        """Whether rules have changed since the last call."""
        try:
            with translated("SQL"), read_only(self._engine).connect() as connection:
                seen = self._state(connection)
                if seen == self._seen:
                    return False
                found = in_force(connection, self._files)
        except UnavailableError as error:
            log.debug("rules could not be read: %s", error)
            return False
        changed = found.version != self.rules.version
        self._seen, self.rules = seen, found
        if changed:
            log.info("rules have changed: %d in force", len(found.rules))
        return changed

    def _state(self, connection: Connection) -> tuple[int, int]:
        """How many versions there ever were, and how many are over: either counts up with each change."""
        query = select(func.count(), func.count(rule_version.c.retired_ms)).where(rule_version.c.author != "")
        total, over = connection.execute(query).one()
        return total, over


def _rows() -> Any:
    return select(rule_version).where(rule_version.c.retired_ms.is_(None), rule_version.c.author != "")


def _parsed(table: Mapping[str, Any]) -> Rule:
    return parse(table, "request")


def _current(connection: Connection, rule_id: str) -> RuleVersion | None:
    return next((each for each in versions(connection, rule_id) if each.retired_ms is None), None)


def _seen(connection: Connection, rule_id: str, number: int) -> RuleVersion:
    current = _current(connection, rule_id)
    if current is None:
        raise RuleConflictError(f"no rule '{rule_id}' is in force")
    if not current.author:
        raise RuleConflictError(f"rule '{rule_id}' is in a file: change it there")
    if current.number != number:
        raise RuleConflictError(f"rule '{rule_id}' is at version {current.number}, not {number}: look at it again")
    return current


def _end(connection: Connection, rule_id: str, number: int, now_ms: int) -> None:
    mine = (rule_version.c.rule == rule_id, rule_version.c.number == number, rule_version.c.retired_ms.is_(None))
    if connection.execute(update(rule_version).where(*mine).values(retired_ms=now_ms)).rowcount != 1:
        raise RuleConflictError(f"rule '{rule_id}' was changed at this moment: look at it again")


def _put(connection: Connection, rule: Rule, now_ms: int, author: str) -> RuleVersion:
    newest = connection.scalar(select(func.max(rule_version.c.number)).where(rule_version.c.rule == rule.id)) or 0
    row = row_of(rule, newest + 1, now_ms, author)
    connection.execute(insert(rule_version), [row])
    return RuleVersion(**row)
