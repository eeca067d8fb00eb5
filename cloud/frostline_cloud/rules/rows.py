"""Rules made over the API: rows beside the rules of files, each change a version with its author.

A row is a version in force, or to come, of a rule that has an author. Files go first: a rule that a file has, too, is
the file's. A sample is judged by the version that was in force when it was measured; so a rule that was changed not
longer ago than a backlog may be old, or that will be changed, comes with its history.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import Connection, Engine, func, insert, or_, select, update

from frostline_cloud.instant import now_ms as clock_of_now
from frostline_cloud.rules.versions import RuleVersion, row_of, versions
from frostline_cloud.sql import read_only, translated
from frostline_cloud.sql.tables import rule_version
from frostline_core.errors import ConfigError, FrostlineError, UnavailableError
from frostline_core.rules import History, Rule, RuleSet, history, parse

log = logging.getLogger("frostline.rules")

MOST_ROWS = 1_000
"""How many rules may be made over the API."""
LOOK_BACK_MS: Final = 40 * 86_400_000
"""A backlog may be so old: a version that ended earlier judges nothing any more."""
AHEAD_MS: Final = 400 * 86_400_000
"""How far in the future a version may begin."""


@dataclass(frozen=True, slots=True)
class Change:
    """Who changes a rule, and from when.

    Attributes:
        now_ms: The clock, UTC.
        author: Who.
        from_ms: From when it counts, in event time, not before now; None: from now on.
    """

    now_ms: int
    author: str
    from_ms: int | None = None

    @property
    def effective_ms(self) -> int:
        """From when it counts."""
        return self.now_ms if self.from_ms is None else self.from_ms

    def check(self) -> None:
        """Refuses a beginning in the past: what was judged stays judged.

        Raises:
            ConfigError: It begins in the past, or too far ahead.
        """
        if self.effective_ms < self.now_ms:
            raise ConfigError("effective_from: lies in the past; leave it out for now")
        if self.effective_ms > self.now_ms + AHEAD_MS:
            raise ConfigError(f"effective_from: lies more than {AHEAD_MS // 86_400_000} days ahead")


class RuleConflictError(FrostlineError):
    """The rule is not as the caller takes it to be: it exists already, was changed meanwhile, or belongs to a file."""


def in_force(connection: Connection, files: RuleSet, now_ms: int, *, says: bool = False) -> RuleSet:
    """The rules of files, and those made over the API, with their histories.

    A row whose rule a file has is left out; so is one that this version cannot read.

    Args:
        connection: SQL.
        files: The rules of files.
        now_ms: UTC.
        says: A row that cannot be read is a line in the log: for who asks when rules have changed, not at each page.
    """
    known = {rule.id for rule in files.rules}
    rules: list[Rule] = []
    histories: list[History] = []
    for rule_id, rows in _rows(connection, now_ms):
        if rule_id in known or not any(row.is_in_force(now_ms) or row.is_to_come(now_ms) for row in rows):
            continue
        try:
            parsed = [(row, parse(row.content, "made over the API")) for row in rows]
        except ConfigError as error:
            if says:
                log.error("a rule is not in force: %s", error)
            continue
        rules += [rule for row, rule in parsed if row.is_in_force(now_ms)]
        spans = [(row.effective_ms, row.retired_ms, rule) for row, rule in parsed]
        found = history(spans, now_ms - LOOK_BACK_MS)
        histories += [] if found is None else [found]
    return RuleSet.of([*files.rules, *rules], histories) if rules or histories else files


def upcoming(connection: Connection, files: RuleSet, now_ms: int) -> list[RuleVersion]:
    """The versions that are yet to come, the next one first; not those of rules that a file has."""
    query = select(rule_version).where(rule_version.c.author != "", rule_version.c.effective_ms > now_ms)
    ordered = query.order_by(rule_version.c.effective_ms, rule_version.c.rule)
    found = [RuleVersion(**row) for row in connection.execute(ordered).mappings()]
    return [each for each in found if each.is_to_come(now_ms) and files.rule(each.rule) is None]


def create_rule(connection: Connection, files: RuleSet, table: Mapping[str, Any], change: Change) -> RuleVersion:
    """Puts a new rule into force, now or later.

    Raises:
        ConfigError: It does not fit; every fault, a line each.
        RuleConflictError: There is a rule with that id, or there are too many.
    """
    rule = parse(table, "request")
    change.check()
    if files.rule(rule.id) is not None or _known(connection, rule.id, change.now_ms):
        raise RuleConflictError(f"rule '{rule.id}' exists")
    if _count(connection, change.now_ms) >= MOST_ROWS:
        raise RuleConflictError(f"there are {MOST_ROWS} rules made over the API")
    return _put(connection, rule, change)


def change_rule(connection: Connection, table: Mapping[str, Any], number: int, change: Change) -> RuleVersion:
    """Puts a new version of a rule into force, now or later; the same content again changes nothing.

    Args:
        connection: In a transaction.
        table: The whole rule.
        number: The version that the caller has seen.
        change: Who, and from when.

    Raises:
        ConfigError: It does not fit.
        RuleConflictError: That version is not the newest, or not yet in force, or it is a file's.
    """
    rule = parse(table, "request")
    change.check()
    newest = _seen(connection, rule.id, number, change.now_ms)
    if newest.is_to_come(change.now_ms):
        raise RuleConflictError(f"rule '{rule.id}': version {number} is yet to come; withdraw it first")
    if newest.hash == rule.content_hash:
        return newest
    _end(connection, newest, change.effective_ms)
    return _put(connection, rule, change)


def retire_rule(connection: Connection, rule_id: str, number: int, now_ms: int) -> None:
    """Takes a rule out of force, or withdraws the version that is yet to come.

    The alerts of a retired rule resolve; where a version is withdrawn, the one before it goes on. Versions stay.

    Raises:
        RuleConflictError: That version is not the newest, or it is a file's.
    """
    newest = _seen(connection, rule_id, number, now_ms)
    if not newest.is_to_come(now_ms):
        _end(connection, newest, now_ms)
        return
    _end(connection, newest, newest.effective_ms)
    before = (rule_version.c.rule == rule_id, rule_version.c.number < number)
    ended = rule_version.c.retired_ms == newest.effective_ms
    connection.execute(update(rule_version).where(*before, ended).values(retired_ms=None))


class Rulebook:
    """What ingest knows of rules: looked up each second. While SQL does not answer, what was known counts.

    Args:
        engine: SQL.
        files: The rules of files.
        clock_ms: UTC; versions that are yet to come are in force from their time on.

    Attributes:
        rules: In force.
    """

    def __init__(self, engine: Engine, files: RuleSet, clock_ms: Callable[[], int] = clock_of_now) -> None:
        self.rules = files
        self._engine, self._files, self._clock_ms = engine, files, clock_ms
        self._seen: tuple[int, ...] | None = None
        self._next_ms: int | None = None

    def refresh(self) -> bool:
        """Whether rules have changed since the last call."""
        at_ms = self._clock_ms()
        try:
            with translated("SQL"), read_only(self._engine).connect() as connection:
                seen = self._state(connection)
                if seen == self._seen and (self._next_ms is None or at_ms < self._next_ms):
                    return False
                found = in_force(connection, self._files, at_ms, says=True)
                next_ms = _next_ms(connection, at_ms)
        except UnavailableError as error:
            log.debug("rules could not be read: %s", error)
            return False
        changed = found.version != self.rules.version
        self._seen, self._next_ms, self.rules = seen, next_ms, found
        if changed:
            log.info("rules have changed: %d in force", len(found.rules))
        return changed

    def _state(self, connection: Connection) -> tuple[int, ...]:
        """Other numbers after each change: how many versions there ever were, how many have an end, and which."""
        ended = rule_version.c.retired_ms
        which = func.sum(rule_version.c.number).filter(ended.is_not(None))
        query = select(func.count(), func.count(ended), func.coalesce(which, 0))
        return tuple(int(each) for each in connection.execute(query.where(rule_version.c.author != "")).one())


def _rows(connection: Connection, now_ms: int) -> Iterator[tuple[str, list[RuleVersion]]]:
    """By rule, the versions that may still judge a sample, in their order."""
    ended = rule_version.c.retired_ms
    recent = or_(ended.is_(None), ended > now_ms - LOOK_BACK_MS)
    query = select(rule_version).where(rule_version.c.author != "", recent)
    ordered = connection.execute(query.order_by(rule_version.c.rule, rule_version.c.number)).mappings()
    for rule_id, rows in groupby((RuleVersion(**row) for row in ordered), attrgetter("rule")):
        yield rule_id, [row for row in rows if row.retired_ms is None or row.retired_ms > row.effective_ms]


def _next_ms(connection: Connection, now_ms: int) -> int | None:
    """When the next version begins or ends by itself."""
    mine = rule_version.c.author != ""
    times = [
        connection.scalar(select(func.min(column)).where(mine, column > now_ms))
        for column in (rule_version.c.effective_ms, rule_version.c.retired_ms)
    ]
    return min((at_ms for at_ms in times if at_ms is not None), default=None)


def _count(connection: Connection, now_ms: int) -> int:
    ended = rule_version.c.retired_ms
    query = select(func.count(rule_version.c.rule.distinct())).where(rule_version.c.author != "")
    return connection.scalar(query.where(or_(ended.is_(None), ended > now_ms))) or 0


def _known(connection: Connection, rule_id: str, now_ms: int) -> list[RuleVersion]:
    """The versions of a rule that are in force or to come, the newest first."""
    return [each for each in versions(connection, rule_id) if each.is_in_force(now_ms) or each.is_to_come(now_ms)]


def _seen(connection: Connection, rule_id: str, number: int, now_ms: int) -> RuleVersion:
    """The newest version, if it is the one that the caller has seen."""
    known = _known(connection, rule_id, now_ms)
    if not known:
        raise RuleConflictError(f"no rule '{rule_id}' is in force")
    newest = known[0]
    if not newest.author:
        raise RuleConflictError(f"rule '{rule_id}' is in a file: change it there")
    if newest.number != number:
        to_come = ", which is yet to come" if newest.is_to_come(now_ms) else ""
        raise RuleConflictError(
            f"rule '{rule_id}' is at version {newest.number}{to_come}, not {number}: look at it again"
        )
    return newest


def _end(connection: Connection, version: RuleVersion, at_ms: int) -> None:
    mine = (rule_version.c.rule == version.rule, rule_version.c.number == version.number)
    untouched = rule_version.c.retired_ms.is_(None)
    if connection.execute(update(rule_version).where(*mine, untouched).values(retired_ms=at_ms)).rowcount != 1:
        raise RuleConflictError(f"rule '{version.rule}' was changed at this moment: look at it again")


def _put(connection: Connection, rule: Rule, change: Change) -> RuleVersion:
    newest = connection.scalar(select(func.max(rule_version.c.number)).where(rule_version.c.rule == rule.id)) or 0
    row = row_of(rule, newest + 1, change.effective_ms, change.author)
    connection.execute(insert(rule_version), [row])
    return RuleVersion(**row)
