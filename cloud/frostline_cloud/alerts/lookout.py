"""Alerts of what somebody looks at now and then: built-in rules whose transitions do not come from samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, Engine

from frostline_cloud.alerts.record import record
from frostline_cloud.sql import read_only, translated
from frostline_core.rules import RuleSet, Transition

Find = Callable[[Connection], Sequence[Transition]]
"""What has begun or ended since it was last reported, by the alerts that are open."""


def report(engine: Engine, find: Find, rules: RuleSet, receivers: Sequence[str], now_ms: int) -> int:
    """Opens alerts for what has begun, and resolves those of what has ended; returns how many changed.

    Takes SQL's write lock only when something changes, which is nearly never.

    Args:
        engine: SQL.
        find: Looks.
        rules: Those of its transitions.
        receivers: Names of those who are told.
        now_ms: UTC.

    Raises:
        UnavailableError: SQL does not answer.
    """
    with translated("SQL"), read_only(engine).connect() as connection:
        if not find(connection):
            return 0
    with translated("SQL"), engine.begin() as connection:  # looked at once more, now that nobody else writes
        changes = find(connection)
        record(connection, changes, rules, receivers, now_ms)
    return len(changes)
