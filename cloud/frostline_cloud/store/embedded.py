"""The store in one file of this machine: DuckDB, nothing to install, one process.

Invariants
  1. A write is one transaction: when it returns, its rows are on disk (DuckDB syncs its log at commit); when it raises,
     none of them are.
  2. Tables are only appended to. Of several rows with the same series and instant the one with the highest `written`
     counts, so a repeated write changes nothing and an overwrite needs no index.
  3. A finished day is sorted by series and freed of overwritten rows, in one transaction, by the tidying thread;
     what arrives for that day afterwards is appended and read all the same.
  4. `_latest` in memory says what the file says: rebuilt at start, changed after each commit.

Format (`frostline_format` 1 in table `meta`)
  series(id, measurement, site, node, device, field, text)   one per field of a device and type; id counts up from 1
  number(series, at_ms, value DOUBLE, written)                times are UTC milliseconds in BIGINT
  text(series, at_ms, value VARCHAR, written)
  meta(key, value BIGINT)                                     format, generation, tidied_ms
"""

from __future__ import annotations

import logging
import math
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from frostline_cloud.store import embedded_tables as tables
from frostline_cloud.store.embedded_tables import DAY_MS, Batch, Device, Series, device_of
from frostline_cloud.store.parts import by_day
from frostline_cloud.store.port import AnyRow, Bucket, FieldValue, Latest, Place, RejectedError, Sample
from frostline_core.errors import ConfigError, UnavailableError

_FORMAT = 1
_TIDY_EVERY_S = 3600.0
_log = logging.getLogger("frostline.store")


@dataclass(frozen=True, slots=True)
class EmbeddedLimits:
    """What the embedded store may use.

    Attributes:
        memory_mb: DuckDB's buffers; larger queries spill to a folder beside the file.
        threads: Of one query.
        timeout_s: Of one read.
        retention_days: Rows older than this are deleted by the tidying thread; 0 keeps everything.
        least_free_mb: With less room than this on the disk `check` says unavailable, so that gateways keep their rows
            before a write fails half way through a checkpoint.
    """

    memory_mb: int = 512
    threads: int = 2
    timeout_s: float = 10.0
    retention_days: int = 0
    least_free_mb: int = 64


