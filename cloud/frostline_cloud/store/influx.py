"""The store on InfluxDB of any generation: line protocol in, InfluxQL out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import httpx

from frostline_cloud.store.influxql_reader import InfluxqlReader
from frostline_cloud.store.line_writer import LineWriter
from frostline_cloud.store.port import AnyRow, Bucket, Latest, Place, Sample


class Posts(Protocol):
    """Posts lines to one database; how, differs by generation."""

    def send(self, body: bytes) -> None:
        """Posts the lines of one request; see `line_writer.Send`."""

    def close(self) -> None:
        """Closes the connections."""


class InfluxStore:
    """One database (InfluxDB 1 and 3) or bucket with its DBRP mapping (2). It must exist, and its retention rules.

    Args:
        posts: For writes; the store closes it.
        http: For /query, with base URL, credentials and time-out; the store closes it.
        database: What InfluxQL calls the database.
    """

    def __init__(self, posts: Posts, http: httpx.Client, database: str) -> None:
        self._posts = posts
        self._http = http
        self._reader = InfluxqlReader(http, database)
        self._writer = LineWriter(posts.send, lambda: self._reader.highest("frostline_generation", "number"))

    def write(self, rows: Sequence[AnyRow]) -> None:
        """See the store port."""
        self._writer.write(rows)

    def series(self, place: Place, field: str, start_ms: int, end_ms: int, bucket_ms: int) -> list[Bucket]:
        """See the store port."""
        return self._reader.series(place, field, (start_ms, end_ms), bucket_ms)

    def samples(self, place: Place, field: str, start_ms: int, end_ms: int) -> Iterator[Sample]:
        """See the store port."""
        return self._reader.samples(place, field, (start_ms, end_ms))

    def latest(self, place: Place) -> list[Latest]:
        """See the store port."""
        return self._reader.latest(place)

    def generation(self, at_least: int = 0) -> int:
        """See the store port."""
        return self._writer.generation()

    def mark_generation(self, number: int) -> None:
        """See the store port."""
        self._writer.mark_generation(number)

    def check(self) -> None:
        """See the store port."""
        self._writer.check()

    def close(self) -> None:
        """See the store port."""
        self._posts.close()
        self._http.close()
