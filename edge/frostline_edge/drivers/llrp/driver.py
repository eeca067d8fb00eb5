"""The LLRP driver: connects to one reader, lets it scan, and says which tags are in which zone."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from frostline_core.errors import FrostlineError, ProtocolError, UnavailableError
from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Quality, Reading
from frostline_edge.driver import Emit
from frostline_edge.drivers.llrp import behaviours, messages
from frostline_edge.drivers.llrp.config import Config, Mobility
from frostline_edge.drivers.llrp.link import Link, Waits, connect
from frostline_edge.drivers.llrp.messages import ROSPEC_ID, Capabilities, Kind
from frostline_edge.drivers.llrp.presence import DOCK, SHELF, Movement, Presence, PresenceRules
from frostline_edge.drivers.llrp.reports import walk
from frostline_edge.drivers.llrp.stock import ZoneStock, movement_reading
from frostline_edge.drivers.llrp.wire import Message
from frostline_edge.sampling import Sampling

_log = logging.getLogger("frostline.llrp")

_SILENT_PERIODS = 3
_IN_FLIGHT_MS = 5000
"""Reads by an antenna that the reader called disconnected are late ones for so long; after that they prove it wrong."""
_READER_COUNTS = ("tags_present", "antennas", "reads_unmapped", "reads_ignored", "exceptions")
_READER_SAMPLING = {name: Sampling(min_interval_s=10.0) for name in _READER_COUNTS} | {
    "reads_per_second": Sampling(deadband_percent=10.0, min_interval_s=10.0)
}


def _utc_ms() -> int:
    return time.time_ns() // 1_000_000


def _steady_ms() -> int:
    """The running loop's clock: a Pi without a battery clock starts in the past, and no tag may leave by a jump."""
    return round(asyncio.get_running_loop().time() * 1000)