class EmbeddedStore:
    """Time series in one DuckDB file. Reads are interrupted after a time-out; a write waits for the disk.

    Args:
        path: The file; it and its folder are made when absent.
        limits: What it may use.
        clock: Seconds since 1970, for retention and for which days are finished.

    Raises:
        ConfigError: The file is of a newer Frostline.
        UnavailableError: It cannot be opened: another process has it, it is damaged, or the disk refuses.
    """

    def __init__(
        self, path: Path, limits: EmbeddedLimits | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        self._limits = limits or EmbeddedLimits()
        self._clock = clock
        self._write_lock = threading.Lock()
        self._idle: list[duckdb.DuckDBPyConnection] = []  # at most as many as calls were ever under way at once
        self._in_doubt = False
        self._closed = threading.Event()
        with _translated(f"cannot open {path}"):
            self._open()
        self._tidier = threading.Thread(target=self._tidy_hourly, name="store-tidy", daemon=True)
        self._tidier.start()

    # ---- the store port --------------------------------------------------------------------------------------------
    def write(self, rows: Sequence[AnyRow]) -> None:
        """See the store port."""
        rejected: list[tuple[int, str]] = []
        with self._write_lock, self._cursor("write") as cursor:
            if self._in_doubt:  # a commit that failed may have reached the file: number on from what is there
                self._count_on(cursor)
            self._in_doubt = True
            new: dict[Series, int] = {}
            numbers, texts = self._batches(rows, new, rejected)
            cursor.begin()
            tables.add_series(cursor, new)
            tables.append(cursor, "number", "DOUBLE", numbers, self._written)
            tables.append(cursor, "text", "VARCHAR", texts, self._written + len(numbers.series))
            cursor.commit()
            self._in_doubt = False
            self._written += len(numbers.series) + len(texts.series)
            self._ids |= new
            self._names.update((number, series) for series, number in new.items())
            for batch in (numbers, texts):
                for number, at_ms, value in zip(batch.series, batch.at_ms, batch.values, strict=True):
                    self._remember(number, at_ms, value)
        if rejected:
            raise RejectedError(rejected)

    def series(self, place: Place, field: str, start_ms: int, end_ms: int, bucket_ms: int) -> list[Bucket]:
        """See the store port."""
        number = self._ids.get((device_of(place), field, False))
        if number is None:
            return []
        with self._cursor("query", self._limits.timeout_s) as cursor:
            return tables.buckets(cursor, number, (start_ms, end_ms), bucket_ms)

    def samples(self, place: Place, field: str, start_ms: int, end_ms: int) -> Iterator[Sample]:
        """See the store port."""
        number = self._ids.get((device_of(place), field, False))
        if number is None:
            return

        def read(start: int, end: int) -> list[Sample]:
            with self._cursor("query", self._limits.timeout_s) as cursor:
                return tables.samples(cursor, number, (start, end))

        def first(start: int, end: int) -> int | None:
            with self._cursor("query", self._limits.timeout_s) as cursor:
                return tables.first_ms(cursor, number, (start, end))

        yield from by_day(read, first, start_ms, end_ms)

    def latest(self, place: Place) -> list[Latest]:
        """See the store port; answered from memory."""
        found = list(self._latest.get(device_of(place), {}).values())  # one step under the GIL: needs no lock
        return sorted(found, key=lambda latest: latest.field)

    def generation(self, at_least: int = 0) -> int:
        """See the store port."""
        with self._cursor("query") as cursor:
            return tables.meta(cursor, "generation")

    def mark_generation(self, number: int) -> None:
        """See the store port; a number that is not higher than the highest changes nothing."""
        with self._write_lock, self._cursor("write") as cursor:
            if number > tables.meta(cursor, "generation"):
                tables.set_meta(cursor, "generation", number)

    def check(self) -> None:
        """See the store port; writes one row of `meta`, and looks at the room on the disk."""
        with self._write_lock, self._cursor("check") as cursor:
            free_mb = shutil.disk_usage(self._path.parent).free >> 20
            if free_mb < self._limits.least_free_mb:
                raise UnavailableError(f"store check: only {free_mb} MiB free on the disk of {self._path}")
            tables.set_meta(cursor, "checked_ms", int(self._clock() * 1000))

    def close(self) -> None:
        """See the store port."""
        self._closed.set()
        self._tidier.join()
        with self._write_lock:
            while self._idle:
                self._idle.pop().close()
            self._connection.close()

    # ---- retention and order ---------------------------------------------------------------------------------------
    def tidy(self) -> None:
        """Deletes what is past retention, and sorts each day that ended an hour ago or earlier and is not sorted yet.

        Raises:
            UnavailableError: Nothing, or not everything, was tidied; the next call goes on from there.
        """
        now_ms = int(self._clock() * 1000)
        finished_ms = (now_ms - DAY_MS // 24) // DAY_MS * DAY_MS
        with self._cursor("tidy") as cursor:
            if self._limits.retention_days:
                self._expire(cursor, now_ms - self._limits.retention_days * DAY_MS)
            for day_ms in tables.unsorted_days(cursor, finished_ms):
                if self._closed.is_set():
                    return
                tables.sort_day(cursor, day_ms)

    def _expire(self, cursor: duckdb.DuckDBPyConnection, before_ms: int) -> None:
        for table in ("number", "text"):
            cursor.execute(f"DELETE FROM {table} WHERE at_ms < ?", [before_ms])  # noqa: S608 the two names above
        with self._write_lock:
            for device, fields in list(self._latest.items()):
                self._latest[device] = {name: one for name, one in fields.items() if one.at_ms >= before_ms}

    def _tidy_hourly(self) -> None:
        while not self._closed.wait(_TIDY_EVERY_S):
            try:
                self.tidy()
            except UnavailableError as error:
                _log.warning("store not tidied, next try in an hour: %s", error)

    # ---- inside ----------------------------------------------------------------------------------------------------
    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = duckdb.connect(
            str(self._path),
            config={
                "memory_limit": f"{self._limits.memory_mb}MB",
                "threads": str(self._limits.threads),
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
            },
        )
        self._connection.execute(tables.SCHEMA)
        known = tables.meta(self._connection, "frostline_format")
        if known > _FORMAT:
            self._connection.close()
            raise ConfigError(f"{self._path}: written by a newer Frostline (format {known}, known: {_FORMAT})")
        if not known:
            tables.set_meta(self._connection, "frostline_format", _FORMAT)
        self._load()

    def _load(self) -> None:
        """Series, the next `written`, and the newest values, from the file."""
        self._count_on(self._connection)
        self._latest: dict[Device, dict[str, Latest]] = {}
        for number, at_ms, value in tables.newest(self._connection):
            self._remember(number, at_ms, value)

    def _count_on(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._ids = tables.series_ids(cursor)
        self._names = {number: series for series, number in self._ids.items()}
        self._written = tables.highest_written(cursor) + 1
        self._in_doubt = False

    def _batches(
        self, rows: Sequence[AnyRow], new: dict[Series, int], rejected: list[tuple[int, str]]
    ) -> tuple[Batch, Batch]:
        numbers, texts = Batch(), Batch()
        for index, row in enumerate(rows):
            reason = _fault(row)
            if reason:
                rejected.append((index, reason))
                continue
            device = device_of(row.place)
            for name, value in row.fields:
                text = isinstance(value, str)
                key = (device, name, text)
                number = self._ids.get(key) or new.setdefault(key, len(self._ids) + len(new) + 1)
                (texts if text else numbers).add(number, row.at_ms, value if text else float(value))
        return numbers, texts

    def _remember(self, number: int, at_ms: int, value: FieldValue) -> None:
        device, name, _ = self._names[number]
        fields = self._latest.setdefault(device, {})
        known = fields.get(name)
        if known is None or at_ms >= known.at_ms:
            fields[name] = Latest(name, value, at_ms)

    @contextmanager
    def _cursor(self, doing: str, timeout_s: float | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor for one call; interrupted after timeout_s; DuckDB's errors translated.

        After an error the cursor is closed, which rolls its transaction back.
        """
        with _translated(f"store {doing}"):
            try:
                cursor = self._idle.pop()
            except IndexError:
                cursor = self._connection.cursor()
            timer = threading.Timer(timeout_s, cursor.interrupt) if timeout_s else None
            try:
                if timer:
                    timer.start()
                yield cursor
            except BaseException:
                cursor.close()
                raise
            finally:
                if timer:
                    timer.cancel()
                    timer.join()  # so that it never interrupts the next call
            self._idle.append(cursor)


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, OSError) as error:
        raise UnavailableError(f"{doing}: {error}") from error


def _fault(row: AnyRow) -> str:
    if not row.fields:
        return "a row without fields"
    if not -(2**62) < row.at_ms < 2**62:
        return f"time {row.at_ms} ms is no time"
    for name, value in row.fields:
        if isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError:
                return f"{name} is no text that can be stored"
        elif not math.isfinite(value):
            return f"{name} is {value}: no number that a store keeps"
    return ""
