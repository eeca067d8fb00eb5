"""Event times of the newest samples that rules saw, in SQL: they decide what is live, and must not lag behind rules.

    series_clock, (site, node, device)      the times of a device's metrics
    series_clock, ("", "", number)          what one flush has moved, by its generation

A flush moves the times of most of a fleet, and a row for each device costs more than all else that it writes; so it
writes one row, and the rows of devices follow now and then, when those of flushes go. A time never goes back: what SQL
says of a metric is the latest of all its rows, in whatever order they are read. Every number is little endian:

    row of a device     for each metric: crc-32 of its name u32, UTC ms i64
    row of a flush      how many groups u32; for each group its head (site, node and device with NUL between: size u16,
                        bytes; how many metrics u16, crc-32 of each name u32); then for each group UTC ms i64
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, delete, select

from frostline_cloud.ingest import journal
from frostline_cloud.ingest.series import DeviceKey, SeriesTable, Stamp, read_clock, write_clock
from frostline_cloud.sql.tables import series_clock

MOST_FLUSHES: Final = 500
MOST_BYTES: Final = 4 * 1024 * 1024
"""A start reads as much."""

_COUNT: Final = struct.Struct("<I")
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
        self._moved: set[Stamp] = set()
        self._flushes = self._bytes = 0
        self._is_folded = False

    def save(self, connection: Connection, number: int, times: Mapping[Stamp, int]) -> None:
        """Writes what a flush has moved.

        Args:
            connection: In the transaction of the flush.
            number: Of no other flush, ever.
            times: The newest time of each group of metrics.
        """
        self._is_folded = False
        if not times:
            return
        self._moved.update(times)
        raw = pack(times)
        self._flushes, self._bytes = self._flushes + 1, self._bytes + len(raw)
        if self._flushes < self._most_flushes and self._bytes < self._most_bytes:
            journal.save_clocks(connection, [(DeviceKey("", "", f"{number:020d}"), raw)])
            return
        keys = dict.fromkeys([stamp.key for stamp in self._moved])
        journal.save_clocks(connection, [(key, self._series.clock(key)) for key in keys])
        connection.execute(delete(series_clock).where(_OF_FLUSH))
        self._is_folded = True

    def settled(self) -> None:
        """The flush is durable."""
        if self._is_folded:
            self._moved.clear()
            self._flushes = self._bytes = 0


def pack(times: Mapping[Stamp, int]) -> bytes:
    """What a flush has moved, as bytes."""
    stamps = array("q", times.values())
    return _COUNT.pack(len(times)) + b"".join([stamp.head for stamp in times]) + stamps.tobytes()


def unpack(raw: bytes) -> Iterator[tuple[DeviceKey, Sequence[int], int]]:
    """What `pack` wrote: device, hashes of metrics, time."""
    (count,), at = _COUNT.unpack_from(raw), _COUNT.size
    heads: list[tuple[DeviceKey, Sequence[int]]] = []
    for _ in range(count):
        size = _SHORT.unpack_from(raw, at)[0]
        site, node, device = raw[at + 2 : at + 2 + size].decode().split("\0")
        at += 2 + size
        metrics = _SHORT.unpack_from(raw, at)[0]
        heads.append((DeviceKey(site, node, device), struct.unpack_from(f"<{metrics}I", raw, at + 2)))
        at += 2 + 4 * metrics
    for (key, hashes), (at_ms,) in zip(heads, struct.iter_unpack("<q", raw[at:]), strict=True):
        yield key, hashes, at_ms


def read(connection: Connection) -> dict[DeviceKey, bytes]:
    """The times of every device, as `SeriesTable.clock` gives them."""
    rows = connection.execute(select(series_clock)).all()
    found = {DeviceKey(row.site, row.node, row.device): row.clock for row in rows if row.site}
    found.update(_moved(found, (row.clock for row in rows if not row.site)))
    return found


def fold(connection: Connection) -> dict[DeviceKey, bytes]:
    """The same, for whoever goes on writing: rows of flushes, whoever wrote them, become rows of devices."""
    rows = connection.execute(select(series_clock)).all()
    found = {DeviceKey(row.site, row.node, row.device): row.clock for row in rows if row.site}
    moved = _moved(found, (row.clock for row in rows if not row.site))
    if moved:
        journal.save_clocks(connection, moved.items())
        numbers = [row.device for row in rows if not row.site]
        connection.execute(delete(series_clock).where(_OF_FLUSH, series_clock.c.device <= max(numbers)))
    return found | moved


def _moved(rows: Mapping[DeviceKey, bytes], flushes: Iterable[bytes]) -> dict[DeviceKey, bytes]:
    """The rows of the devices that flushes have moved."""
    times: dict[DeviceKey, dict[int, int]] = {}
    for raw in flushes:
        for key, hashes, at_ms in unpack(raw):
            known = times.get(key)
            if known is None:
                known = times[key] = read_clock(rows.get(key, b""))
            for metric in hashes:
                if at_ms > known.get(metric, at_ms - 1):
                    known[metric] = at_ms
    return {key: write_clock(known) for key, known in times.items()}
