"""The notify worker: dispatch, escalation, and one task for each receiver, so that a slow one holds up no other."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from random import Random, SystemRandom

from sqlalchemy import Connection, Engine

from frostline_cloud.alerts import releasable, release
from frostline_cloud.instant import now_ms
from frostline_cloud.notify import backoff, escalation, health, outbox
from frostline_cloud.notify.config import ReceiverConfig
from frostline_cloud.notify.desk import Desk
from frostline_cloud.notify.dispatch import dispatch
from frostline_cloud.notify.grouping import telling
from frostline_cloud.notify.links import Links, forget_links
from frostline_cloud.notify.oncall.rows import staffed
from frostline_cloud.notify.outbox import UNADDRESSED
from frostline_cloud.notify.plan import Plan
from frostline_cloud.notify.receivers.open import open_receiver
from frostline_cloud.notify.receivers.receiver import Receiver
from frostline_cloud.notify.receivers.settings import BudgetConfig, ReceiverSettings
from frostline_cloud.notify.texts import Catalogue
from frostline_cloud.notify.tools import Counters, Tools
from frostline_cloud.sql import read_only, translated
from frostline_core.errors import UnavailableError

log = logging.getLogger("frostline.notify")

_POLL_S = 0.5
_SQL_WAIT_S = 2.0
_MOST_REST_S = 0.5
_RELEASE_EVERY_S, _RELEASE_MOST_S = 5.0, 30.0
_BURY_EVERY_MS = 3_600_000
_LINKS_KEPT_MS = 8 * 24 * 3_600_000  # longer than any link works


class NotifyWorker:
    """Carries notifications from the outbox to the receivers.

    Each is tried until it is delivered, at most for 24 h; then it is dead, and the log says so as an error. A receiver
    that answers 410 is left alone until its address changes or an operator enables it; its fallback gets what waits.
    Several workers may share an outbox: each row is claimed by one. What was under way when a process died is sent
    again after its lease, with the same id, so that the receiver can tell.

    Args:
        engine: The database with the outbox.
        receivers: Who is told.
        clock: UTC milliseconds.
        random: Jitter of the waits.
        plan: Routes and fallbacks; without one every receiver is told of everything.
        texts: For receivers that people read; ours where absent.
        links: Puts links into what is sent; None for none.

    Raises:
        ConfigError: A receiver's secret or certificate cannot be used.
    """

    def __init__(  # noqa: PLR0913 - the parts of one process, each of its own kind
        self,
        engine: Engine,
        receivers: Sequence[ReceiverConfig | Receiver],
        clock: Callable[[], int] = now_ms,
        random: Random | None = None,
        *,
        plan: Plan | None = None,
        texts: Catalogue | None = None,
        links: Links | None = None,
    ) -> None:
        names = tuple(each.name for each in receivers)
        known = plan or Plan(names)
        self._tools = Tools(engine, clock, random or SystemRandom(), known, links)
        self._texts = texts or Catalogue.read()
        self._desks = [self._desk(each) for each in receivers]
        self._awake = asyncio.Event()
        self._is_out = False
        self._held_s = 0.0  # so long dispatch had the write lock at its last turn

    def _desk(self, receiver: ReceiverConfig | Receiver) -> Desk:
        if isinstance(receiver, ReceiverSettings):
            return Desk(open_receiver(receiver, self._texts), receiver.budget, receiver.target, self._tools)
        return Desk(receiver, BudgetConfig(), "", self._tools)

    def counters(self) -> dict[str, int]:
        """What has been done since the start, for metrics."""
        counters = self._tools.counters
        return {name: getattr(counters, name) for name in Counters.__dataclass_fields__}

    async def run(self) -> None:
        """Works until it is cancelled; what is under way then is sent again after its lease."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for desk in self._desks:
                    work = self._endless(f"notify {desk.name}", desk.work)
                    tasks.create_task(work, name=f"notify {desk.name}")
                tasks.create_task(self._endless("notify", self._address), name="notify: dispatch")
                tasks.create_task(self._bury(), name="notify: give up")
                tasks.create_task(self._release(), name="notify: release")
        finally:
            await self.close()

    async def run_once(self) -> int:
        """Works off what is due now; returns the number of notifications that were claimed.

        Raises:
            UnavailableError: SQL does not answer.
        """
        while await self._address():
            pass
        return sum(await asyncio.gather(*(desk.work() for desk in self._desks)))

    async def close(self) -> None:
        """Closes the receivers' connections."""
        for desk in self._desks:
            await desk.receiver.close()

    async def _endless(self, name: str, work: Callable[[], Awaitable[int]]) -> None:
        """Repeats some work until it is cancelled; waits out an outage of SQL, which is said once."""
        while True:
            try:
                made = await work()
            except UnavailableError as error:
                if not self._is_out:
                    log.warning("%s: cannot read the outbox: %s", name, error)
                self._is_out = True
                await asyncio.sleep(_SQL_WAIT_S)
                continue
            self._is_out = False
            if not made:
                await self._nap()
            elif work == self._address:  # in a storm ingest has half of the time for itself
                await asyncio.sleep(min(_MOST_REST_S, self._held_s))

    async def _nap(self) -> None:
        """Until the next look, or until dispatch has something for the desks."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._awake.wait(), _POLL_S)

    async def _address(self) -> int:
        made = await asyncio.to_thread(self._address_now)
        if made:
            self._awake.set()
            await asyncio.sleep(0)  # whoever naps sees it
            self._awake.clear()
        return made

    def _address_now(self) -> int:
        """Dispatches news and takes the steps of escalation that are due; the write lock only where there are some."""
        now, tools = self._tools.clock(), self._tools
        with translated("outbox"), read_only(tools.engine).connect() as connection:
            news = bool(outbox.due(connection, UNADDRESSED, now, 1))
            steps = escalation.is_due(connection, now)
        made, self._held_s = 0, 0.0
        if news:
            with self._transaction() as connection:
                done = dispatch(connection, staffed(connection, tools.plan, now), now)
            tools.counters.dispatched += done.news
            tools.counters.unrouted += done.unrouted
            made += done.news
        if steps:
            with self._transaction() as connection:
                written = escalation.escalate(connection, staffed(connection, tools.plan, now), now)
            tools.counters.escalated += written
            made += written
        return made

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """One that may write; how long it took counts from when it had the lock: before that, others worked."""
        with translated("outbox"), self._tools.engine.begin() as connection:
            began_s = time.monotonic()
            yield connection
        self._held_s += time.monotonic() - began_s

    async def _release(self) -> None:
        """Has alerts told whose reason not to be told is over; where thousands are looked at, less often."""
        while True:
            made, began_s = 0, time.monotonic()
            with suppress(UnavailableError):  # the desks say so
                made = await asyncio.to_thread(self.release_now)
            took_s = time.monotonic() - began_s
            await asyncio.sleep(took_s if made else min(_RELEASE_MOST_S, max(_RELEASE_EVERY_S, 20 * took_s)))

    def release_now(self) -> int:
        """Writes news of alerts whose shelf, silence or inhibition is over; returns of how many.

        Raises:
            UnavailableError: SQL does not answer.
        """
        now, engine = self._tools.clock(), self._tools.engine
        with translated("outbox"), read_only(engine).connect() as connection:
            found = releasable(connection, now)
        if not found:
            return 0
        with translated("outbox"), engine.begin() as connection:
            return release(connection, found, UNADDRESSED, now)

    async def _bury(self) -> None:
        while True:
            with suppress(UnavailableError):  # the desks say so; the next hour is soon enough
                await asyncio.to_thread(self._bury_now)
            await asyncio.sleep(_BURY_EVERY_MS / 1000)

    def _bury_now(self) -> None:
        now, names = self._tools.clock(), [desk.name for desk in self._desks]
        with translated("outbox"), self._tools.engine.begin() as connection:
            forget_links(connection, now - _LINKS_KEPT_MS)
            telling.forget(connection, names)
            health.forget(connection, names)
        dead = 0
        while some := self._bury_some(now):
            dead += some
        if dead:
            log.error("%d notifications for receivers that are gone, down or not configured were given up", dead)

    def _bury_some(self, now: int) -> int:
        """Gives up a bounded number of what nobody serves, with copies to the fallbacks; returns how many."""
        tools, by_receiver = self._tools, dict[str, list[str]]()
        with translated("outbox"), tools.engine.begin() as connection:
            served = [desk.name for desk in self._desks if desk.is_served(connection)]
            dead = outbox.bury(connection, served, now - backoff.GIVE_UP_MS, now)
            for message_id, receiver in dead:
                by_receiver.setdefault(receiver, []).append(message_id)
            for receiver, ids in by_receiver.items():
                if fallback := tools.plan.fallback(receiver):
                    tools.counters.redirected += outbox.stand_in(connection, ids, fallback, now)
        tools.counters.dead += len(dead)
        return len(dead)
