"""Event times of the newest samples that rules saw, in SQL: they decide what is live, and must not lag behind rules.

    series_clock, (site, node, device)      the times of a device's metrics
    series_clock, ("", "", number)          what one flush has moved, by its generation

A flush moves the times of most of a fleet, and a row for each device costs more than all else that it writes; so it
writes one row, and the rows of devices follow now and then, when those of flushes go. A time never goes back: what SQL
says of a metric is the latest of all its rows. Every number is little endian:

    row of a device     for each metric: crc-32 of its name u32, UTC ms i64
    row of a flush      how many groups rows before it have named u32, how many it names u32, how many it moves u32;
                        for each group that it names: site, node and device with NUL between: size u16, bytes; how
                        many metrics u16, crc-32 of each name u32; for each that it moves: its number u32;
                        then for each that it moves: UTC ms i64

A group is named once, by the first row that moves it, and has a number from then on until the rows of flushes go: its
name is four times as long as its number and time. Rows of flushes are read in the order of their generations.
"""

from __future__ import annotations

import logging
import struct
from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, delete, select

from frostline_cloud.ingest import journal
from frostline_cloud.ingest.series import DeviceKey, SeriesTable, Stamp, read_clock, write_clock
from frostline_cloud.sql.tables import series_clock

log = logging.getLogger("frostline.ingest")

MOST_FLUSHES: Final = 500
MOST_BYTES: Final = 4 * 1024 * 1024
"""A start reads as much."""

_COUNTS: Final = struct.Struct("<3I")
_SHORT: Final = struct.Struct("<H")
_OF_FLUSH: Final = series_clock.c.site == ""


class Clocks:
    """Writes them, one flush at a time. Only the ingest that nobody has overtaken may: what is there is its own.

    Args:
        series: Knows the times of devices.
        most_flushes: So many rows of flushes wait for the rows of devices.
        most_bytes: So many bytes in them.
    """

    def __init__(self, series: SeriesTable, most_flushes: int = MOST_FLUSHES, most_bytes: int = MOST_BYTES) -> None:
        self._series, self._most_flushes, self._most_bytes = series, most_flushes, most_bytes
        self._numbers: dict[Stamp, int] = {}
        self._named: list[Stamp] = []
        self._flushes = self._bytes = 0
        self._is_folded = self._is_ours = self._begins = False

    def save(self, connection: Connection, number: int, times: Mapping[Stamp, int]) -> None:
        """Writes what a flush has moved.

        Args:
            connection: In the transaction of the flush.
            number: Of no other flush, ever, and greater than that of any before.
            times: The newest time of each group of metrics.
        """
        self._is_folded, self._begins, self._named = False, False, []
        if not times:
            return
        if not self._is_ours:  # only within a flush: whoever else writes is overtaken by it, and builds on no row here
            fold(connection)
            self._begins = True
        self._named = [stamp for stamp in times if stamp not in self._numbers]
        raw = pack(times, self._numbers, self._named)
        self._flushes, self._bytes = self._flushes + 1, self._bytes + len(raw)
        if self._flushes < self._most_flushes and self._bytes < self._most_bytes:
            journal.save_clocks(connection, [(DeviceKey("", "", f"{number:020d}"), raw)])
            return
        keys = dict.fromkeys([stamp.key for stamp in (*self._numbers, *self._named)])
        journal.save_clocks(connection, [(key, self._series.clock(key)) for key in keys])
        connection.execute(delete(series_clock).where(_OF_FLUSH))
        self._is_folded = True

    def settled(self) -> None:
        """The flush is durable."""
        if self._is_folded:
            self.restart()
            self._is_ours = True
            return
        self._is_ours = self._is_ours or self._begins
        for stamp in self._named:
            self._numbers[stamp] = len(self._numbers)
        self._named = []

    def restart(self) -> None:
        """Rows of flushes may be another process's: they are folded, and what comes names its groups itself."""
        self._is_ours = False
        self._numbers.clear()
        self._named = []
        self._flushes = self._bytes = 0


