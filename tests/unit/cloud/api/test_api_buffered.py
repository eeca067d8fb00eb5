"""A metric as a virtual buffer would have shown it."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_cloud.api.buffered import in_buckets, levels
from frostline_cloud.store.port import Bucket
from tests.support.web import HOUR_MS, MINUTE_MS, NOW_MS

SERIES = {"site": "berlin", "node": "gw-1", "device": "chiller-1", "metric": "air_temperature"}


def minutes(start: int, stop: int, value: float) -> list[tuple[int, float]]:
    return [(minute * MINUTE_MS, value) for minute in range(start, stop)]


@pytest.mark.parametrize(("tau", "level"), [(15, 11.36), (30, 8.87), (45, 7.59)])
def test_golden_twenty_minutes_of_14_degrees(tau: int, level: float) -> None:
    samples = [*minutes(0, 300, 4.0), *minutes(300, 320, 14.0), (320 * MINUTE_MS, 4.0)]

    *_, (at_ms, found) = levels(samples, tau * MINUTE_MS)
    assert (at_ms, round(found, 2)) == (320 * MINUTE_MS, level)


def test_a_level_that_is_a_guess_is_not_shown() -> None:
    samples = [*minutes(0, 100, 4.0), *minutes(200, 300, 4.0)]
    shown = [at_ms // MINUTE_MS for at_ms, _ in levels(samples, 20 * MINUTE_MS)]

    assert shown == [*range(60, 100), *range(260, 300)]


def test_intervals_without_samples_have_no_bucket() -> None:
    samples = [(0, 1.0), (1_000, 2.0), (2_000, 4.0), (5_000, 8.0)]

    assert in_buckets(samples, 1_000, 2_000) == [
        Bucket(0, 2.0, 2.0, 2.0, 1), Bucket(2_000, 4.0, 4.0, 4.0, 1), Bucket(4_000, 8.0, 8.0, 8.0, 1)
    ]  # fmt: skip


@given(st.lists(st.floats(-40, 40), min_size=2, max_size=100), st.integers(1, 90))
def test_levels_are_within_what_was_measured(values: list[float], tau: int) -> None:
    samples = [(index * MINUTE_MS, value) for index, value in enumerate(values)]

    assert all(min(values) - 1e-9 <= level <= max(values) + 1e-9 for _, level in levels(samples, tau * MINUTE_MS))


async def test_both_traces_can_be_asked_for(viewer: httpx.AsyncClient) -> None:
    query = {**SERIES, "from": NOW_MS - 3 * HOUR_MS, "to": NOW_MS, "bucket_ms": 10 * MINUTE_MS}
    raw = (await viewer.get("/api/v1/series", params={k: str(v) for k, v in query.items()})).json()
    query["buffer_s"] = 900
    smooth = (await viewer.get("/api/v1/series", params={k: str(v) for k, v in query.items()})).json()

    assert (raw["metric"], smooth["metric"]) == ("air_temperature", "air_temperature_buffered")
    shown = {point["at_ms"] for point in smooth["points"]}
    assert shown and shown <= {point["at_ms"] for point in raw["points"]}
    assert min(p["low"] for p in smooth["points"]) >= min(p["low"] for p in raw["points"]) - 1.0


async def test_too_long_a_range_is_refused(viewer: httpx.AsyncClient) -> None:
    query = {**SERIES, "from": NOW_MS - 40 * 24 * HOUR_MS, "to": NOW_MS, "buffer_s": 900}
    answer = await viewer.get("/api/v1/series", params={k: str(v) for k, v in query.items()})

    assert (answer.status_code, answer.json()["errors"][0]["where"]) == (422, "query.from")


async def test_the_buffer_is_a_metric_of_its_own_name(viewer: httpx.AsyncClient) -> None:
    query = {**SERIES, "from": NOW_MS - 3 * HOUR_MS, "to": NOW_MS, "bucket_ms": 10 * MINUTE_MS}
    half_an_hour = {**query, "buffer_s": 1800}
    named = {**query, "metric": "air_temperature_buffered"}
    one, other = [
        (await viewer.get("/api/v1/series", params={k: str(v) for k, v in each.items()})).json()
        for each in (half_an_hour, named)
    ]

    assert (other["metric"], other["unit"]) == ("air_temperature_buffered", "Cel")
    assert other == one


async def test_the_buffer_of_what_is_not_measured_is_not_found(viewer: httpx.AsyncClient) -> None:
    answer = await viewer.get("/api/v1/series", params={**SERIES, "metric": "no_such_buffered"})

    assert answer.status_code == 404


async def test_a_device_says_how_slow_its_buffers_are(viewer: httpx.AsyncClient) -> None:
    answer = await viewer.get("/api/v1/devices/berlin/gw-1/chiller-1")

    assert answer.json()["buffer_s"] == 1800
