"""What becomes of attempts: of the rows, of the receiver's health, and what its fallback gets."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from frostline_cloud.notify import backoff, bundle, faults, health, outbox
from frostline_cloud.notify.bundle import Bundle
from frostline_cloud.notify.faults import RECEIVER_RULE, Fault
from frostline_cloud.notify.grouping import telling
from frostline_cloud.notify.health import Health, HealthState
from frostline_cloud.notify.outbox import Claim, Fate, RowState, Tried
from frostline_cloud.notify.receivers.receiver import Attempt, Verdict
from frostline_cloud.notify.tools import Tools

log = logging.getLogger("frostline.notify")


class Ending:
    """Writes down what became of attempts at one receiver.

    Args:
        name: Of the receiver.
        target: Where it leads.
        tools: What all desks share.
    """

    def __init__(self, name: str, target: str, tools: Tools) -> None:
        self._name, self._target, self._tools = name, target, tools
        self._counters = tools.counters

    def write(self, connection: Connection, ended: Sequence[tuple[Claim | Bundle, Tried]]) -> None:
        """Writes all of it; in a transaction that may write."""
        now = self._tools.clock()
        self._counters.attempts += len(ended)
        for claimed, tried in ended:
            self._note_health(connection, tried.attempt, now)
            if isinstance(claimed, Bundle):
                self._end_bundle(connection, claimed, tried, now)
            else:
                self._end_single(connection, claimed, tried, now)
        if any(tried.attempt.verdict is Verdict.GONE for _, tried in ended):
            self._redirect(connection, now)

    def _end_single(self, connection: Connection, claim: Claim, tried: Tried, now: int) -> None:
        old = now - claim.created_ms >= backoff.GIVE_UP_MS
        fate = self._judge(tried.attempt, claim.attempts, now, old=old)
        outbox.finish(connection, claim, tried, fate)
        if fate.state is RowState.DEAD:
            after = f"after {claim.attempts} attempts in 24 h" if old else "since the receiver will never take it"
            what = f"{claim.type} of alert {claim.alert} was given up {after}"
            self._give_up(connection, [claim.id], what, tried.attempt.error)

    def _end_bundle(self, connection: Connection, claimed: Bundle, tried: Tried, now: int) -> None:
        fate = self._judge(tried.attempt, claimed.attempts, now, old=False)
        dead = bundle.finish(connection, claimed, tried, fate, now - backoff.GIVE_UP_MS)
        if claimed.group:
            telling.finish(connection, claimed, self._tools.plan.groups, fate, now)
        self._counters.groups += fate.state is RowState.DELIVERED and bool(claimed.group)
        self._counters.digests += fate.state is RowState.DELIVERED and not claimed.group
        if dead:
            what = f"{len(dead)} notifications of one message were given up"
            self._give_up(connection, dead, what, tried.attempt.error)

    def _give_up(self, connection: Connection, ids: Sequence[str], what: str, error: str) -> None:
        """Says that rows are dead, and gives copies to the fallback."""
        self._counters.dead += len(ids)
        log.error("notify %s: %s (`frostline notify dead-letters`): %s", self._name, what, error)
        fallback = self._tools.plan.fallback(self._name)
        if fallback:
            self._counters.redirected += outbox.stand_in(connection, ids, fallback, self._tools.clock())

    def _judge(self, attempt: Attempt, attempts: int, now: int, *, old: bool) -> Fate:
        """A row's state after an attempt, and when it is due again."""
        if attempt.verdict is Verdict.DELIVERED:
            self._counters.delivered += 1
            return Fate(RowState.DELIVERED, now)
        if attempt.verdict is Verdict.GONE:
            return Fate(RowState.WAITING, now + round(backoff.MOST_S * 1000))
        if old or attempt.verdict is Verdict.REJECTED:
            return Fate(RowState.DEAD, now)
        self._counters.retried += 1
        wait_s = backoff.wait_s(attempts, self._tools.random, attempt.retry_after_s)
        return Fate(RowState.WAITING, now + round(wait_s * 1000))

    def _note_health(self, connection: Connection, attempt: Attempt, now: int) -> None:
        """A rejected message says nothing against the receiver: it has answered."""
        before = health.health_of(connection, self._name, self._target)
        if attempt.verdict is Verdict.GONE:
            after = before.gone(attempt.error, now)
            self._counters.refused_by_receiver += 1
            log.error("notify %s: %s; it is left alone (`frostline notify enable`)", self._name, attempt.error)
        elif attempt.verdict is Verdict.RETRY:
            after = before.failed(attempt.error, now, self._tools.random)
            if before.failures == 0:
                log.warning("notify %s: %s; trying again for 24 h", self._name, attempt.error)
        else:
            after = replace(before, state=HealthState.OK, failures=0)
        if after != before:
            health.keep(connection, after)
            self._tell_others(connection, after, now)

    def _tell_others(self, connection: Connection, after: Health, now: int) -> None:
        others = self._tools.plan.others(self._name)
        if after.failures == 0:
            log.info("notify %s: delivers again", self._name)
            faults.end(connection, Fault(RECEIVER_RULE, self._name, 0, "it delivers again"), others, now)
        elif after.is_told(now):
            kind = "it wants nothing any more" if after.state is HealthState.GONE else "it cannot be reached"
            fault = Fault(RECEIVER_RULE, self._name, after.failures, f"{kind}: {after.reason}")
            faults.begin(connection, fault, others, now)

    def _redirect(self, connection: Connection, now: int) -> None:
        fallback = self._tools.plan.fallback(self._name)
        if fallback:
            moved = outbox.redirect(connection, self._name, fallback, now)
            self._counters.redirected += moved
            log.warning("notify %s: %d notifications go to %s instead", self._name, moved, fallback)
