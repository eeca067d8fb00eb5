"""The one wiring file of the cloud: builds every part in flow order and runs it until it is told to stop.

broker -> ingest (own thread) -> store + SQL -> notify
store + SQL -> API and console
"""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Engine, text

from frostline_cloud import current, identity, reminders
from frostline_cloud.alerts import topology
from frostline_cloud.api.listener import listen
from frostline_cloud.audit import EVERY_S, audit
from frostline_cloud.config import CloudConfig
from frostline_cloud.ingest import journal
from frostline_cloud.ingest.broker import Broker
from frostline_cloud.ingest.decode import Batch
from frostline_cloud.ingest.errands import Refetch, Retirement
from frostline_cloud.ingest.flush import Flusher
from frostline_cloud.ingest.generation import Generation
from frostline_cloud.ingest.ingest import Ingest
from frostline_cloud.ingest.letters import LetterBox, named
from frostline_cloud.ingest.reader import Parts
from frostline_cloud.ingest.registry import Registry
from frostline_cloud.ingest.retrospect import EVERY_S as LOOK_BACK_EVERY_S
from frostline_cloud.ingest.retrospect import Retrospect
from frostline_cloud.ingest.series import SeriesTable
from frostline_cloud.instant import now, now_ms
from frostline_cloud.jobs import every
from frostline_cloud.metrics import export
from frostline_cloud.notify import build_notify
from frostline_cloud.notify.canary import LOOK_EVERY_S, Canary, with_canary
from frostline_cloud.rules import Pauses, Rulebook, adopt, in_force
from frostline_cloud.sql import beat, in_front, last_beat, migrate, open_engine, read_only, tidy, translated
from frostline_cloud.store import Store, open_store
from frostline_core.commit import HostCommit, HostLimits, run_text
from frostline_core.errors import ConfigError, FrostlineError, UnavailableError
from frostline_core.moment import Moment
from frostline_core.rules import Evaluator, RuleSet, load_folder
from frostline_core.sparkplug import HostSession

if TYPE_CHECKING:
    from fastapi import FastAPI

log = logging.getLogger("frostline.cloud")

_WATCH_S = 0.5
_REPORT_S = 5.0
_TIDY_S = 600.0
_GC: Final = (200_000, 20, 100)
"""Neither series nor messages make cycles: with Python's own (700, 10, 10) the collector walks over all that a start
restores, many times."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What every part of the process needs: the two places where parts meet, and the rules."""

    engine: Engine
    store: Store
    rules: RuleSet


@dataclass(frozen=True, slots=True)
class Asked:
    """What the web side asks of ingest; without the last two where ingest runs in another process.

    Attributes:
        status: As `Services.status`.
        refetch: As `Services.refetch`.
        retire: As `Services.retire`.
    """

    status: Callable[[], Mapping[str, object]]
    refetch: Callable[[Refetch], None] | None = None
    retire: Callable[[Retirement], None] | None = None


