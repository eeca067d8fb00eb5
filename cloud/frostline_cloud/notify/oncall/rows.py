"""Overrides that were made over API and console, as rows of `duty_override`.

They are neither changed nor deleted: who wants another one ends it and makes a new one, so that one sees who wanted
what, and why.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, func, insert, select, update

from frostline_cloud.notify.oncall.override import Override, fault_of, shown
from frostline_cloud.sql.tables import duty_override
from frostline_core.config import nearest
from frostline_core.errors import ConfigError

if TYPE_CHECKING:
    from frostline_cloud.notify.plan import Plan

MOST_OVERRIDES: Final = 500
"""How many may be in force or to come at once: each is looked at whenever somebody is to be told."""

LONGEST_DAYS: Final = 90
"""How long an override may last: for longer, the members of the rotation are what should change."""

AHEAD_DAYS: Final = 365
"""How far ahead one may begin; the calendar is looked at a little further."""

_DAY_MS: Final = 24 * 3600 * 1000
_MOST_TEXT: Final = 1000


def staffed(connection: Connection, plan: Plan, now_ms: int) -> Plan:
    """The plan with the overrides that are in force or to come."""
    return plan.with_overrides(overrides(connection, now_ms)) if plan.rotations else plan


def overrides(connection: Connection, since_ms: int, limit: int = MOST_OVERRIDES) -> list[Override]:
    """Those that end after an instant, the one that begins first before the others."""
    query = select(duty_override).where(duty_override.c.to_ms > since_ms)
    query = query.order_by(duty_override.c.from_ms, duty_override.c.id).limit(limit)
    return [Override(**row._asdict()) for row in connection.execute(query)]


def add_override(connection: Connection, plan: Plan, wanted: Override) -> Override:
    """Writes an override; one that would have begun before it was made begins then. Returns what was written.

    Args:
        connection: In a transaction that may write.
        plan: Which rotations and receivers there are.
        wanted: Without its number.

    Raises:
        ConfigError: It names what is not there, has no reason, ends before it begins or in the past, is too long or
            too far away, clashes with another, or there are `MOST_OVERRIDES` already.
    """
    _check_names(plan, wanted)
    wanted = replace(wanted, from_ms=max(wanted.from_ms, wanted.created_ms))
    _check_times(wanted)
    if not wanted.reason.strip() or len(wanted.reason) > _MOST_TEXT:
        raise ConfigError(f"an override has a reason of 1 to {_MOST_TEXT} characters")
    count = select(func.count()).select_from(duty_override).where(duty_override.c.to_ms > wanted.created_ms)
    if (connection.scalar(count) or 0) >= MOST_OVERRIDES:
        raise ConfigError(f"there are {MOST_OVERRIDES} overrides already")
    other = next((each for each in overrides(connection, wanted.created_ms) if each.clashes(wanted)), None)
    if other is not None:
        raise ConfigError(
            f"{other.who} is on call in '{other.rotation}' by override {other.id} already, from {shown(other.from_ms)} "
            f"to {shown(other.to_ms)}; end that one first"
        )
    row = {name: value for name, value in asdict(wanted).items() if name != "id"}
    made = connection.execute(insert(duty_override).values(row)).inserted_primary_key
    return replace(wanted, id=0 if made is None else int(made[0]))


def end_override(connection: Connection, number: int, who: str, now_ms: int) -> bool:
    """Ends an override now; one that has not begun never does. Returns whether there was anything to end."""
    mine = (duty_override.c.id == number, duty_override.c.to_ms > now_ms)
    return connection.execute(update(duty_override).where(*mine).values(to_ms=now_ms, ended_by=who)).rowcount == 1


def _check_names(plan: Plan, wanted: Override) -> None:
    rotations = {each.name: each for each in plan.rotations}
    if wanted.rotation not in rotations:
        raise ConfigError(f"no rotation '{wanted.rotation}'{nearest(wanted.rotation, list(rotations))}")
    if wanted.who not in plan.receivers:
        raise ConfigError(f"no receiver '{wanted.who}'{nearest(wanted.who, list(plan.receivers))}")
    known = rotations[wanted.rotation].config.people
    if wanted.instead_of and wanted.instead_of not in known:
        raise ConfigError(
            f"nobody in '{wanted.rotation}' is '{wanted.instead_of}'{nearest(wanted.instead_of, list(known))}"
        )


def _check_times(wanted: Override) -> None:
    if fault := fault_of(wanted):
        raise ConfigError(f"override: {fault}")
    if wanted.to_ms - wanted.from_ms > LONGEST_DAYS * _DAY_MS:
        raise ConfigError(f"an override lasts at most {LONGEST_DAYS} days; for longer, change the rotation")
    if wanted.from_ms > wanted.created_ms + AHEAD_DAYS * _DAY_MS:
        raise ConfigError(f"an override begins at most {AHEAD_DAYS} days ahead")
