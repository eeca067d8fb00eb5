"""The store on VictoriaMetrics: line protocol in, MetricsQL out.

VictoriaMetrics keeps numbers only: text fields are not sent (it would store them as 0). A field is a metric named
`<measurement>_<field>`. It acknowledges before data is on its disk, so that we hold it for a while on ours (`held`). It
shows new data after a second and a new series after up to eleven (1.79, measured), and needs
`-dedup.minScrapeInterval=1ms` for a repeated write to be counted once (of two different values for one instant it keeps
either, mostly the larger). Numbers are decimal with about 15 digits, fewer beside much larger ones in one series.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from frostline_cloud.store.held import Held
from frostline_cloud.store.influx import Posts
from frostline_cloud.store.line import field_name, measurement_name, plain, tag_value
from frostline_cloud.store.line_writer import LineWriter
from frostline_cloud.store.parts import by_day
from frostline_cloud.store.port import (
    AnyRow,
    Bucket,
    FieldValue,
    Latest,
    NumberRow,
    Place,
    RejectedError,
    Row,
    Sample,
    Sheet,
)
from frostline_core.errors import UnavailableError

_STATS = {"sum": "sum", "low": "min", "high": "max", "count": "sum"}
"""How the zones of one device are put together, by statistic."""
_OVER_TIME = {"sum": "sum_over_time", "low": "min_over_time", "high": "max_over_time", "count": "count_over_time"}
_EVER = "20y"
_START = re.compile(r"^process_start_time_seconds (\S+)$", re.MULTILINE)
_SERVER_FAULT = 500
SHOWN_S = 15.0
"""So long after this process began all that was written before can be seen, also where nobody may ask for a flush.
And so long after it has sent lines again: a killed server may have forgotten their series, and shows new ones late."""


@dataclass(frozen=True, slots=True)
class _Steps:
    """Buckets of one width: [first_end - width, first_end), and so on to last_end."""

    first_end_ms: int
    last_end_ms: int
    width_ms: int


class VictoriaStore:
    """A single-node VictoriaMetrics, or the base URL of a cluster's tenant where both paths exist.

    Args:
        posts: For writes; the store closes it.
        http: For the Prometheus API, with base URL, credentials and time-out; the store closes it.
        clock: Seconds that only go forward.
        held: Folder of what was written last; see `Held`.
    """

    def __init__(
        self,
        posts: Posts,
        http: httpx.Client,
        clock: Callable[[], float] = time.monotonic,
        held: Path | None = None,
    ) -> None:
        self._posts = Held(posts, self._started, clock, held)
        self._http = http
        self._clock, self._opened_s = clock, clock()
        self._writer = LineWriter(self._posts.send, self._highest_generation, mark_every_ms=1)

    def write(self, rows: Sequence[AnyRow]) -> None:
        """See the store port; text fields are left out."""
        if isinstance(rows, Sheet):
            self._write(rows)
            return
        kept = [(i, numbers) for i, row in enumerate(rows) if (numbers := _numbers(row)) is not None]
        try:
            self._writer.write([numbers for _, numbers in kept])
        except RejectedError as error:
            raise RejectedError([(kept[i][0], reason) for i, reason in error.rows]) from error

    def _write(self, sheet: Sheet) -> None:
        first = len(sheet.forms)
        kept = [(first + i, numbers) for i, row in enumerate(sheet.others) if (numbers := _numbers(row)) is not None]
        try:
            self._writer.write(replace(sheet, others=[numbers for _, numbers in kept]))
        except RejectedError as error:
            places = [*range(first), *(i for i, _ in kept)]
            raise RejectedError([(places[i], reason) for i, reason in error.rows]) from error

    def series(self, place: Place, field: str, start_ms: int, end_ms: int, bucket_ms: int) -> list[Bucket]:
        """See the store port."""
        selector = _selector(place, f'__name__="{_quoted(_metric(place.measurement, field))}"')
        buckets = (b for steps in _split(start_ms, end_ms, bucket_ms) for b in self._buckets(selector, steps))
        return [Bucket(b.at_ms // bucket_ms * bucket_ms, b.mean, b.low, b.high, b.count) for b in buckets]

    def samples(self, place: Place, field: str, start_ms: int, end_ms: int) -> Iterator[Sample]:
        """See the store port."""
        selector = _selector(place, f'__name__="{_quoted(_metric(place.measurement, field))}"')
        return by_day(partial(self._export, selector), partial(self._first, selector), start_ms, end_ms)

    def latest(self, place: Place) -> list[Latest]:
        """See the store port."""
        prefix = _metric(place.measurement, "")
        selector = _selector(place, f'__name__=~"{_quoted(re.escape(prefix))}.+"')
        times: dict[str, int] = {}
        values: dict[tuple[str, str], float] = {}
        for series in self._query(f"tlast_over_time({selector}[{_EVER}]) keep_metric_names"):
            name, at_ms = series["metric"]["__name__"], round(float(series["value"][1]) * 1000)
            times[name] = max(at_ms, times.get(name, at_ms))
            values[name, series["metric"].get("zone", "")] = at_ms
        found: dict[str, float] = {}
        for series in self._query(f"last_over_time({selector}[{_EVER}])"):
            name, zone = series["metric"]["__name__"], series["metric"].get("zone", "")
            if values.get((name, zone)) == times.get(name):
                found[name] = float(series["value"][1])
        return [Latest(plain(n.removeprefix(prefix)), found[n], times[n]) for n in sorted(found)]

    def generation(self, at_least: int = 0) -> int:
        """See the store port; a new series may not be seen for `SHOWN_S`, also after a flush."""
        found = self._writer.generation()
        if found < at_least and self._clock() - self._opened_s < SHOWN_S:
            self._writer.doubt()
            raise UnavailableError(
                f"store: it shows {found} of {at_least} flushes; it is asked again for {SHOWN_S:.0f} s"
            )
        return found

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

    def _highest_generation(self) -> float | None:
        self._posts.settle()
        self._show()
        found = self._query(f"max(max_over_time(frostline_generation_number[{_EVER}]))")
        return float(found[0]["value"][1]) if found else None

    def _started(self) -> str:
        """When the server's process began; "" where that is not told, as for several behind one address."""
        try:
            answer = self._http.get("/metrics")
        except httpx.HTTPError as error:
            raise UnavailableError(f"store query: {error or type(error).__name__}") from error
        if answer.status_code >= _SERVER_FAULT:
            raise UnavailableError(f"store query: HTTP {answer.status_code}: {answer.text[:300]}")
        found = _START.findall(answer.text)
        return str(found[0]) if len(found) == 1 else ""

    def _show(self) -> None:
        """Makes what was written last visible; where a flush does not do that, or is not allowed, it takes its time.

        Raises:
            UnavailableError: It cannot be seen yet; or the store does not answer.
        """
        again_s = self._posts.again_s
        if again_s is None:
            with suppress(UnavailableError):
                self._post("/internal/force_flush", {})
                return
        if self._clock() - (self._opened_s if again_s is None else again_s) < SHOWN_S:
            raise UnavailableError(f"store: what was written last may not be seen yet, for {SHOWN_S:.0f} s at most")

    def _buckets(self, selector: str, steps: _Steps) -> Iterator[Bucket]:
        """The buckets that have samples; at_ms is where the bucket begins."""
        window = f"{selector}[{steps.width_ms}ms]"
        parts = (f'label_set({_STATS[s]}({_OVER_TIME[s]}({window})), "stat", "{s}")' for s in _STATS)
        params = {  # a window is (t - width, t]: one millisecond earlier makes it [start, end)
            "query": f"union({', '.join(parts)})",
            "start": _seconds(steps.first_end_ms - 1),
            "end": _seconds(steps.last_end_ms - 1),
            "step": f"{steps.width_ms}ms",
            "nocache": "1",  # otherwise start and end are moved to multiples of step
        }
        by_time: dict[int, dict[str, float]] = {}
        for series in self._get("/api/v1/query_range", params):
            for at_s, value in series["values"]:
                by_time.setdefault(round(float(at_s) * 1000) + 1, {})[series["metric"]["stat"]] = float(value)
        for end_ms, stat in sorted(by_time.items()):
            start_ms = end_ms - steps.width_ms
            yield Bucket(start_ms, stat["sum"] / stat["count"], stat["low"], stat["high"], int(stat["count"]))

    def _export(self, selector: str, start_ms: int, end_ms: int) -> list[Sample]:
        params = {"match[]": selector, "start": _seconds(start_ms), "end": _seconds(end_ms - 1)}
        text = self._post("/api/v1/export", params).text
        found: dict[int, float] = {}
        try:
            for line in text.splitlines():
                series = json.loads(line)
                for at_ms, value in zip(series["timestamps"], series["values"], strict=True):
                    if value is not None:  # of one instant in two zones the larger, as in one zone
                        found[int(at_ms)] = max(float(value), found.get(int(at_ms), -math.inf))
        except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise UnavailableError(f"store query: not an export: {text[:100]!r}") from error
        return sorted(found.items())

    def _first(self, selector: str, start_ms: int, end_ms: int) -> int | None:
        if start_ms >= end_ms:
            return None
        window = f"{selector}[{end_ms - start_ms}ms]"
        params = {"query": f"min(tfirst_over_time({window}))", "time": _seconds(end_ms - 1), "nocache": "1"}
        found = self._get("/api/v1/query", params)
        return max(start_ms, round(float(found[0]["value"][1]) * 1000)) if found else None

    def _query(self, query: str) -> list[dict[str, Any]]:
        return self._get("/api/v1/query", {"query": query, "nocache": "1"})

    def _get(self, path: str, params: dict[str, str]) -> list[dict[str, Any]]:
        answer = self._post(path, params)
        try:
            result: list[dict[str, Any]] = answer.json()["data"]["result"]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise UnavailableError(f"store query: not a Prometheus answer: {answer.text[:100]!r}") from error
        return result

    def _post(self, path: str, params: dict[str, str]) -> httpx.Response:
        try:
            answer = self._http.post(path, data=params)
        except httpx.HTTPError as error:
            raise UnavailableError(f"store query: {error or type(error).__name__}") from error
        if not answer.is_success:
            raise UnavailableError(f"store query: HTTP {answer.status_code}: {answer.text[:300]}")
        return answer


