"""The notify worker: one task for each receiver, so that a slow one never holds up another."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random, SystemRandom

from sqlalchemy import Engine

from frostline_cloud.notify import backoff, outbox
from frostline_cloud.notify.config import ReceiverConfig
from frostline_cloud.notify.outbox import Claim, Outcome, RowState
from frostline_cloud.notify.receivers.receiver import Attempt, Message, Receiver, Verdict
from frostline_cloud.notify.receivers.webhook import Webhook
from frostline_cloud.sql import read_only, translated
from frostline_core.errors import UnavailableError

log = logging.getLogger("frostline.notify")

IN_FLIGHT = 4
"""Notifications of one receiver under way at a time."""

_POLL_S = 0.5
_SQL_WAIT_S = 2.0
_LEASE_MARGIN_MS = 30_000
_BURY_EVERY_MS = 3_600_000


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class Counters:
    """What the worker has done since it started."""

    attempts: int = 0
    delivered: int = 0
    retried: int = 0
    dead: int = 0
    skipped: int = 0
    refused_by_receiver: int = 0


class NotifyWorker:
    """Carries notifications from the outbox to the receivers.

    Each is tried until it is delivered, at most for 24 h; then it is dead, and the log says so as an error. A receiver
    that answers 410 is left alone until the process starts again; its notifications wait, and die after 24 h too.
    Several workers may share an outbox: each row is claimed by one. What was under way when a process died is sent
    again after its lease, with the same id, so that the receiver can tell.

    Args:
        engine: The database with the outbox.
        receivers: Who is told.
        clock: UTC milliseconds.
        random: Jitter of the waits.

    Raises:
        ConfigError: A receiver's secret or certificate cannot be used.
    """

    def __init__(
        self,
        engine: Engine,
        receivers: Sequence[ReceiverConfig | Receiver],
        clock: Callable[[], int] = _now_ms,
        random: Random | None = None,
    ) -> None:
        self._engine = engine
        self._receivers = [Webhook(each) if isinstance(each, ReceiverConfig) else each for each in receivers]
        self._clock = clock
        self._random = random or SystemRandom()
        self._counters = Counters()
        self._gone: set[str] = set()
        self._failing: set[str] = set()
        self._buried_ms = 0

    def counters(self) -> dict[str, int]:
        """What has been done since the start, for metrics."""
        return {name: getattr(self._counters, name) for name in Counters.__dataclass_fields__}

    async def run(self) -> None:
        """Works until it is cancelled; what is under way then is sent again after its lease."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for receiver in self._receivers:
                    tasks.create_task(self._serve(receiver), name=f"notify {receiver.name}")
                tasks.create_task(self._bury(), name="notify: give up")
        finally:
            await self.close()

    async def run_once(self) -> int:
        """Works off what is due now; returns the number of attempts made.

        Raises:
            UnavailableError: SQL does not answer.
        """
        return sum(await asyncio.gather(*(self._work(receiver) for receiver in self._receivers)))

    async def close(self) -> None:
        """Closes the receivers' connections."""
        for receiver in self._receivers:
            await receiver.close()

    async def _serve(self, receiver: Receiver) -> None:
        """Works for one receiver until it is cancelled; waits out an outage of SQL, and says so once."""
        out = False
        while True:
            try:
                made = await self._work(receiver)
            except UnavailableError as error:
                if not out:
                    log.warning("notify %s: cannot read the outbox: %s", receiver.name, error)
                out = True
                await asyncio.sleep(_SQL_WAIT_S)
                continue
            out = False
            if not made:
                await asyncio.sleep(_POLL_S)

    async def _bury(self) -> None:
        while True:
            with suppress(UnavailableError):  # `_serve` says so; the next hour is soon enough
                await asyncio.to_thread(self._bury_now)
            await asyncio.sleep(_BURY_EVERY_MS / 1000)

    def _bury_now(self) -> None:
        now = self._clock()
        served = [receiver.name for receiver in self._receivers if receiver.name not in self._gone]
        with translated("outbox"), self._engine.begin() as connection:
            dead = outbox.bury(connection, served, now - backoff.GIVE_UP_MS, now)
        if dead:
            self._counters.dead += dead
            log.error("%d notifications for receivers that are gone or not configured were given up", dead)

    async def _work(self, receiver: Receiver) -> int:
        """Claims and sends what is due for one receiver, a few at a time."""
        if receiver.name in self._gone:
            return 0
        claims = await asyncio.to_thread(self._claim, receiver)
        wanted = [claim for claim in claims if _wants(receiver, claim)]
        ended = await asyncio.gather(*(self._send(receiver, claim) for claim in wanted), return_exceptions=True)
        for error in ended:
            if error is not None:
                raise error
        return len(claims)

    def _claim(self, receiver: Receiver) -> list[Claim]:
        now = self._clock()
        with translated("outbox"), read_only(self._engine).connect() as connection:
            rows = outbox.due(connection, receiver.name, now, IN_FLIGHT)
        if not rows:
            return []
        lease_ms = round(receiver.timeout_s * 1000) + _LEASE_MARGIN_MS
        with translated("outbox"), self._engine.begin() as connection:
            taken = (outbox.claim(connection, row, receiver.types, (now, now + lease_ms)) for row in rows)
            claims = [claim for claim in taken if claim is not None]
            for claim in claims:
                if not _wants(receiver, claim):
                    outbox.settle(connection, claim.id, RowState.SKIPPED, now)
                    self._counters.skipped += 1
        return claims

    async def _send(self, receiver: Receiver, claim: Claim) -> None:
        began_ms, began = self._clock(), time.monotonic()
        attempt = await receiver.send(Message(claim.id, claim.type, claim.body), began_ms // 1000)
        took_ms = round((time.monotonic() - began) * 1000)
        state, due_ms = self._judge(receiver, claim, attempt)
        outcome = Outcome(claim, attempt, began_ms, took_ms, state, due_ms)
        await asyncio.to_thread(self._finish, outcome)

    def _judge(self, receiver: Receiver, claim: Claim, attempt: Attempt) -> tuple[RowState, int]:
        """The row's state after an attempt, and when it is due again."""
        now = self._clock()
        self._counters.attempts += 1
        if attempt.verdict is Verdict.DELIVERED:
            self._counters.delivered += 1
            if receiver.name in self._failing:
                self._failing.discard(receiver.name)
                log.info("notify %s: delivers again", receiver.name)
            return RowState.DELIVERED, now
        if attempt.verdict is Verdict.GONE:
            self._counters.refused_by_receiver += 1
            self._gone.add(receiver.name)
            log.error("notify %s: %s; it is left alone until the next start", receiver.name, attempt.error)
            return RowState.WAITING, now + round(backoff.MOST_S * 1000)
        if now - claim.created_ms >= backoff.GIVE_UP_MS:
            self._counters.dead += 1
            what = f"{claim.type} of alert {claim.alert} was given up after {claim.attempts} attempts in 24 h"
            log.error("notify %s: %s (`frostline webhook resend`): %s", receiver.name, what, attempt.error)
            return RowState.DEAD, now
        self._counters.retried += 1
        if receiver.name not in self._failing:
            self._failing.add(receiver.name)
            log.warning("notify %s: %s; trying again for 24 h", receiver.name, attempt.error)
        return RowState.WAITING, now + round(backoff.wait_s(claim.attempts, self._random, attempt.retry_after_s) * 1000)

    def _finish(self, outcome: Outcome) -> None:
        with translated("outbox"), self._engine.begin() as connection:
            outbox.finish(connection, outcome)


def _wants(receiver: Receiver, claim: Claim) -> bool:
    type_fits = not receiver.types or claim.type in receiver.types
    return type_fits and (not receiver.severities or claim.severity in receiver.severities)
