"""The bench of many series runs, at a hundredth of its size."""

from __future__ import annotations

from tests.bench import series


def test_many_series_are_measured_and_compared() -> None:
    found = series.measure(series=(200, 400), samples=4_000, runs=1)

    assert found["200"]["cpu_us_per_sample"] > 0
    assert found["most against fewest"] > 0
    assert "400 series" in series.table(found)