class Driver:
    """One reader and the zones before its antennas."""

    def __init__(self, config: Config, clock: Callable[[], int] = _utc_ms) -> None:
        self._config = config
        self._clock = clock
        names = [zone.name for zone in config.zone]
        self._presence = Presence(_rules(config), names)
        self._stocks = {name: ZoneStock(name, config.name, config.max_gtins) for name in names}
        self._zone_of = {port: zone.name for zone in config.zone for port in zone.antennas}
        self._ports_of = {zone.name: set(zone.antennas) for zone in config.zone}
        self._unplugged: dict[int, int] = {}  # port: since when
        self._reads = 0
        self._unmapped = 0
        self._troubles = 0
        self._last_trouble = ""
        self._reported_at = 0.0

    def devices(self) -> Sequence[str]:
        """The reader and its zones."""
        return [self._config.name, *self._stocks]

    async def run(self, emit: Emit) -> None:
        """Scans for ever. Zones are dead, never empty, while the reader is away.

        Raises:
            UnavailableError: The reader is absent, busy, silent, or has stopped to scan.
            ProtocolError: It speaks something else, or refuses what it is told.
            ConfigError: It has no such antenna or power.
        """
        config = self._config
        waits = Waits(config.timeout_s, config.timeout_s, config.keepalive_s * _SILENT_PERIODS)
        async with connect(config.host, config.port, waits) as link:
            await self._start_scan(link)
            reason = "the driver was stopped"
            try:
                self._begin(emit)
                await self._listen(link, emit)
            except FrostlineError as error:
                reason = str(error)
                raise
            finally:
                self._end(emit, reason)

    async def _start_scan(self, link: Link) -> None:
        found = await link.request(
            Kind.GET_READER_CAPABILITIES, Kind.GET_READER_CAPABILITIES_RESPONSE, messages.get_capabilities()
        )
        can = messages.capabilities(found)
        config = self._config
        scan = behaviours.scan(config.behaviour, tuple(sorted(self._zone_of)), config.power_dbm, can)
        await link.command(
            Kind.SET_READER_CONFIG, Kind.SET_READER_CONFIG_RESPONSE, messages.set_config(config.keepalive_s)
        )
        antennas = await link.request(Kind.GET_READER_CONFIG, Kind.GET_READER_CONFIG_RESPONSE, messages.get_antennas())
        self._unplugged = dict.fromkeys(messages.disconnected(antennas) & self._zone_of.keys(), _steady_ms())
        # What an earlier session left behind; some readers refuse when nothing is there, and then all is well.
        await link.request(Kind.DELETE_ROSPEC, Kind.DELETE_ROSPEC_RESPONSE, messages.rospec_id(0))
        await link.command(Kind.ADD_ROSPEC, Kind.ADD_ROSPEC_RESPONSE, messages.add_rospec(scan))
        await link.command(Kind.ENABLE_ROSPEC, Kind.ENABLE_ROSPEC_RESPONSE, messages.rospec_id(ROSPEC_ID))
        await link.command(Kind.START_ROSPEC, Kind.START_ROSPEC_RESPONSE, messages.rospec_id(ROSPEC_ID))
        if can.holds_reports:
            await link.send(Kind.ENABLE_EVENTS_AND_REPORTS)
        self._greet(can)

    def _greet(self, can: Capabilities) -> None:
        _log.info(
            "%s: scanning (%s); vendor %d, model %d, firmware %s, %d antennas",
            self._config.name,
            self._config.behaviour.value,
            can.vendor,
            can.model,
            can.firmware,
            can.antennas,
        )

    def _begin(self, emit: Emit) -> None:
        self._reads, self._reported_at = 0, asyncio.get_running_loop().time()
        emit.born(self._description(), _READER_SAMPLING)
        for zone in self._stocks:
            if self._whole(zone):
                self._presence.hear(zone, _steady_ms())
            self._wake(zone, emit)
            if not self._alive(zone):
                emit.died(zone, f"no antenna of this zone is connected to {self._config.name}")

    def _end(self, emit: Emit, reason: str) -> None:
        for zone in self._stocks:
            self._presence.deafen(zone)
            if self._alive(zone):
                emit.died(zone, reason)
        emit.died(self._config.name, reason)

    def _whole(self, zone: str) -> bool:
        """Whether every antenna of the zone is connected; its counts mean something only then."""
        return not self._ports_of[zone] & self._unplugged.keys()

    def _alive(self, zone: str) -> bool:
        """Whether any antenna of the zone is connected."""
        return not self._ports_of[zone] <= self._unplugged.keys()

    async def _listen(self, link: Link, emit: Emit) -> None:
        clock = asyncio.get_running_loop().time
        report_at, check_at = clock() + self._config.report_s, clock() + self._config.check_s
        while True:
            for message in await link.receive(max(0.0, min(report_at, check_at) - clock())):
                self._take(message, emit)
            if clock() >= check_at:
                self._check(emit)
                check_at = clock() + self._config.check_s
            if clock() >= report_at:
                self._report(emit)
                report_at = clock() + self._config.report_s

    def _take(self, message: Message, emit: Emit) -> None:
        if message.type == Kind.RO_ACCESS_REPORT:
            self._take_reads(message.body, emit)
        elif message.type == Kind.READER_EVENT_NOTIFICATION:
            self._take_notice(messages.notice(message.body), emit)
        elif message.type == Kind.ERROR_MESSAGE:
            found = messages.status(message.body)
            raise ProtocolError(f"the reader reports an error: {found.code} {found.text}".rstrip())

    def _take_reads(self, body: bytes, emit: Emit) -> None:
        now_ms = _steady_ms()
        for read in walk(body):
            self._reads += read.reads
            zone = self._zone_of.get(read.antenna)
            if zone is None:
                self._unmapped += read.reads
                continue
            if read.antenna in self._unplugged:
                if now_ms - self._unplugged[read.antenna] < _IN_FLIGHT_MS:
                    continue
                self._plug(read.antenna, True, emit)
            movement = self._presence.read(read.epc, zone, read.rssi_dbm, now_ms)
            if movement is not None:
                self._tell(movement, emit)

    def _take_notice(self, notice: messages.Notice, emit: Emit) -> None:
        if notice.closed:
            raise UnavailableError("the reader ends the connection")
        if notice.stopped == ROSPEC_ID:
            raise UnavailableError("the reader has stopped to scan")
        if notice.antenna is not None:
            self._plug(notice.antenna, notice.antenna_connected, emit)
        if notice.trouble:
            self._troubles += 1
            if notice.trouble != self._last_trouble:
                _log.warning("%s: %s", self._config.name, notice.trouble)
                self._last_trouble = notice.trouble

    def _plug(self, port: int, connected: bool, emit: Emit) -> None:
        """An antenna came or went."""
        zone = self._zone_of.get(port)
        if zone is None or connected == (port not in self._unplugged):
            return
        was_alive = self._alive(zone)
        if connected:
            del self._unplugged[port]
        else:
            self._unplugged[port] = _steady_ms()
        if self._whole(zone):
            self._presence.hear(zone, _steady_ms())
        else:
            self._presence.deafen(zone)
        if self._alive(zone) and not was_alive:
            self._wake(zone, emit)
        elif was_alive and not self._alive(zone):
            emit.died(zone, f"no antenna of this zone is connected to {self._config.name}")

    def _wake(self, zone: str, emit: Emit) -> None:
        stock, known = self._stocks[zone], self._presence.known(zone, _steady_ms())
        emit.born(stock.description(), stock.sampling())
        emit.scan(zone, stock.readings(self._presence.counts(zone), known, self._clock()))

    def _check(self, emit: Emit) -> None:
        for movement in self._presence.check(_steady_ms()):
            self._tell(movement, emit)

    def _tell(self, movement: Movement, emit: Emit) -> None:
        reading = movement_reading(movement, self._clock() - _steady_ms())
        emit.event(reading.device, [reading])

    def _report(self, emit: Emit) -> None:
        at_ms = self._clock()
        everything_known, total = True, 0
        for zone, stock in self._stocks.items():
            if not self._alive(zone):
                everything_known = False
                continue
            counts, known = self._presence.counts(zone), self._presence.known(zone, _steady_ms())
            if stock.grow(counts):
                emit.born(stock.description(), stock.sampling())
            emit.scan(zone, stock.readings(counts, known, at_ms))
            everything_known &= known
            total += sum(counts.values())
        emit.scan(self._config.name, self._reader_readings(total if everything_known else None, at_ms))

    def _reader_readings(self, total: int | None, at_ms: int) -> list[Reading]:
        now, name = asyncio.get_running_loop().time(), self._config.name
        rate = self._reads / max(now - self._reported_at, 0.001)
        self._reads, self._reported_at = 0, now
        values: dict[str, float | int] = {
            "reads_per_second": rate,
            "antennas": len(self._zone_of) - len(self._unplugged),
            "reads_unmapped": self._unmapped,
            "reads_ignored": self._presence.ignored,
            "exceptions": self._troubles,
        }
        quality = Quality.BAD if total is None else Quality.GOOD
        found = [Reading(name, metric, value, at_ms) for metric, value in values.items()]
        return [*found, Reading(name, "tags_present", total, at_ms, quality)]

    def _description(self) -> DeviceDescription:
        metrics = [MetricDescription(metric, DataType.INT64, "{count}", low=0) for metric in _READER_COUNTS]
        metrics.append(MetricDescription("reads_per_second", DataType.DOUBLE, "/s", low=0))
        return DeviceDescription(self._config.name, "rfid_reader", metrics=tuple(metrics))


def _rules(config: Config) -> PresenceRules:
    return replace(
        DOCK if config.mobility is Mobility.DOCK else SHELF,
        departed_after_ms=round(config.departed_after_s * 1000),
        settle_ms=round(config.settle_s * 1000),
        most_tags=config.max_tags,
    )
