"""From the drivers to the spool: readings become samples, samples become rows, rows go to the disk in groups.

Invariants:
1. A sample is in memory for at most the flush interval while the disk works; then it is in the spool.
2. While the disk does not work, rows wait in memory up to a bound. Beyond it the oldest are given up, counted by
   reason, and told to the cloud as one ordinary events row as soon as the disk takes rows again.
3. The account that is written with a group speaks of exactly the samples in that group and of those given up since.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

from frostline_core.diary import TOLD
from frostline_core.errors import ConfigError, UnavailableError
from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Reading, Stream
from frostline_edge.sampler import Sampler, SamplerAccount
from frostline_edge.sampling import Sampling
from frostline_edge.scan import Scan
from frostline_gateway.devices import Devices
from frostline_gateway.grouping import RowLimits, together
from frostline_gateway.packing import MOST_METRICS_IN_ROW, Packing
from frostline_gateway.spool import Spool
from frostline_gateway.spool.rows import AccountDelta, Lost, NewRow, loss_notice
from frostline_gateway.spool.waiting import restamped
from frostline_gateway.timekeeper import Known, Timekeeper

log = logging.getLogger("frostline.intake")

MOST_MEMORY_BYTES = 32 << 20
"""Most that rows which wait in memory may weigh, however few they are."""
_ROWS = RowLimits(samples=MOST_METRICS_IN_ROW)
_PATIENT_ROWS = RowLimits(load=2, samples=MOST_METRICS_IN_ROW)
"""Who lets rows wait for more than a second wants them together, however few they are."""
_RETRY_S = 1.0
_QUIET_PART = 4
_TEXTS = frozenset({DataType.STRING, DataType.TEXT, DataType.UUID, DataType.BYTES})
_KNOWN = Known("", 0)
"""Without a timekeeper every stamp is a time of day, and nothing waits."""
_NODE = DeviceDescription("", "gateway", "", tuple(MetricDescription(*each) for each in TOLD.items()))


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """How rows are grouped, and how many may wait.

    Attributes:
        flush_s: Longest time that a row waits for others; a group is written once nothing came for a quarter of it.
        flush_rows: A group of so many is written at once.
        memory_rows: Most rows that wait in memory while the disk does not take them.
    """

    flush_s: float = 1.0
    flush_rows: int = 200
    memory_rows: int = 5_000


class Intake:
    """Where drivers emit to, and the one writer of rows. Belongs to the event loop."""

    def __init__(
        self,
        spool: Spool,
        devices: Devices,
        overrides: Mapping[tuple[str, str], Mapping[str, object]],
        clock: Callable[[], int],
        limits: IntakeLimits | None = None,
    ) -> None:
        """Starts with nothing pending.

        Args:
            spool: Where rows go.
            devices: Learns of births, deaths and samples.
            overrides: Sampling fields to put in place of a driver's, by device and metric.
            clock: Time of day, UTC milliseconds.
            limits: Of groups and memory.
        """
        self._spool, self.devices, self._overrides, self._clock = spool, devices, overrides, clock
        self._limits = limits or IntakeLimits()
        self.sampler = Sampler()
        self.sampler.configure("", {}, _NODE)
        self._on_device: Callable[[str], None] = lambda _: None
        self._on_samples: Callable[[str, Sequence[Reading]], None] = lambda *_: None
        self._packing = Packing(_NODE)
        self._keeper: Timekeeper | None = None
        self._untold: list[Lost] = []
        self._pending: deque[NewRow] = deque()
        self._bytes = 0
        self._in_flight = 0
        self._booked = (0, 0, 0)  # read, filtered and rejected that are in the spool's account
        self._lost: dict[str, int] = {}
        self._lost_from_ms: int | None = None
        self._wake = asyncio.Event()
        self._closing = False
        self.error = ""
        self.written_ms = clock()

    def close(self) -> None:
        """The drivers are about to be stopped: what they say of their own end is not a device's death."""
        self._closing = True

    def on_device(self, changed: Callable[[str], None]) -> None:
        """Calls that whenever a device is born, changes or dies."""
        self._on_device = changed

    def on_samples(self, hear: Callable[[str, Sequence[Reading]], None]) -> None:
        """Shows it the samples of each device as they are taken, but none that wait for the time of day."""
        self._on_samples = hear

    def keep_time(self, keeper: Timekeeper) -> None:
        """Stamps readings by that, from now on; without it their own stamps are believed."""
        self._keeper = keeper

    @property
    def in_hand(self) -> int:
        """Samples that are in memory and not yet in the spool."""
        return sum(row.samples for row in list(self._pending)) + self._in_flight

    @property
    def unbooked(self) -> AccountDelta:
        """What the next group will add to the account, as far as is known now."""
        account, lost = self.sampler.account, dict(self._lost)
        kept = self.in_hand + sum(lost.values())
        filtered, rejected = account.filtered - self._booked[1], account.rejected - self._booked[2]
        return AccountDelta(kept + filtered + rejected, kept, filtered, rejected, lost)

    # ---- what drivers call (frostline_edge.driver.Emit)
    def born(self, device: DeviceDescription, sampling: Mapping[str, Sampling]) -> None:
        """A device answers; a sampling that cannot work is logged, and the device's readings are then rejected."""
        wanted = {metric.name: self._sampling(device.id, metric, sampling) for metric in device.metrics}
        for owner, name in self._overrides:
            if owner == device.id and name not in wanted and device.id not in self._packing:
                log.warning("%s: [[override]] of '%s', which it does not have", device.id, name)
        try:
            self.sampler.configure(device.id, {name: each for name, each in wanted.items() if each}, device)
        except ConfigError as error:
            log.error("%s: its readings are rejected until the configuration is mended: %s", device.id, error)
            return
        raw = [metric.name for metric in device.metrics if _identifies(metric, wanted[metric.name])]
        self._packing.learn(device, raw)
        if self.devices.born(device, self._clock()):
            log.info("%s: answers (%s)", device.id, device.kind)
            self._on_device(device.id)

    def scan(self, device: str, readings: Sequence[Reading]) -> None:
        """What one poll gave: thinned, then one row."""
        self._hear(Stream.SAMPLES, device, readings)

    def event(self, device: str, readings: Sequence[Reading]) -> None:
        """Something happened: kept whole, in the events stream."""
        self._hear(Stream.EVENTS, device, readings)

    def died(self, device: str, reason: str) -> None:
        """A device no longer answers."""
        if self._closing:
            return  # the driver was stopped, not the device; NDEATH says so for all of them
        if self.devices.died(device, reason, self._clock()):
            log.warning("%s: no longer answers: %s", device, reason)
            self._on_device(device)

    # ---- the writer
    def tell_lost(self, lost: Lost) -> None:
        """Tells the cloud of readings that never reached the spool and were never counted; when the time is known."""
        if self._keeper is not None and self._keeper.known is None:
            self._untold.append(lost)
            return
        row = loss_notice(lost)
        self._pending.append(row)
        self._bytes += len(row.payload)
        self._wake.set()

    async def run(self, writer: Executor) -> None:
        """Writes groups until cancelled; a disk that fails is tried again each second.

        Args:
            writer: One thread: SQLite waits for the disk there, and groups stay in order.
        """
        while True:
            await self._wake.wait()
            if len(self._pending) < self._limits.flush_rows:
                await self._gather()
            if not await self.flush(writer):
                await asyncio.sleep(_RETRY_S)

    async def _gather(self) -> None:
        """Waits for the rest of a scan: the devices of a bus answer one after the other, and a group is one write."""
        quiet_s = self._limits.flush_s / _QUIET_PART
        for _ in range(_QUIET_PART):
            came = len(self._pending)
            await asyncio.sleep(quiet_s)
            if not came < len(self._pending) < self._limits.flush_rows:
                return

    async def flush(self, writer: Executor) -> bool:
        """Writes everything in memory as one group; False when the disk did not take it."""
        self._wake.clear()
        known = self._keeper.known if self._keeper is not None else _KNOWN
        if known is not None:
            self._tell_untold()
        account, delta, from_ms = self.sampler.account, self.unbooked, self._lost_from_ms
        delta = replace(delta, read=account.read - self._booked[0])  # counted where it began, not where it ended
        if known is None:  # losses are told, and booked, once it is known when they happened
            lost = sum(delta.lost.values())
            delta = AccountDelta(delta.read - lost, delta.kept - lost, delta.filtered, delta.rejected)
        rows = list(self._pending)
        group = [
            *together(rows, _PATIENT_ROWS if self._limits.flush_s > 1 else _ROWS),
            *self._notices(delta.lost, from_ms),
        ]
        self._pending.clear()
        self._bytes = 0
        self._in_flight = sum(row.samples for row in rows)
        error, cancelled = await self._append(writer, group, delta, known)
        self._in_flight = 0
        if error:
            self._failed(rows, error)
        else:
            self._written(account, delta)
        if cancelled:
            raise asyncio.CancelledError
        return not error

    async def _append(
        self, writer: Executor, group: Sequence[NewRow], delta: AccountDelta, known: Known | None
    ) -> tuple[str, bool]:
        """Appends; why it failed, and whether we were cancelled meanwhile: an append cannot be left half known."""
        taken_ms = self._stamp_ms()

        def append() -> str:
            try:
                if known is not None:
                    self._spool.release(known.boot, known.difference_ms)
                self._spool.append(_dated(group, known), delta, taken_ms if known is not None else 0)
            except UnavailableError as error:
                return str(error)
            return ""

        task = asyncio.get_running_loop().run_in_executor(writer, append)
        cancelled = False
        while not task.done():
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError:
                cancelled = True
        return task.result(), cancelled

    def _written(self, account: SamplerAccount, delta: AccountDelta) -> None:
        """Books a group that is on the disk."""
        lost = delta.lost
        self._booked = (self._booked[0] + delta.read, account.filtered, account.rejected)
        self._lost = {reason: count - lost.get(reason, 0) for reason, count in self._lost.items()}
        self._lost = {reason: count for reason, count in self._lost.items() if count}
        self._lost_from_ms = self._lost_from_ms if self._lost else None
        self.written_ms = self._clock()
        if self.error:
            log.info("spool: takes rows again; lost meanwhile: %d samples", sum(lost.values()))
            self.error = ""

    def _sampling(self, device: str, metric: MetricDescription, sampling: Mapping[str, Sampling]) -> Sampling | None:
        """A metric's sampling with the overrides of the configuration; None leaves the driver's silence."""
        fields = self._overrides.get((device, metric.name))
        given = sampling.get(metric.name)
        return given if not fields else replace(given or Sampling(), **fields)  # type: ignore[arg-type] # from config

    def _hear(self, stream: Stream, device: str, readings: Sequence[Reading]) -> None:
        """Readings get their times; what is worth keeping becomes rows."""
        if isinstance(readings, Scan) and (self._keeper is None or self._keeper.passes(device, readings.at_ms)):
            self._take(stream, device, self.sampler.take(readings, event=stream is Stream.EVENTS), "")
            self.devices.heard(device, readings.at_ms)
            return
        timed = [(reading, False) for reading in readings] if self._keeper is None else self._keeper.stamped(readings)
        for waits in (True, False):
            part = [reading for reading, its in timed if its is waits]
            samples = self.sampler.take(part, event=stream is Stream.EVENTS)
            self._take(stream, device, samples, self._keeper.boot if waits and self._keeper is not None else "")
            if part and device and not waits:
                self.devices.heard(device, max(reading.at_ms for reading in part))

    def _take(self, stream: Stream, device: str, samples: Sequence[Reading], boot: str) -> None:
        if not boot:
            self.devices.keep(samples)
            if device and samples:
                self._on_samples(device, samples)
        for row in self._packing.rows(stream, device, samples, boot):
            self._pending.append(row)
            self._bytes += len(row.payload)
            self._wake.set()
        self._keep_bound()

    def _failed(self, rows: Sequence[NewRow], reason: str) -> None:
        """Puts a group back, and gives up what is beyond the bound."""
        if reason != self.error:
            log.error("spool: takes no rows, %d wait in memory: %s", len(rows), reason)
            self.error = reason
        self._pending.extendleft(reversed(rows))
        self._bytes += sum(len(row.payload) for row in rows)
        self._keep_bound()
        self._wake.set()

    def _keep_bound(self) -> None:
        """Gives up the oldest rows beyond the bound: they are lost, and the loss has a reason and a count."""
        while len(self._pending) > self._limits.memory_rows or self._bytes > MOST_MEMORY_BYTES:
            row = self._pending.popleft()
            self._bytes -= len(row.payload)
            reason = f"spool: {self.error or 'too slow'}"[:200]
            self._lost[reason] = self._lost.get(reason, 0) + row.samples
            if not row.boot:
                first_ms = row.first_ms
                self._lost_from_ms = first_ms if self._lost_from_ms is None else min(self._lost_from_ms, first_ms)

    def _tell_untold(self) -> None:
        """Losses that were noticed while nobody knew the time."""
        untold, self._untold = self._untold, []
        for lost in untold:
            self.tell_lost(replace(lost, to_ms=self._stamp_ms()))

    def _stamp_ms(self) -> int:
        """What a sample of this moment is stamped with: spans of losses are told in the samples' own time."""
        return self._clock() if self._keeper is None else self._keeper.now_ms()

    def _notices(self, lost: Mapping[str, int], from_ms: int | None) -> list[NewRow]:
        now_ms = self._stamp_ms()
        return [loss_notice(Lost(reason, count, from_ms, now_ms)) for reason, count in lost.items()]


def _dated(rows: Sequence[NewRow], known: Known | None) -> Sequence[NewRow]:
    """Rows as they go to the disk: those that waited in memory have times of day once these are known."""
    if known is None or not any(row.boot for row in rows):
        return rows
    return [restamped(row, known.difference_ms) if row.boot else row for row in rows]


def _identifies(metric: MetricDescription, sampling: Sampling | None) -> bool:
    """Whether each reading of a metric is one read of a tag: text that its driver wants kept unthinned."""
    return sampling is not None and sampling.every and metric.datatype in _TEXTS
