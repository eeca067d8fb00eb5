"""Tables of the embedded store and the statements on them; the format is told in `embedded`."""

from __future__ import annotations

from dataclasses import dataclass, field

import duckdb

from frostline_cloud.store.port import Bucket, FieldValue, Place, Sample

# ruff: noqa: S608 (the only names put into statements are the two tables' and their column types)
DAY_MS = 86_400_000

Device = tuple[str, str, str, str]
"""Measurement, site, node, device."""
Series = tuple[Device, str, bool]
"""Device, field, whether text."""

SCHEMA = """
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


@dataclass(slots=True)
class Batch:
    """Columns of one write."""

    series: list[int] = field(default_factory=list)
    at_ms: list[int] = field(default_factory=list)
    values: list[FieldValue] = field(default_factory=list)

    def add(self, series: int, at_ms: int, value: FieldValue) -> None:
        """One value."""
        self.series.append(series)
        self.at_ms.append(at_ms)
        self.values.append(value)


def device_of(place: Place) -> Device:
    """The device; its zone is not stored: a device that moved keeps its history."""
    return place.measurement, place.site, place.node, place.device


def add_series(cursor: duckdb.DuckDBPyConnection, new: dict[Series, int]) -> None:
    """Gives series their ids."""
    if new:
        columns = [list(column) for column in zip(*((n, *d, f, t) for (d, f, t), n in new.items()), strict=True)]
        cursor.execute(
            "INSERT INTO series SELECT unnest(?::INTEGER[]), unnest(?::VARCHAR[]), unnest(?::VARCHAR[]),"
            " unnest(?::VARCHAR[]), unnest(?::VARCHAR[]), unnest(?::VARCHAR[]), unnest(?::BOOLEAN[])",
            columns,
        )


def append(cursor: duckdb.DuckDBPyConnection, table: str, kind: str, batch: Batch, written: int) -> None:
    """Appends values to `number` (kind DOUBLE) or `text` (VARCHAR), with `written` counting up from the one given."""
    if batch.series:
        cursor.execute(
            f"INSERT INTO {table} SELECT unnest(?::INTEGER[]), unnest(?::BIGINT[]), unnest(?::{kind}[]),"
            " unnest(range(?, ?))",
            [batch.series, batch.at_ms, batch.values, written, written + len(batch.series)],
        )


def series_ids(cursor: duckdb.DuckDBPyConnection) -> dict[Series, int]:
    """Every series with its id."""
    rows = cursor.execute("SELECT id, measurement, site, node, device, field, text FROM series").fetchall()
    return {
        ((measurement, site, node, device), name, text): n for n, measurement, site, node, device, name, text in rows
    }


def highest_written(cursor: duckdb.DuckDBPyConnection) -> int:
    """The highest `written` of both tables; 0 where they are empty."""
    query = "SELECT max(written) FROM (SELECT written FROM number UNION ALL SELECT written FROM text)"
    return int(cursor.execute(query).fetchall()[0][0] or 0)


def newest(cursor: duckdb.DuckDBPyConnection) -> list[tuple[int, int, FieldValue]]:
    """Series id, time and value of the newest row of every series; reads the two tables whole."""
    found: list[tuple[int, int, FieldValue]] = []
    for table in ("number", "text"):
        query = f"""
        SELECT series, at_ms, arg_max(value, written)
        FROM {table} SEMI JOIN (SELECT series, max(at_ms) AS at_ms FROM {table} GROUP BY series) USING (series, at_ms)
        GROUP BY series, at_ms
        """
        found += cursor.execute(query).fetchall()
    return found


def buckets(cursor: duckdb.DuckDBPyConnection, series: int, span: tuple[int, int], bucket_ms: int) -> list[Bucket]:
    """What the store port's `series` answers; `span` is [start, end) in ms."""
    arguments = {"series": series, "start": span[0], "end": span[1], "bucket": bucket_ms}
    return [Bucket(*row) for row in cursor.execute(_BUCKETS, arguments).fetchall()]


def samples(cursor: duckdb.DuckDBPyConnection, series: int, span: tuple[int, int]) -> list[Sample]:
    """Every sample of a series over [start, end), in order."""
    query = (
        "SELECT at_ms, arg_max(value, written) FROM number WHERE series = ? AND at_ms >= ? AND at_ms < ?"
        " GROUP BY at_ms ORDER BY at_ms"
    )
    return cursor.execute(query, [series, *span]).fetchall()


def first_ms(cursor: duckdb.DuckDBPyConnection, series: int, span: tuple[int, int]) -> int | None:
    """When the first sample of a series over [start, end) was measured; None where there is none."""
    query = "SELECT min(at_ms) FROM number WHERE series = ? AND at_ms >= ? AND at_ms < ?"
    found: int | None = cursor.execute(query, [series, *span]).fetchall()[0][0]
    return found


def sort_day(cursor: duckdb.DuckDBPyConnection, day_ms: int) -> None:
    """Rewrites one day without overwritten rows, in order of series and time; one transaction."""
    span = [day_ms, day_ms + DAY_MS]
    cursor.begin()
    for table in ("number", "text"):
        cursor.execute(
            "CREATE OR REPLACE TEMP TABLE day AS SELECT series, at_ms, arg_max(value, written) AS value,"
            f" max(written) AS written FROM {table} WHERE at_ms >= ? AND at_ms < ? GROUP BY series, at_ms",
            span,
        )
        cursor.execute(f"DELETE FROM {table} WHERE at_ms >= ? AND at_ms < ?", span)
        cursor.execute(f"INSERT INTO {table} SELECT * FROM day ORDER BY series, at_ms")
    cursor.execute("DROP TABLE day")
    set_meta(cursor, "tidied_ms", day_ms + DAY_MS)
    cursor.commit()


def unsorted_days(cursor: duckdb.DuckDBPyConnection, before_ms: int) -> list[int]:
    """When each day begins that has rows, ended by before_ms and is not sorted yet; oldest first."""
    found = cursor.execute(
        "SELECT DISTINCT at_ms // $day FROM (SELECT at_ms FROM number UNION ALL SELECT at_ms FROM text)"
        " WHERE at_ms >= $start AND at_ms < $end ORDER BY 1",
        {"day": DAY_MS, "start": meta(cursor, "tidied_ms"), "end": before_ms},
    ).fetchall()
    return [int(day) * DAY_MS for (day,) in found]


def meta(cursor: duckdb.DuckDBPyConnection, key: str) -> int:
    """A number of the table `meta`; 0 where it has none."""
    found = cursor.execute("SELECT max(value) FROM meta WHERE key = ?", [key]).fetchall()[0][0]
    return int(found or 0)


def set_meta(cursor: duckdb.DuckDBPyConnection, key: str, value: int) -> None:
    """Puts a number into the table `meta`."""
    if not cursor.execute("UPDATE meta SET value = ? WHERE key = ?", [value, key]).fetchall()[0][0]:
        cursor.execute("INSERT INTO meta VALUES (?, ?)", [key, value])
