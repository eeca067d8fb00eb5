"""The desk of one receiver: takes what is due for it, sends it, and has written down what became of it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from traceback import format_tb

from sqlalchemy import Connection

from frostline_cloud.alerts.event import EventType
from frostline_cloud.notify import budget, health, outbox
from frostline_cloud.notify.bundle import Bundle
from frostline_cloud.notify.ending import Ending
from frostline_cloud.notify.grouping import telling
from frostline_cloud.notify.grouping.telling import Telling
from frostline_cloud.notify.health import HealthState
from frostline_cloud.notify.outbox import Claim, RowState, Tried
from frostline_cloud.notify.receivers.receiver import Attempt, Message, Receiver, Verdict
from frostline_cloud.notify.receivers.settings import BudgetConfig
from frostline_cloud.notify.tools import Tools
from frostline_cloud.sql import read_only, translated
from frostline_core.errors import UnavailableError
from frostline_core.rules import Severity

log = logging.getLogger("frostline.notify")

IN_FLIGHT = 4
"""Notifications of one receiver under way at a time."""

_LEASE_MARGIN_MS = 30_000
_TOGETHER_S = 0.02  # what is one transaction then is one less that ingest waits for, many times in a storm


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
        self._ending = Ending(receiver.name, target, tools)
        self._counters = tools.counters
        self._held = 0  # by this desk alone: while it holds, more is to be held

    @property
    def name(self) -> str:
        """The receiver's name."""
        return self.receiver.name

    def is_served(self, connection: Connection) -> bool:
        """Whether anything may still be delivered without somebody's help."""
        return health.health_of(connection, self.name, self._target).state is HealthState.OK

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
            found = health.health_of(connection, self.name, self._target)
            if not found.may_send(now) or not self._has_work(connection, now):
                return []
        with translated("outbox"), self._tools.engine.begin() as connection:
            return self._take(connection, now, probing=found.state is HealthState.RESTING)

    def _has_work(self, connection: Connection, now: int) -> bool:
        if outbox.due(connection, self.name, now, 1) or budget.is_pressed(connection, self.name):
            return True
        if telling.is_due(connection, self.name, now):
            return True
        return budget.is_due(connection, self.name, self._limits, now)

    def _take(self, connection: Connection, now: int, *, probing: bool) -> list[Claim | Bundle]:
        lease = (now, now + round(self.receiver.timeout_s * 1000) + _LEASE_MARGIN_MS)
        budget.release(connection, self.name)
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
                outbox.settle(connection, [claim.id], RowState.SKIPPED, lease[0])
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
                    await asyncio.to_thread(self._end, [each.result() for each in done if each.exception() is None])
                except UnavailableError as error:  # the others are sent and written down all the same
                    failed = error
        finally:
            for task in under_way:
                task.cancel()
        if failed is not None:
            raise failed

    async def _attempt(self, claimed: Claim | Bundle) -> tuple[Claim | Bundle, Tried]:
        began_ms, began = self._tools.clock(), time.monotonic()
        message = Message(claimed.id, str(claimed.type), claimed.body)
        try:
            attempt = await self.receiver.send(message, began_ms // 1000)
        except Exception as error:  # noqa: BLE001 - a desk supervises its receiver, and the other desks must go on
            where = "".join(format_tb(error.__traceback__))  # without its words: they may hold a secret
            log.error("receiver %s: an error of ours: %s\n%s", self.name, type(error).__name__, where)
            attempt = Attempt(Verdict.RETRY, error=f"an error of ours: {type(error).__name__}")
        return claimed, Tried(attempt, began_ms, round((time.monotonic() - began) * 1000))

    def _end(self, ended: Sequence[tuple[Claim | Bundle, Tried]]) -> None:
        if ended:
            with translated("outbox"), self._tools.engine.begin() as connection:
                self._ending.write(connection, ended)
