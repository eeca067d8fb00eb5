"""Reads through /query, which InfluxDB 1, 2 (with a DBRP mapping) and 3 answer alike."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from frostline_cloud.store import influxql
from frostline_cloud.store.line import TAGS, plain
from frostline_cloud.store.port import Bucket, FieldValue, Latest, Place, Sample
from frostline_core.errors import UnavailableError

_NEWEST_ROWS = 20
"""How many rows `latest` looks through before it asks for the fields that change less often, one by one."""

_STATEMENTS = 50
"""How many statements one request carries at most."""


_SAMPLES = 10_000
"""How many samples one answer has at most; servers that have a limit of their own allow at least as many."""


@dataclass(frozen=True, slots=True)
class _Table:
    columns: Sequence[str]
    values: Sequence[Sequence[Any]]


class InfluxqlReader:
    """Queries one database.

    Args:
        http: With base URL, credentials and time-out.
        database: Name of the database, or of the bucket that a DBRP mapping names so.
    """

    def __init__(self, http: httpx.Client, database: str) -> None:
        self._http = http
        self._database = database

    def series(self, place: Place, field: str, span: tuple[int, int], bucket_ms: int) -> list[Bucket]:
        """The store port's `series`; `span` is [start, end) in ms."""
        if field.endswith("_text"):
            return []
        found = self._tables(influxql.buckets(place, field, span, bucket_ms))
        return [Bucket(int(at), mean, low, high, int(n)) for t in found for at, mean, low, high, n in t.values if n]

    def samples(self, place: Place, field: str, span: tuple[int, int]) -> Iterator[Sample]:
        """The store port's `samples`; `span` is [start, end) in ms."""
        if field.endswith("_text"):
            return
        next_ms, end_ms = span
        while next_ms < end_ms:
            found = self._tables(influxql.values(place, field, (next_ms, end_ms), _SAMPLES))
            rows = [row for table in found for row in table.values]
            for at_ms, value in rows:
                if at_ms >= next_ms:  # a device that moved may have one instant in two zones
                    next_ms = int(at_ms) + 1
                    yield int(at_ms), float(value)
            if len(rows) < _SAMPLES:
                return

    def latest(self, place: Place) -> list[Latest]:
        """The store port's `latest`."""
        newest: dict[str, Latest] = {}
        for table in self._tables(influxql.newest_rows(place, _NEWEST_ROWS)):
            for name, value, at_ms in _cells(table):
                newest.setdefault(name, Latest(plain(name), _typed(value), at_ms))
        ever = self._tables(influxql.newest_values(place)) if newest else []
        rare = [name for table in ever for name in _present(table) if name not in newest]
        for start in range(0, len(rare), _STATEMENTS):
            names = rare[start : start + _STATEMENTS]
            for name, found in zip(names, self._results(influxql.newest_each(place, names)), strict=True):
                for table in found:
                    at_ms, value = table.values[0]
                    newest[name] = Latest(plain(name), _typed(value), int(at_ms))
        return sorted(newest.values(), key=lambda latest: latest.field)

    def highest(self, measurement: str, field: str) -> float | None:
        """The largest value that a field ever had, over all devices; None where there is none."""
        return next((float(t.values[0][1]) for t in self._tables(influxql.highest(measurement, field))), None)

    def _tables(self, query: str) -> list[_Table]:
        return [table for found in self._results(query) for table in found]

    def _results(self, query: str) -> list[list[_Table]]:
        """For each statement its tables (none or one: nothing here groups by tag)."""
        try:
            answer = self._http.post("/query", params={"db": self._database, "epoch": "ms"}, data={"q": query})
        except httpx.HTTPError as error:
            raise UnavailableError(f"store query: {error or type(error).__name__}") from error
        if not answer.is_success:
            raise UnavailableError(f"store query: HTTP {answer.status_code}: {answer.text[:300]}")
        try:
            results = answer.json()["results"]
            return [_checked(result) for result in results]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise UnavailableError(f"store query: not an InfluxQL answer: {answer.text[:100]!r}") from error


def _checked(result: dict[str, Any]) -> list[_Table]:
    if "error" in result:
        raise UnavailableError(f"store query: {result['error']}")
    return [_Table(series["columns"], series["values"]) for series in result.get("series", ())]


def _cells(table: _Table) -> Iterator[tuple[str, FieldValue, int]]:
    """Stored field name, value and time of every cell that has a value, in the order of rows."""
    names = table.columns[1:]
    for row in table.values:
        for name, value in zip(names, row[1:], strict=True):
            if value is not None and name not in TAGS:
                yield name, value, int(row[0])


def _present(table: _Table) -> Iterator[str]:
    return (name.removeprefix("last_") for name, _, _ in _cells(table))


def _typed(value: FieldValue) -> FieldValue:
    return value if isinstance(value, str) else float(value)