async def run(config: CloudConfig, stop: asyncio.Event, *, ingest: bool = True, web: bool = True) -> None:
    """Runs ingest and notify, API and console, or both, until `stop` is set.

    Raises:
        FrostlineError: A part cannot start, or has failed for good; the process should end and be started again.
    """
    gc.set_threshold(*_GC)
    rules = identity.with_identity(with_canary(load_folder(config.rules.folder), config.canary))
    listener = _listener(config, web=web)
    async with AsyncExitStack() as stack:
        engine = open_engine(config.sql.url)
        stack.callback(engine.dispose)
        await asyncio.to_thread(migrate, engine)
        store = await asyncio.to_thread(open_store, config.store)
        stack.callback(store.close)
        shared = Shared(engine, store, rules)
        if ingest:
            await asyncio.to_thread(_note_rules, shared)
        worker = build_ingest(config, shared) if ingest else None
        notify = build_notify(config.notices, engine) if ingest else None
        retrospect = _retrospect(config, shared)
        async with asyncio.TaskGroup() as tasks:
            if worker is not None and notify is not None:
                await asyncio.to_thread(worker.start)
                tasks.create_task(_until(stop, notify.run), name="notify")
                tasks.create_task(_watch(stop, worker), name="watch ingest")
                tasks.create_task(_report(stop, worker, engine, retrospect), name="report ingest")
                looks_back = every(LOOK_BACK_EVERY_S, "rules after a restored SQL", retrospect.step, stop)
                tasks.create_task(looks_back, name="retrospect")
                if config.canary is not None:
                    canary = Canary(engine, config.broker, config.canary, now_ms)
                    stack.callback(canary.stop)  # frees its thread; until then it would hold up the end
                    flights = partial(every, LOOK_EVERY_S, "canary", canary.fly_when_due, stop)
                    tasks.create_task(_until(stop, flights), name="canary")
                for name, seconds, job in _jobs(config, engine):
                    tasks.create_task(every(seconds, name, job, stop), name=name)
                export(worker, notify)
            if listener is not None:
                asked = Asked(_status_of(worker, engine, retrospect))
                if worker is not None:
                    asked = replace(asked, refetch=worker.refetch, retire=worker.retire)
                app = partial(_application, config, shared, asked, web=web)
                tasks.create_task(_serve(app, config, stop, listener), name="http")
            for gap in config.notices.gaps(now_ms()):
                log.warning("%s", gap)
            log.info("running; rules: %d, receivers: %d", len(rules.rules), len(config.receiver))
            await stop.wait()
            if worker is not None:
                await asyncio.to_thread(worker.stop)


def _note_rules(shared: Shared) -> None:
    """The rules that are in force from now on, as versions."""
    with translated("SQL"), shared.engine.begin() as connection:
        changed = adopt(connection, in_force(connection, shared.rules, now_ms()), now_ms())
    if changed:
        log.info("new versions of rules: %d", len(changed))


async def _serve(
    build: Callable[[], FastAPI], config: CloudConfig, stop: asyncio.Event, listener: socket.socket
) -> None:
    """API and console. They take a second to load, in a thread: ingest is at work by then, and callers wait."""
    app = await asyncio.to_thread(build)
    from frostline_cloud.api.server import serve

    await serve(app, config.http, stop, listener)


def _application(config: CloudConfig, shared: Shared, asked: Asked, *, web: bool) -> FastAPI:
    from frostline_cloud.web import application

    return application(config, shared, asked, whole=web)


def _listener(config: CloudConfig, *, web: bool) -> socket.socket | None:
    """The socket for HTTP, before anything is opened: a port in use is a fault of the config.

    An ingest without a web side goes on without one: that it cannot be watched must not stop what it is there for.
    """
    try:
        return listen(config.http)
    except ConfigError as error:
        if web:
            raise
        log.warning("no /metrics, /healthz, /readyz of this ingest: %s", error)
        return None


def _jobs(config: CloudConfig, engine: Engine) -> tuple[tuple[str, float, Callable[[], object]], ...]:
    """Name, pause in seconds, and work of what is done beside ingest."""
    return (
        ("audit", EVERY_S, lambda: audit(engine, config.told, now_ms())),
        ("identity", identity.EVERY_S, lambda: identity.watch(engine, config.told, now_ms())),
        ("topology", topology.EVERY_S, lambda: _watch_gateways(config, engine)),
        ("current", current.EVERY_S, lambda: current.watch(engine, config.told, now_ms())),
        ("reminders", reminders.EVERY_S, lambda: _remind(config, engine)),
        ("tidy", _TIDY_S, lambda: tidy(engine, config.retention, now_ms())),
    )


def _remind(config: CloudConfig, engine: Engine) -> int:
    """Alerts of what is idle or in maintenance for long."""
    return reminders.watch(engine, config.told, round(config.alerts.remind_after_s * 1000), now_ms())


def _watch_gateways(config: CloudConfig, engine: Engine) -> int:
    """Alerts of gateways and sites that are offline; the canary comes and goes, and says so itself."""
    besides = () if config.canary is None else (config.canary.site,)
    after_ms = round(config.alerts.gateway_offline_after_s * 1000)
    return topology.watch(engine, config.told, after_ms, now_ms(), besides)