def pack(times: Mapping[Stamp, int], numbers: Mapping[Stamp, int], named: Sequence[Stamp]) -> bytes:
    """What a flush has moved, as bytes.

    Args:
        times: The newest time of each group.
        numbers: Of groups that earlier rows have named.
        named: The other groups of `times`.
    """
    known = len(numbers)
    if named:
        numbers = {**numbers, **{stamp: known + i for i, stamp in enumerate(named)}}
    moved, stamps = array("I", [numbers[stamp] for stamp in times]), array("q", times.values())
    counts = _COUNTS.pack(known, len(named), len(moved))
    return counts + b"".join([stamp.head for stamp in named]) + moved.tobytes() + stamps.tobytes()


Group = tuple[DeviceKey, Sequence[int]]
"""A device, and hashes of some of its metrics."""


def unpack(raw: bytes, groups: list[Group]) -> Iterator[tuple[Group, int]]:
    """What `pack` wrote: each group that has moved, and its time.

    Args:
        raw: A row.
        groups: What earlier rows have named, by number; takes what this one names.

    Raises:
        ValueError, struct.error: It is damaged, or a row before it is missing.
    """
    known, named, moved = _COUNTS.unpack_from(raw)
    if known > len(groups):
        raise ValueError(f"a flush builds on {known} groups, but rows before it name {len(groups)}")
    del groups[known:]
    at = _COUNTS.size
    for _ in range(named):
        size = _SHORT.unpack_from(raw, at)[0]
        site, node, device = raw[at + 2 : at + 2 + size].decode().split("\0")
        at += 2 + size
        metrics = _SHORT.unpack_from(raw, at)[0]
        groups.append((DeviceKey(site, node, device), struct.unpack_from(f"<{metrics}I", raw, at + 2)))
        at += 2 + 4 * metrics
    numbers = struct.unpack_from(f"<{moved}I", raw, at)
    for number, (at_ms,) in zip(numbers, struct.iter_unpack("<q", raw[at + 4 * moved :]), strict=True):
        yield groups[number], at_ms


def read(connection: Connection) -> dict[DeviceKey, bytes]:
    """The times of every device, as `SeriesTable.clock` gives them."""
    found, flushes = _rows(connection)
    return found | _moved(found, flushes)


def fold(connection: Connection) -> dict[DeviceKey, bytes]:
    """The same, for whoever goes on writing: rows of flushes, whoever wrote them, become rows of devices.

    Args:
        connection: In the transaction of a flush, which another process that writes cannot overlook.
    """
    found, flushes = _rows(connection)
    moved = _moved(found, flushes)
    journal.save_clocks(connection, moved.items())
    if flushes:
        connection.execute(delete(series_clock).where(_OF_FLUSH, series_clock.c.device <= max(flushes)))
    return found | moved


def _rows(connection: Connection) -> tuple[dict[DeviceKey, bytes], dict[str, bytes]]:
    """Those of devices, and those of flushes in the order in which they were written."""
    rows = connection.execute(select(series_clock)).all()
    devices = {DeviceKey(row.site, row.node, row.device): row.clock for row in rows if row.site}
    return devices, dict(sorted((row.device, row.clock) for row in rows if not row.site))


def _moved(rows: Mapping[DeviceKey, bytes], flushes: Mapping[str, bytes]) -> dict[DeviceKey, bytes]:
    """The rows of the devices that flushes have moved; a flush that cannot be read is passed over, and said."""
    times: dict[DeviceKey, dict[int, int]] = {}
    groups: list[Group] = []
    for number, raw in flushes.items():
        try:
            moved = list(unpack(raw, groups))
        except (ValueError, IndexError, struct.error) as error:
            text = "event times of flush %s are lost (%s): until newer ones come, late samples may be taken for new"
            log.error(text, number.lstrip("0"), error)
            continue
        for (key, hashes), at_ms in moved:
            known = times.get(key)
            if known is None:
                known = times[key] = read_clock(rows.get(key, b""))
            for metric in hashes:
                if at_ms > known.get(metric, at_ms - 1):
                    known[metric] = at_ms
    return {key: write_clock(known) for key, known in times.items()}
