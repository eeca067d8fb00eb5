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
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from frostline_cloud.store.port import Bucket, FieldValue, Latest, Place, RejectedError, Row
from frostline_core.errors import ConfigError, UnavailableError

_FORMAT = 1
_DAY_MS = 86_400_000
_TIDY_EVERY_S = 3600.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS series (id INTEGER NOT NULL, measurement VARCHAR NOT NULL, site VARCHAR NOT NULL,
    node VARCHAR NOT NULL, device VARCHAR NOT NULL, field VARCHAR NOT NULL, text BOOLEAN NOT NULL);
CREATE TABLE IF NOT EXISTS number
    (series INTEGER NOT NULL, at_ms BIGINT NOT NULL, value DOUBLE NOT NULL, written BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS text
    (series INTEGER NOT NULL, at_ms BIGINT NOT NULL, value VARCHAR NOT NULL, written BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS meta (key VARCHAR NOT NULL, value BIGINT NOT NULL);
"""
_BUCKETS = """
SELECT at_ms - ((at_ms % $bucket) + $bucket) % $bucket AS start, avg(value), min(value), max(value), count(*)
FROM (SELECT at_ms, arg_max(value, written) AS value FROM number
      WHERE series = $series AND at_ms >= $start AND at_ms < $end GROUP BY at_ms)
GROUP BY start ORDER BY start
"""

_log = logging.getLogger("frostline.store")

_Device = tuple[str, str, str, str]
_Series = tuple[_Device, str, bool]


@dataclass(frozen=True, slots=True)
class EmbeddedLimits:
    """What the embedded store may use.

    Attributes:
        memory_mb: DuckDB's buffers; larger queries spill to a folder beside the file.
        threads: Of one query.
        timeout_s: Of one read.
        retention_days: Rows older than this are deleted by the tidying thread; 0 keeps everything.
    """

    memory_mb: int = 512
    threads: int = 2
    timeout_s: float = 10.0
    retention_days: int = 0


@dataclass(slots=True)
class _Batch:
    """Columns of one write."""

    series: list[int] = field(default_factory=list)
    at_ms: list[int] = field(default_factory=list)
    values: list[FieldValue] = field(default_factory=list)

    def add(self, series: int, at_ms: int, value: FieldValue) -> None:
        self.series.append(series)
        self.at_ms.append(at_ms)
        self.values.append(value)


class EmbeddedStore:
    """Time series in one DuckDB file.

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
        self._local = threading.local()
        self._closed = threading.Event()
        with _translated(f"cannot open {path}"):
            self._open()
        self._tidier = threading.Thread(target=self._tidy_hourly, name="store-tidy", daemon=True)
        self._tidier.start()

    # ---- the store port --------------------------------------------------------------------------------------------
    def write(self, rows: Sequence[Row]) -> None:
        """See the store port."""
        rejected: list[tuple[int, str]] = []
        with self._write_lock, self._cursor("write") as cursor:
            new: dict[_Series, int] = {}
            numbers, texts = self._batches(rows, new, rejected)
            cursor.begin()
            try:
                _add_series(cursor, new)
                _append(cursor, "number", "DOUBLE", numbers, self._written)
                _append(cursor, "text", "VARCHAR", texts, self._written + len(numbers.series))
                cursor.commit()
            except BaseException:
                _rollback(cursor)
                raise
            self._written += len(numbers.series) + len(texts.series)
            self._ids |= new
            self._names.update((number, series) for series, number in new.items())
            self._remember(numbers)
            self._remember(texts)
        if rejected:
            raise RejectedError(rejected)

    def series(self, place: Place, field: str, start_ms: int, end_ms: int, bucket_ms: int) -> list[Bucket]:
        """See the store port."""
        number = self._ids.get((_device(place), field, False))
        if number is None:
            return []
        with self._cursor("query", self._limits.timeout_s) as cursor:
            arguments = {"series": number, "start": start_ms, "end": end_ms, "bucket": bucket_ms}
            return [Bucket(*row) for row in cursor.execute(_BUCKETS, arguments).fetchall()]

    def latest(self, place: Place) -> list[Latest]:
        """See the store port; answered from memory."""
        with self._write_lock:
            return sorted(self._latest.get(_device(place), {}).values(), key=lambda latest: latest.field)

    def generation(self) -> int:
        """See the store port."""
        with self._cursor("query") as cursor:
            return _meta(cursor, "generation")

    def mark_generation(self, number: int) -> None:
        """See the store port; a number that is not higher than the highest changes nothing."""
        with self._write_lock, self._cursor("write") as cursor:
            if number > _meta(cursor, "generation"):
                _set_meta(cursor, "generation", number)

    def check(self) -> None:
        """See the store port; writes one row of `meta`."""
        with self._write_lock, self._cursor("check") as cursor:
            _set_meta(cursor, "checked_ms", int(self._clock() * 1000))

    def close(self) -> None:
        """See the store port."""
        self._closed.set()
        self._tidier.join()
        with self._write_lock:
            self._connection.close()

    # ---- retention and order ---------------------------------------------------------------------------------------
    def tidy(self) -> None:
        """Deletes what is past retention, and sorts each day that ended an hour ago or earlier and is not sorted yet.

        Raises:
            UnavailableError: Nothing, or not everything, was tidied; the next call goes on from there.
        """
        now_ms = int(self._clock() * 1000)
        finished_ms = (now_ms - _DAY_MS // 24) // _DAY_MS * _DAY_MS
        with self._cursor("tidy") as cursor:
            if self._limits.retention_days:
                self._expire(cursor, now_ms - self._limits.retention_days * _DAY_MS)
            start_ms = max(_meta(cursor, "tidied_ms"), _first_day(cursor, finished_ms))
            for day_ms in range(start_ms, finished_ms, _DAY_MS):
                if self._closed.is_set():
                    return
                _sort_day(cursor, day_ms)
            cursor.execute("CHECKPOINT")

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
                "preserve_insertion_order": "false",
            },
        )
        self._connection.execute(_SCHEMA)
        known = _meta(self._connection, "frostline_format")
        if known > _FORMAT:
            self._connection.close()
            raise ConfigError(f"{self._path}: written by a newer Frostline (format {known}, known: {_FORMAT})")
        if not known:
            _set_meta(self._connection, "frostline_format", _FORMAT)
        self._load()

    def _load(self) -> None:
        """Series, the next `written`, and the newest values, from the file."""
        rows = self._connection.execute("SELECT id, measurement, site, node, device, field, text FROM series")
        self._names: dict[int, _Series] = {
            number: ((measurement, site, node, device), name, text)
            for number, measurement, site, node, device, name, text in rows.fetchall()
        }
        self._ids: dict[_Series, int] = {series: number for number, series in self._names.items()}
        self._latest: dict[_Device, dict[str, Latest]] = {}
        self._written = 1
        for table in ("number", "text"):
            (highest,) = self._connection.execute(f"SELECT max(written) FROM {table}").fetchall()[0]  # noqa: S608
            self._written = max(self._written, (highest or 0) + 1)
            newest = self._connection.execute(
                f"SELECT series, at_ms, arg_max(value, written) FROM {table} SEMI JOIN"  # noqa: S608
                f" (SELECT series, max(at_ms) AS at_ms FROM {table} GROUP BY series) USING (series, at_ms)"
                " GROUP BY series, at_ms"
            ).fetchall()
            self._remember(_Batch(*(list(column) for column in zip(*newest, strict=True))) if newest else _Batch())

    def _batches(
        self, rows: Sequence[Row], new: dict[_Series, int], rejected: list[tuple[int, str]]
    ) -> tuple[_Batch, _Batch]:
        numbers, texts = _Batch(), _Batch()
        for index, row in enumerate(rows):
            reason = _fault(row)
            if reason:
                rejected.append((index, reason))
                continue
            device = _device(row.place)
            for name, value in row.fields:
                text = isinstance(value, str)
                key = (device, name, text)
                number = self._ids.get(key) or new.setdefault(key, len(self._ids) + len(new) + 1)
                (texts if text else numbers).add(number, row.at_ms, value if text else float(value))
        return numbers, texts

    def _remember(self, batch: _Batch) -> None:
        for number, at_ms, value in zip(batch.series, batch.at_ms, batch.values, strict=True):
            device, name, _ = self._names[number]
            fields = self._latest.setdefault(device, {})
            known = fields.get(name)
            if known is None or at_ms >= known.at_ms:
                fields[name] = Latest(name, value, at_ms)

    @contextmanager
    def _cursor(self, doing: str, timeout_s: float | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """This thread's cursor; interrupted after timeout_s; DuckDB's errors translated."""
        with _translated(f"store {doing}"):
            cursor: duckdb.DuckDBPyConnection | None = getattr(self._local, "cursor", None)
            if cursor is None or getattr(self._local, "of", None) is not self._connection:
                cursor = self._connection.cursor()
                self._local.cursor, self._local.of = cursor, self._connection
            if timeout_s is None:
                yield cursor
                return
            timer = threading.Timer(timeout_s, cursor.interrupt)
            timer.start()
            try:
                yield cursor
            finally:
                timer.cancel()


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, OSError) as error:
        raise UnavailableError(f"{doing}: {error}") from error


def _device(place: Place) -> _Device:
    return place.measurement, place.site, place.node, place.device


def _fault(row: Row) -> str:
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


def _add_series(cursor: duckdb.DuckDBPyConnection, new: dict[_Series, int]) -> None:
    if new:
        columns = [list(column) for column in zip(*((n, *d, f, t) for (d, f, t), n in new.items()), strict=True)]
        cursor.execute(
            "INSERT INTO series SELECT unnest(?::INTEGER[]), unnest(?::VARCHAR[]), unnest(?::VARCHAR[]),"
            " unnest(?::VARCHAR[]), unnest(?::VARCHAR[]), unnest(?::VARCHAR[]), unnest(?::BOOLEAN[])",
            columns,
        )


def _append(cursor: duckdb.DuckDBPyConnection, table: str, kind: str, batch: _Batch, written: int) -> None:
    if batch.series:
        cursor.execute(
            f"INSERT INTO {table} SELECT unnest(?::INTEGER[]), unnest(?::BIGINT[]), unnest(?::{kind}[]),"
            " unnest(range(?, ?))",
            [batch.series, batch.at_ms, batch.values, written, written + len(batch.series)],
        )


def _sort_day(cursor: duckdb.DuckDBPyConnection, day_ms: int) -> None:
    """Rewrites one day without overwritten rows, in order of series and time; one transaction."""
    span = [day_ms, day_ms + _DAY_MS]
    cursor.begin()
    try:
        for table in ("number", "text"):
            cursor.execute(
                "CREATE OR REPLACE TEMP TABLE day AS SELECT series, at_ms, arg_max(value, written) AS value,"  # noqa: S608
                f" max(written) AS written FROM {table} WHERE at_ms >= ? AND at_ms < ? GROUP BY series, at_ms",
                span,
            )
            cursor.execute(f"DELETE FROM {table} WHERE at_ms >= ? AND at_ms < ?", span)  # noqa: S608
            cursor.execute(f"INSERT INTO {table} SELECT * FROM day ORDER BY series, at_ms")  # noqa: S608
        cursor.execute("DROP TABLE day")
        _set_meta(cursor, "tidied_ms", day_ms + _DAY_MS)
        cursor.commit()
    except BaseException:
        _rollback(cursor)
        raise


def _first_day(cursor: duckdb.DuckDBPyConnection, default_ms: int) -> int:
    (first,) = cursor.execute(
        "SELECT min(at_ms) FROM (SELECT min(at_ms) AS at_ms FROM number UNION ALL SELECT min(at_ms) FROM text)"
    ).fetchall()[0]
    return default_ms if first is None else first // _DAY_MS * _DAY_MS


def _rollback(cursor: duckdb.DuckDBPyConnection) -> None:
    try:
        cursor.rollback()
    except duckdb.Error:
        _log.debug("nothing to roll back")  # DuckDB has ended the transaction itself; the first error is the one to see


def _meta(cursor: duckdb.DuckDBPyConnection, key: str) -> int:
    found = cursor.execute("SELECT max(value) FROM meta WHERE key = ?", [key]).fetchall()[0][0]
    return int(found or 0)


def _set_meta(cursor: duckdb.DuckDBPyConnection, key: str, value: int) -> None:
    if not cursor.execute("UPDATE meta SET value = ? WHERE key = ?", [value, key]).fetchall()[0][0]:
        cursor.execute("INSERT INTO meta VALUES (?, ?)", [key, value])