def _retrospect(config: CloudConfig, shared: Shared) -> Retrospect:
    """Rules what a restored SQL has forgotten; the canary's excursions are of now only."""
    besides = () if config.canary is None else (config.canary.site,)
    rulebook = Rulebook(shared.engine, shared.rules, now_ms)
    return Retrospect(shared.engine, shared.store, rulebook, config.told, now_ms, besides)


def build_ingest(config: CloudConfig, shared: Shared, clock: Callable[[], Moment] = now) -> Ingest:
    """The ingest path, in flow order."""
    limits = config.ingest
    session = HostSession(config.broker.host_id, reorder_timeout_ms=limits.reorder_timeout_ms)

    def will() -> tuple[str, bytes]:
        said = session.will(now_ms())
        return said.topic, said.payload

    broker = Broker(config.broker, will, limits.queue_messages, limits.queue_mib * 1024 * 1024)
    commit: HostCommit[Batch] = HostCommit(
        _committed_of(shared.engine),
        HostLimits(limits.queue_messages, limits.queue_mib * 1024 * 1024, linger_ms=max(limits.linger_ms, 10)),
    )
    rulebook = Rulebook(shared.engine, shared.rules, now_ms)
    rulebook.refresh()
    evaluator = Evaluator(rulebook.rules)
    series = SeriesTable(evaluator)
    generation = Generation(shared.engine, shared.store)
    letters = LetterBox(config.retention, partial(named, session))
    engine = in_front(shared.engine)  # what gateways wait for goes before notify, API and jobs
    flusher = Flusher(engine, shared.store, evaluator, series, rulebook.rules, config.told, generation, letters)
    parts = Parts(
        broker,
        session,
        commit,
        Registry(engine, series),
        series,
        flusher,
        evaluator,
        generation,
        _check(shared, generation),
        Pauses(shared.engine),
        rulebook,
    )
    return Ingest(parts, limits, clock)


def _committed_of(engine: Engine) -> Callable[[int], int]:
    def read(run: int) -> int:
        with translated("SQL"), read_only(engine).connect() as connection:  # never waits for who writes
            return journal.committed(connection, [run_text(run)]).get(run_text(run), 0)

    return read


def _check(shared: Shared, generation: Generation) -> Callable[[], None]:
    def check() -> None:
        shared.store.check()
        generation.compare(now_ms())
        with translated("SQL"), shared.engine.begin() as connection:
            connection.execute(text("SELECT 1"))

    return check


def _status_of(worker: Ingest | None, engine: Engine, retrospect: Retrospect) -> Callable[[], dict[str, object]]:
    """What ingest says of itself: asked here, or read from SQL where it runs in another process."""

    def asked(here: Ingest) -> dict[str, object]:
        now = asdict(here.status)
        reason = now["reason"] or ("" if here.status.connected else "not connected to the broker")
        return now | {"connected": here.status.online, "reason": reason, "forgotten_devices": retrospect.left}

    def read() -> dict[str, object]:
        with translated("sql"), read_only(engine).connect() as connection:
            return last_beat(connection, now_ms())

    return read if worker is None else lambda: asked(worker)


async def _report(stop: asyncio.Event, worker: Ingest, engine: Engine, retrospect: Retrospect) -> None:
    """Writes ingest's status to SQL each few seconds, for `frostline cloud serve`."""
    status = _status_of(worker, engine, retrospect)

    def write() -> None:
        try:
            with translated("sql"), engine.begin() as connection:
                beat(connection, status(), now_ms())
        except UnavailableError as error:
            log.debug("the status of ingest could not be written: %s", error)

    while not stop.is_set():
        await asyncio.to_thread(write)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _REPORT_S)


async def _until(stop: asyncio.Event, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs an endless coroutine until `stop` is set."""
    task = asyncio.create_task(work())
    waiting = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
    finally:
        waiting.cancel()
        task.cancel()
        await asyncio.gather(task, waiting, return_exceptions=True)


async def _watch(stop: asyncio.Event, worker: Ingest) -> None:
    """Ends the process when the ingest thread has died: a supervisor outside starts it again."""
    while not stop.is_set():
        if not worker.alive:
            raise FrostlineError(f"the ingest thread has ended: {worker.failure!r}")
        await asyncio.sleep(_WATCH_S)
