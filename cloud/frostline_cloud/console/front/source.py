"""Reads what the first page shows: once for all browsers, and within a bounded time.

Bounds: 200 devices, 1000 open alerts (100 shown), 500 gateways. A pass asks the store for newest values and for
histories, the longest unread first, until its time is over; what it did not reach keeps its last value, whose age tells
the truth.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Final

from sqlalchemy import Connection, func, select

from frostline_cloud.alerts import handlings, open_alerts
from frostline_cloud.alerts.evidence import TO_CLOSE
from frostline_cloud.alerts.read import count_alerts
from frostline_cloud.api import Services
from frostline_cloud.api.live import Freshness, live_values
from frostline_cloud.console.front.facts import Delivery, Facts
from frostline_cloud.console.front.screen import STOCK_KIND, Screen, screen
from frostline_cloud.console.front.values import (
    LONGEST_SILENCE_MS,
    NO_HISTORY,
    DeviceKey,
    History,
    key_of,
    main_metric,
    with_gaps,
)
from frostline_cloud.console.limits import in_force_on
from frostline_cloud.rules import in_force
from frostline_cloud.rules.taken import refusals
from frostline_cloud.sql import ledger, registry, told
from frostline_cloud.sql.registry import KnownDevice, KnownNode, Scope
from frostline_cloud.sql.tables import device
from frostline_cloud.store.port import Latest
from frostline_core.errors import UnavailableError
from frostline_core.rules import RuleSet
from frostline_core.rules.bundle import unsendable

SPANS: Final = ((12 * 3600_000, 600_000), (3600_000, 30_000), (600_000, 5_000))
"""(length, interval) of a history: the longest, unless a device is younger than the next."""

MOST_DEVICES: Final = 200
MOST_ALERTS: Final = 1000
MOST_NODES: Final = 500
_EVERY_S: Final = 1.5
_PASS_S: Final = 0.4
_HISTORY_EVERY: Final = 300  # a history is read anew when this part of its length has passed
_SLOW_EVERY_S: Final = 30.0  # what sums up or looks through whole tables


@dataclass
class _Read:
    """What the store last said of a device; `latest_at` orders the devices by how long they are unread."""

    latest: Sequence[Latest] = ()
    latest_at: float = 0.0
    history: History = NO_HISTORY
    history_ms: int = 0  # when it is to be read anew
    known: bool = False


@dataclass
class ScreenSource:
    """Makes the screen at most every 1.5 s, whoever asks, from any thread.

    Attributes:
        services: Where it reads.
        tick: Monotonic seconds.
    """

    services: Services
    tick: Callable[[], float] = time.monotonic
    _read: dict[DeviceKey, _Read] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    _screen: Screen | None = None
    _delivery: Delivery | None = None
    _to_close: int = 0
    _unsent: Mapping[tuple[str, str], str] = field(default_factory=dict)
    _slow_at: float = 0.0
    _made_at: float = 0.0

    def now(self, *, fresh: bool = False) -> Screen:
        """The screen, at most 1.5 s old; `fresh` reads it anew.

        Raises:
            UnavailableError: SQL does not answer.
        """
        with self._lock:
            if self._screen is None or fresh or self.tick() - self._made_at >= _EVERY_S:
                self._screen = self._make()
                self._made_at = self.tick()
            return self._screen

    def _make(self) -> Screen:
        services = self.services
        with services.reading() as connection:
            nodes = registry.nodes(connection, Scope(), most=MOST_NODES)
            devices = registry.devices(connection, Scope(), most=MOST_DEVICES)
            count = connection.scalar(select(func.count()).select_from(device)) or 0
            alerts = open_alerts(connection, MOST_ALERTS)
            handled = handlings(connection, [each.id for each in alerts])
            refused = refusals(connection)
            if self._delivery is None or self.tick() - self._slow_at >= _SLOW_EVERY_S:
                self._delivery, self._slow_at = _delivery(connection), self.tick()
                self._to_close = count_alerts(connection, TO_CLOSE)
                rules = in_force(connection, services.rules, services.clock()).rules
                self._unsent = unsendable(rules, [(each.site, each.node) for each in nodes])
        fault = services.ingest_fault()
        try:
            self._ask_store(devices)
        except UnavailableError as error:
            fault = fault or f"the store does not answer: {error}"
        facts = self._facts(nodes, devices, fault, count - len(devices))
        return screen(replace(facts, alerts=alerts, handled=handled, refusals=refused, unsent=self._unsent))

    def _facts(
        self,
        nodes: Sequence[KnownNode],
        devices: Sequence[KnownDevice],
        fault: str,
        unshown: int,
    ) -> Facts:
        now_ms = self.services.clock()
        freshness = Freshness(now_ms, round(self.services.config.stale_after_s * 1000), fault)
        read = {key_of(each): self._read.get(key_of(each)) for each in devices}
        return Facts(
            now_ms=now_ms,
            fault=fault,
            nodes=nodes,
            devices=devices,
            values={
                key_of(each): live_values(each, known.latest, freshness)
                for each in devices
                if (known := read[key_of(each)]) is not None and known.known
            },
            histories={key: known.history for key, known in read.items() if known is not None},
            unshown=unshown,
            to_close=self._to_close,
            delivery=self._delivery,
        )

    def _ask_store(self, devices: Sequence[KnownDevice]) -> None:
        """Newest values first, then the histories that are due.

        Raises:
            UnavailableError: The store does not answer.
        """
        began, now_ms = self.tick(), self.services.clock()
        self.services.store.check()
        wanted = {key_of(each): each for each in devices}
        self._read = {key: self._read.get(key) or _Read() for key in wanted}
        for key in sorted(wanted, key=lambda key: self._read[key].latest_at):
            self._read[key].latest = self.services.store.latest(wanted[key].place)
            self._read[key].latest_at, self._read[key].known = self.tick(), True
            if self.tick() - began > _PASS_S:
                return
        for key in sorted(wanted, key=lambda key: self._read[key].history_ms):
            if now_ms < self._read[key].history_ms or self.tick() - began > _PASS_S:
                return
            history = self._history(wanted[key], now_ms)
            length_ms = history.end_ms - history.start_ms or SPANS[0][0]
            self._read[key].history, self._read[key].history_ms = history, now_ms + length_ms // _HISTORY_EVERY

    def _history(self, known: KnownDevice, now_ms: int) -> History:
        metric = main_metric(known)
        if metric is None or known.description.kind == STOCK_KIND:
            return NO_HISTORY
        length_ms, interval_ms = SPANS[0]
        buckets = self.services.store.series(known.place, metric, now_ms - length_ms, now_ms, interval_ms)
        for shorter_ms, finer_ms in SPANS[1:]:
            if not buckets or buckets[0].at_ms < now_ms - shorter_ms - interval_ms:
                break
            length_ms, interval_ms = shorter_ms, finer_ms
            buckets = self.services.store.series(known.place, metric, now_ms - length_ms, now_ms, interval_ms)
        points = with_gaps(buckets, max(interval_ms, LONGEST_SILENCE_MS))
        extremes = (min(each.low for each in buckets), max(each.high for each in buckets)) if buckets else None
        limits = _limits(known, metric, self.services.in_force())
        return History(points, extremes, limits, now_ms - length_ms, now_ms)


def _delivery(connection: Connection) -> Delivery:
    accounts, losses = ledger.totals(connection).values(), ledger.lost(connection).values()
    return Delivery(
        received=sum(each.received for each in accounts),
        unexplained=sum(abs(each.residue) for each in accounts) + sum(told.unexplained(connection).values()),
        lost=sum(each.samples for each in losses),
        uncounted=sum(each.uncounted for each in losses),
        dead=sum(each.dead_lettered for each in accounts),
    )


def _limits(known: KnownDevice, metric: str, rules: RuleSet) -> tuple[float, ...]:
    """The limits that are held against what is measured."""
    return tuple(sorted({each.value for each in in_force_on(known, metric, rules) if not each.is_of_buffer}))
