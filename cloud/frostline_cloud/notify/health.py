"""How each receiver is doing, kept in SQL: a restart does not wake one that said 410.

`ok`: it delivers, or has failed less than five times in a row. `resting`: five failures in a row; one notification at a
time is tried, at growing intervals, until one arrives. `gone`: it answered 410; nothing is tried until its address in
the config changes or an operator enables it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random
from typing import Final

from sqlalchemy import Connection, delete, insert, select, update

from frostline_cloud.notify import backoff
from frostline_cloud.sql.tables import receiver_health

RESTS_AFTER: Final = 5
"""Failures in a row after which a receiver rests."""

TOLD_AFTER_MS: Final = 120_000
"""A receiver that rests and has failed for so long is an alert of its own."""


class HealthState(StrEnum):
    """See the module."""

    OK = "ok"
    RESTING = "resting"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Health:
    """How a receiver is doing.

    Attributes:
        receiver: Its name.
        target: Hash of where it leads.
        state: What may be tried.
        failures: In a row.
        reason: Of the newest failure.
        since_ms: When the first failure of the row was.
        retry_ms: When resting: the next attempt.
    """

    receiver: str
    target: str
    state: HealthState = HealthState.OK
    failures: int = 0
    reason: str = ""
    since_ms: int = 0
    retry_ms: int = 0

    def may_send(self, now_ms: int) -> bool:
        """Whether anything may be tried now."""
        return self.state is HealthState.OK or (self.state is HealthState.RESTING and now_ms >= self.retry_ms)

    def is_told(self, now_ms: int) -> bool:
        """Whether this is bad enough to be told in another way."""
        long = self.failures >= RESTS_AFTER and now_ms - self.since_ms >= TOLD_AFTER_MS
        return self.state is HealthState.GONE or long

    def failed(self, reason: str, now_ms: int, random: Random) -> Health:
        """After one more failure."""
        failures = self.failures + 1
        rests = failures >= RESTS_AFTER
        wait_s = backoff.wait_s(failures - RESTS_AFTER + 1, random) if rests else 0.0
        return replace(
            self,
            state=HealthState.RESTING if rests else HealthState.OK,
            failures=failures,
            reason=reason,
            since_ms=self.since_ms or now_ms,
            retry_ms=now_ms + round(wait_s * 1000),
        )

    def gone(self, reason: str, now_ms: int) -> Health:
        """After it has said that it wants nothing any more."""
        return replace(self, state=HealthState.GONE, failures=self.failures + 1, reason=reason, since_ms=now_ms)


def target_hash(target: str) -> str:
    """What SQL keeps of an address: enough to see that it has changed."""
    return hashlib.sha256(target.encode()).hexdigest()


def health_of(connection: Connection, receiver: str, target: str) -> Health:
    """How a receiver is doing; at another address than before it is as new."""
    fresh = Health(receiver, target_hash(target))
    row = connection.execute(select(receiver_health).where(receiver_health.c.receiver == receiver)).mappings().first()
    if row is None or row["target"] != fresh.target:
        return fresh
    return Health(**{**row, "state": HealthState(row["state"])})


def all_health(connection: Connection) -> Sequence[Health]:
    """Every receiver that has failed since it last delivered."""
    rows = connection.execute(select(receiver_health).order_by(receiver_health.c.receiver)).mappings()
    return [Health(**{**row, "state": HealthState(row["state"])}) for row in rows]


def gone(connection: Connection) -> set[str]:
    """Names of receivers that want nothing any more."""
    return {each.receiver for each in all_health(connection) if each.state is HealthState.GONE}


def keep(connection: Connection, health: Health) -> None:
    """Writes it down; one that is well needs no row."""
    mine = receiver_health.c.receiver == health.receiver
    if health.state is HealthState.OK and health.failures == 0:
        connection.execute(delete(receiver_health).where(mine))
        return
    values = {name: getattr(health, name) for name in Health.__dataclass_fields__} | {"state": health.state.value}
    if connection.execute(update(receiver_health).where(mine).values(**values)).rowcount == 0:
        connection.execute(insert(receiver_health).values(**values))


def forget(connection: Connection, receivers: Sequence[str]) -> int:
    """Forgets how receivers were that there are no longer; returns how many."""
    return connection.execute(delete(receiver_health).where(receiver_health.c.receiver.not_in(receivers))).rowcount


def enable(connection: Connection, receiver: str) -> bool:
    """Forgets every failure of a receiver, so that it is tried again; returns whether there was one."""
    return connection.execute(delete(receiver_health).where(receiver_health.c.receiver == receiver)).rowcount > 0