def _numbers(row: AnyRow) -> AnyRow | None:
    if isinstance(row, NumberRow):
        return row
    fields: list[tuple[str, FieldValue]] = [(name, v) for name, v in row.fields if not isinstance(v, str)]
    if len(fields) == len(row.fields):
        return row
    return Row(row.place, row.at_ms, fields) if fields else None


def _split(start_ms: int, end_ms: int, bucket_ms: int) -> Iterator[_Steps]:
    """The whole buckets of a span, and the parts of a bucket at its two ends."""
    first_whole, last_whole = -(-start_ms // bucket_ms) * bucket_ms, end_ms // bucket_ms * bucket_ms
    if first_whole > last_whole:  # begins and ends within one bucket
        first_whole = last_whole = end_ms
    if start_ms < first_whole:
        yield _Steps(first_whole, first_whole, first_whole - start_ms)
    if first_whole < last_whole:
        yield _Steps(first_whole + bucket_ms, last_whole, bucket_ms)
    if last_whole < end_ms:
        yield _Steps(end_ms, end_ms, end_ms - last_whole)


def _metric(kind: str, field: str) -> str:
    return f"{measurement_name(kind)}_{field_name(field) if field else ''}"


def _selector(place: Place, name: str) -> str:
    tags = (("site", place.site), ("node", place.node), ("device", place.device))
    return "{" + ", ".join([name, *(f'{key}="{_quoted(tag_value(value))}"' for key, value in tags)]) + "}"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _seconds(ms: int) -> str:
    return f"{ms // 1000}.{ms % 1000:03d}"
