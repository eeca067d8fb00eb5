"""The desk of one receiver: takes what is due for it, sends it, and notes what became of it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from sqlalchemy import Connection, Engine

from frostline_cloud.alerts.event import EventType
from frostline_cloud.notify import backoff, budget, bundle, faults, health, outbox
from frostline_cloud.notify.bundle import Bundle
from frostline_cloud.notify.faults import RECEIVER_RULE, Fault
from frostline_cloud.notify.grouping import telling
from frostline_cloud.notify.grouping.telling import Telling
from frostline_cloud.notify.health import Health, HealthState
from frostline_cloud.notify.links import Links
from frostline_cloud.notify.outbox import Claim, Outcome, RowState
from frostline_cloud.notify.plan import Plan
from frostline_cloud.notify.receivers.receiver import Attempt, Message, Receiver, Verdict
from frostline_cloud.notify.receivers.settings import BudgetConfig
from frostline_cloud.sql import read_only, translated
from frostline_core.errors import UnavailableError
from frostline_core.rules import Severity

log = logging.getLogger("frostline.notify")

IN_FLIGHT = 4
"""Notifications of one receiver under way at a time."""

_LEASE_MARGIN_MS = 30_000
_TOGETHER_S = 0.02  # what is one transaction then is one less that ingest waits for, many times in a storm


@dataclass(slots=True)
class Counters:
    """What notify has done since it started."""

    attempts: int = 0
    delivered: int = 0
    retried: int = 0
    dead: int = 0
    skipped: int = 0
    refused_by_receiver: int = 0
    dispatched: int = 0
    unrouted: int = 0
    escalated: int = 0
    held: int = 0
    digests: int = 0
    groups: int = 0
    redirected: int = 0


@dataclass(frozen=True, slots=True)
class Tools:
    """What all desks share.

    Attributes:
        engine: The database with the outbox.
        clock: UTC milliseconds.
        random: Jitter of the waits.
        plan: Who is told of what.
        links: Puts links into what is sent; None where there is no public address.
        counters: Counted up here.
    """

    engine: Engine
    clock: Callable[[], int]
    random: Random
    plan: Plan
    links: Links | None = None
    counters: Counters = field(default_factory=Counters)


@dataclass(frozen=True, slots=True)
class _Ended:
    """An attempt that is over: what was attempted, what became of it, when it began and how long it took."""

    claimed: Claim | Bundle
    attempt: Attempt
    when: tuple[int, int]


class Desk:
    """Serves one receiver.

    Args:
        receiver: Who is told.
        limits: Its budget.
        target: Where it leads, to notice that it leads elsewhere after a change of the config.
        tools: What all desks share.
    """

    def __init__(self, receiver: Receiver, limits: BudgetConfig, target: str, tools: Tools) -> None:
        self.receiver, self._limits, self._target, self._tools = receiver, limits, target, tools
        self._health = Health(receiver.name, health.target_hash(target))
        self._counters = tools.counters
        self._held = 0  # by this desk alone: while it holds, more is to be held

    @property
    def name(self) -> str:
        """The receiver's name."""
        return self.receiver.name

    @property
    def is_served(self) -> bool:
        """Whether anything may still be delivered without somebody's help."""
        return self._health.state is HealthState.OK

    async def work(self) -> int:
        """Claims and sends what is due, a few at a time; returns how many were claimed, or held for a digest.

        Raises:
            UnavailableError: SQL does not answer.
        """
        held = self._held
        claims = await asyncio.to_thread(self._claim)
        wanted = [each for each in claims if isinstance(each, Bundle) or self._wants(each.type, each.severity)]
        await self._send(wanted)
        return len(claims) + self._held - held

    # ---- claim ---------------------------------------------------------------------------------------------------

    def _claim(self) -> list[Claim | Bundle]:
        now = self._tools.clock()
        with translated("outbox"), read_only(self._tools.engine).connect() as connection:
            self._health = health.health_of(connection, self.name, self._target)
            if not self._health.may_send(now) or not self._has_work(connection, now):
                return []
        with translated("outbox"), self._tools.engine.begin() as connection:
            return self._take(connection, now)

    def _has_work(self, connection: Connection, now: int) -> bool:
        if outbox.due(connection, self.name, now, 1) or budget.is_pressed(connection, self.name):
            return True
        if telling.is_due(connection, self.name, now):
            return True
        return budget.is_due(connection, self.name, self._limits, now)

    def _take(self, connection: Connection, now: int) -> list[Claim | Bundle]:
        lease = (now, now + round(self.receiver.timeout_s * 1000) + _LEASE_MARGIN_MS)
        budget.release(connection, self.name)
        probing = self._health.state is HealthState.RESTING
        most = 1 if probing else IN_FLIGHT
        left = budget.left(connection, self.name, self._limits, now)
        singles = list(self._singles(connection, lease, most, left))
        claims: list[Claim | Bundle] = [*singles]
        if not (probing and claims):
            counted = sum(each.severity != Severity.CRITICAL for each in singles)
            claims += self._telling(lease).claim(connection, most, None if left is None else left - counted)
        if budget.is_due(connection, self.name, self._limits, now) and not (probing and claims):
            digest = budget.claim_digest(connection, self.name, self._wants_among, lease)
            claims += [digest] if digest is not None else []
        return [self._linked(connection, each, now) for each in claims]

    def _linked(self, connection: Connection, claimed: Claim | Bundle, now: int) -> Claim | Bundle:
        links = self._tools.links
        if links is None:
            return claimed
        if isinstance(claimed, Bundle):
            return replace(claimed, body=links.into_many(connection, claimed.body, self.name, now))
        return replace(claimed, body=links.into(claimed.body, claimed.id, claimed.created_ms))

    def _telling(self, lease: tuple[int, int]) -> Telling:
        now, until = lease
        return Telling(self.name, self._tools.plan.groups, self._wants_among, until, now)

    def _singles(self, connection: Connection, lease: tuple[int, int], limit: int, left: int | None) -> Iterator[Claim]:
        if left == 0:
            self._hold(connection, lease[0])
        for row in outbox.due(connection, self.name, lease[0], limit):
            if left is not None and not row.critical and not row.pressed:
                if left == 0:
                    self._hold(connection, lease[0], [row.id])
                    continue
                left -= 1
            claim = outbox.claim(connection, row, self.receiver.types, lease)
            if claim is None:
                continue
            if not self._wants(claim.type, claim.severity):
                outbox.settle(connection, claim.id, RowState.SKIPPED, lease[0])
                self._counters.skipped += 1
            yield claim

    def _hold(self, connection: Connection, now: int, ids: Sequence[str] | None = None) -> None:
        held = budget.hold(connection, self.name, now, ids)
        self._held += held
        self._counters.held += held

    def _wants(self, kind: str, severity: str) -> bool:
        """Whether the receiver wants news of a type and severity."""
        types, severities = self.receiver.types, self.receiver.severities
        return (not types or kind in types) and (not severities or severity in severities)

    def _wants_among(self, kind: str, severity: str) -> bool:
        """The same for what is in a digest or a group; who names only these wants everything in them."""
        named = set(self.receiver.types) - {EventType.DIGEST.value, EventType.GROUP.value}
        return self._wants(kind if named else next(iter(self.receiver.types), kind), severity)

    # ---- send ----------------------------------------------------------------------------------------------------

    async def _send(self, claimed: Sequence[Claim | Bundle]) -> None:
        """Sends each by itself; those that end within `_TOGETHER_S` of another are written down in one transaction."""
        under_way = {asyncio.create_task(self._attempt(each)) for each in claimed}
        failed: BaseException | None = None
        try:
            while under_way:
                done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                if under_way:
                    more, under_way = await asyncio.wait(under_way, timeout=_TOGETHER_S)
                    done |= more
                failed = next((task.exception() for task in done if task.exception() is not None), failed)
                try:
                    await asyncio.to_thread(self._finish, [each.result() for each in done if each.exception() is None])
                except UnavailableError as error:  # the others are sent and written down all the same
                    failed = error
        finally:
            for task in under_way:
                task.cancel()
        if failed is not None:
            raise failed

    async def _attempt(self, claimed: Claim | Bundle) -> _Ended:
        began_ms, began = self._tools.clock(), time.monotonic()
        message = Message(claimed.id, str(claimed.type), claimed.body)
        attempt = await self.receiver.send(message, began_ms // 1000)
        return _Ended(claimed, attempt, (began_ms, round((time.monotonic() - began) * 1000)))

    # ---- finish --------------------------------------------------------------------------------------------------

    def _finish(self, ended: Sequence[_Ended]) -> None:
        if not ended:
            return
        now = self._tools.clock()
        self._counters.attempts += len(ended)
        with translated("outbox"), self._tools.engine.begin() as connection:
            for each in ended:
                self._note_health(connection, each.attempt, now)
                if isinstance(each.claimed, Bundle):
                    self._finish_bundle(connection, each.claimed, each.attempt, (each.when, now))
                else:
                    self._finish_single(connection, each.claimed, each.attempt, (each.when, now))
            if any(each.attempt.verdict is Verdict.GONE for each in ended):
                self._redirect(connection, now)

    def _finish_single(
        self, connection: Connection, claim: Claim, attempt: Attempt, times: tuple[tuple[int, int], int]
    ) -> None:
        (at_ms, took_ms), now = times
        old = now - claim.created_ms >= backoff.GIVE_UP_MS
        state, due_ms = self._judge(attempt, claim.attempts, now, old=old)
        outbox.finish(connection, Outcome(claim, attempt, at_ms, took_ms, state, due_ms))
        if state is RowState.DEAD:
            self._counters.dead += 1
            tried = f"after {claim.attempts} attempts in 24 h" if old else "since the receiver will never take it"
            what = f"{claim.type} of alert {claim.alert} was given up {tried}"
            log.error("notify %s: %s (`frostline notify dead-letters`): %s", self.name, what, attempt.error)
            fallback = self._tools.plan.fallback(self.name)
            if fallback and outbox.stand_in(connection, claim.id, fallback, now):
                self._counters.redirected += 1

    def _finish_bundle(
        self, connection: Connection, claimed: Bundle, attempt: Attempt, times: tuple[tuple[int, int], int]
    ) -> None:
        when, now = times
        state, due_ms = self._judge(attempt, claimed.attempts, now, old=False)
        oldest_ms = now - backoff.GIVE_UP_MS
        dead = bundle.finish(connection, claimed, attempt, when, (state, due_ms, oldest_ms))
        if claimed.group:
            telling.finish(connection, claimed, self._tools.plan.groups, (state, due_ms), now)
        self._counters.groups += state is RowState.DELIVERED and bool(claimed.group)
        self._counters.digests += state is RowState.DELIVERED and not claimed.group
        if dead:
            self._counters.dead += dead
            log.error("notify %s: %d notifications of one message were given up: %s", self.name, dead, attempt.error)

    def _judge(self, attempt: Attempt, attempts: int, now: int, *, old: bool) -> tuple[RowState, int]:
        """A row's state after an attempt, and when it is due again."""
        if attempt.verdict is Verdict.DELIVERED:
            self._counters.delivered += 1
            return RowState.DELIVERED, now
        if attempt.verdict is Verdict.GONE:
            return RowState.WAITING, now + round(backoff.MOST_S * 1000)
        if old or attempt.verdict is Verdict.REJECTED:
            return RowState.DEAD, now
        self._counters.retried += 1
        wait_s = backoff.wait_s(attempts, self._tools.random, attempt.retry_after_s)
        return RowState.WAITING, now + round(wait_s * 1000)

    # ---- health --------------------------------------------------------------------------------------------------

    def _note_health(self, connection: Connection, attempt: Attempt, now: int) -> None:
        """A rejected message says nothing against the receiver: it has answered."""
        before = health.health_of(connection, self.name, self._target)
        if attempt.verdict is Verdict.GONE:
            after = before.gone(attempt.error, now)
            self._counters.refused_by_receiver += 1
            log.error("notify %s: %s; it is left alone (`frostline notify enable`)", self.name, attempt.error)
        elif attempt.verdict is Verdict.RETRY:
            after = before.failed(attempt.error, now, self._tools.random)
            if before.failures == 0:
                log.warning("notify %s: %s; trying again for 24 h", self.name, attempt.error)
        else:
            after = replace(before, state=HealthState.OK, failures=0)
        self._health = after
        if after == before:
            return
        health.keep(connection, after)
        self._tell_others(connection, after, now)

    def _tell_others(self, connection: Connection, after: Health, now: int) -> None:
        others = self._tools.plan.others(self.name)
        if after.failures == 0:
            log.info("notify %s: delivers again", self.name)
            faults.end(connection, Fault(RECEIVER_RULE, self.name, 0, "it delivers again"), others, now)
        elif after.is_told(now):
            kind = "it wants nothing any more" if after.state is HealthState.GONE else "it cannot be reached"
            faults.begin(
                connection, Fault(RECEIVER_RULE, self.name, after.failures, f"{kind}: {after.reason}"), others, now
            )

    def _redirect(self, connection: Connection, now: int) -> None:
        fallback = self._tools.plan.fallback(self.name)
        if fallback:
            moved = outbox.redirect(connection, self.name, fallback, now)
            self._counters.redirected += moved
            log.warning("notify %s: %d notifications go to %s instead", self.name, moved, fallback)


def served(desks: Sequence[Desk]) -> list[str]:
    """Names of receivers that are worked for now."""
    return [desk.name for desk in desks if desk.is_served]
