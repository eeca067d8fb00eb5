"""Evidence taken apart for a chart: gaps stay gaps, limits are those of then."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_cloud.api.closing import EvidenceOut
from frostline_cloud.console.holes import Gap, gap_lines
from frostline_cloud.console.incident.chart import chart
from frostline_cloud.console.incident.measured import Measured, measured
from frostline_cloud.console.incident.sheet import coverage
from frostline_cloud.console.wall import Wall

M = 60_000
THRESHOLD = {"type": "threshold", "id": "a", "above": 8.0, "for": "10m", "severity": "critical", "max_gap": "10m"}


def evidence(times: list[int], content: dict[str, Any] | None = None, **changed: Any) -> EvidenceOut:
    """Samples at these minutes of a view of 100; the alert is from 30 to 60."""
    made: dict[str, Any] = {
        "frozen_ms": None, "from_ms": 0, "to_ms": 100 * M, "begin_ms": 30 * M, "end_ms": 60 * M,
        "duration_ms": 30 * M, "suppressed_ms": 0, "coverage": 1.0, "count": len(times), "low": 1.0, "high": 9.0,
        "mean": 5.0, "unit": "Cel", "limit": 8.0, "rule": {"number": 2, "content": content or THRESHOLD},
        "read_to_ms": None, "samples": [(each * M, 5.0) for each in times], "interval_ms": None, "intervals": [],
    }  # fmt: skip
    return EvidenceOut(**made | changed)


def gaps(times: list[int], now: int = 100) -> list[tuple[int, int]]:
    return [(each.from_ms // M, each.to_ms // M) for each in measured(evidence(times), now * M).gaps]


@pytest.mark.parametrize(
    ("times", "found"),
    [
        (list(range(0, 101, 5)), []),
        ([*range(0, 31, 5), *range(60, 101, 5)], [(40, 60)]),
        ([*range(20, 101, 5)], [(0, 20)]),
        ([*range(0, 71, 5)], [(80, 100)]),
        ([], [(0, 100)]),
        ([50], [(0, 50), (60, 100)]),
    ],
    ids=["none", "within", "before", "after", "no sample", "one sample"],
)
def test_a_sample_speaks_for_the_rules_longest_gap_and_no_longer(
    times: list[int], found: list[tuple[int, int]]
) -> None:
    assert gaps(times) == found


def test_nothing_is_missing_in_the_future() -> None:
    assert gaps(list(range(0, 71, 5)), now=75) == []


def test_the_line_breaks_where_nothing_is_known() -> None:
    found = measured(evidence([0, 5, 60, 65, 70, 80, 90, 100]), 100 * M)
    assert (15 * M, None) in found.points
    times = [at_ms for at_ms, _ in found.points]
    assert times == sorted(times)
    assert len(found.points) == 9


@given(st.lists(st.integers(0, 100), unique=True).map(sorted))
def test_gaps_and_what_samples_speak_for_are_the_whole_view(times: list[int]) -> None:
    found = measured(evidence(times), 100 * M)
    known = [False] * 100
    for number, each in enumerate(times):
        for minute in range(each, min(100, each + 10)):
            known[minute] = True
        if number == 0 and each <= 10:
            known[:each] = [True] * each
    for gap in found.gaps:
        assert not any(known[gap.from_ms // M : gap.to_ms // M])
    assert sum(gap.to_ms - gap.from_ms for gap in found.gaps) == known.count(False) * M
    assert sum(value is None for _, value in found.points) <= len(found.gaps)


def limits(content: dict[str, Any], limit: float | None = None) -> list[tuple[float, str, bool]]:
    found = measured(evidence([1], content, limit=limit), 100 * M)
    return [(each.value, each.text, each.is_passed) for each in found.limits]


def test_limits_are_those_of_the_rule_as_it_was() -> None:
    assert limits(THRESHOLD, 8.0) == [(8.0, "above 8 °C for 10 min", True)]
    assert limits(THRESHOLD | {"hard_limit": {"below": -1}}, 8.0)[1] == (-1.0, "hard limit: below -1 °C", False)


def test_each_level_is_a_limit() -> None:
    level = [{"above": 8, "for": "10m"}, {"above": 8, "for": "10h", "severity": "critical"}, {"below": 2.5}]
    assert [text for _, text, _ in limits({"type": "levels", "level": level})] == [
        "above 8 °C for 10 min",
        "above 8 °C for 10 h, critical",
        "below 2.5 °C",
    ]


def test_a_limit_that_is_no_value_of_the_metric_is_no_line() -> None:
    assert limits({"type": "rate", "above": 3.0, "per": "hour"}, 3.0) == []


def test_without_a_rule_the_limit_that_was_passed_is_shown() -> None:
    found = measured(evidence([1], rule=None), 100 * M)
    assert [each.text for each in found.limits] == ["limit 8 °C"]


def banded() -> Measured:
    intervals = [(at * M, 1.0, 2.0, 3.0, 60) for at in (*range(0, 40), *range(70, 100))]
    return measured(evidence([], interval_ms=M, intervals=intervals), 100 * M)


def test_intervals_have_a_band_and_gaps_too() -> None:
    found = banded()
    assert [(each.from_ms // M, each.to_ms // M) for each in found.gaps] == [(50, 70)]
    assert (50 * M, None, None) in found.band


def test_the_chart_shades_the_alert_and_what_is_not_known() -> None:
    options = chart(banded())
    line = options["series"][0]
    assert [each[0]["name"] for each in line["markArea"]["data"]] == ["alert", "no data"]
    assert line["connectNulls"] is False
    assert [each["yAxis"] for each in line["markLine"]["data"]] == [8.0]
    assert options["yAxis"]["max"] >= 8.0
    assert len(options["series"]) == 3


def test_a_long_time_before_the_first_sample_is_said_and_not_drawn() -> None:
    found = measured(evidence([90, 95, 100], begin_ms=92 * M, end_ms=None), 100 * M)
    axis = chart(found)["xAxis"]
    assert 80 * M < axis["min"] < 90 * M
    assert gap_lines(found.gaps, Wall())[0].startswith("Unknown: no data for 1 h 30 min")


def test_an_alert_that_begins_in_a_hole_is_in_the_picture() -> None:
    found = measured(evidence([90, 95, 100]), 100 * M)
    assert chart(found)["xAxis"]["min"] <= 30 * M


def test_a_count_holds_until_it_changes_and_is_drawn_so() -> None:
    found = measured(evidence([], samples=[(20 * M, 20.0), (30 * M, 6.0)], unit=""), 35 * M, "count_00003700065423")
    line = chart(found)["series"][0]
    assert line["step"] == "end"
    assert line["data"][-1] == [35 * M, 6.0]


def test_a_switch_is_drawn_in_steps_and_a_temperature_is_not() -> None:
    flag = measured(evidence([], samples=[(20 * M, 1.0), (30 * M, 0.0)], unit=""), 35 * M, "door_open")
    assert chart(flag)["series"][0]["step"] == "end"
    assert "step" not in chart(measured(evidence([20, 30]), 35 * M, "air_temperature"))["series"][0]


def test_a_rule_on_a_buffer_shows_what_was_measured_and_the_buffer() -> None:
    found = measured(evidence([20, 25, 30]), 35 * M)
    options = chart(found, [(20 * M, 4.0), (25 * M, 5.0), (30 * M, 6.0)])
    assert [each["name"] for each in options["series"]] == ["measured", "virtual buffer"]
    assert options["yAxis"]["min"] < 4.0


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=5))
def test_the_axis_holds_every_value_and_the_limit_that_was_passed(values: list[float]) -> None:
    samples = [(number * M, value) for number, value in enumerate(values)]
    axis = chart(measured(evidence([], samples=samples), 100 * M))["yAxis"]
    assert axis["min"] <= min([*values, 8.0])
    assert axis["max"] >= max([*values, 8.0])


def test_the_longest_gaps_are_told_in_order_and_the_rest_counted() -> None:
    found = [Gap(number * 10 * M, number * 10 * M + number * M) for number in range(1, 8)]
    lines = gap_lines(found, Wall())
    assert len(lines) == 6
    assert lines[0] == "Unknown: no data for 3 min, from 1970-01-01 00:30:00 to 1970-01-01 00:33:00"
    assert lines[-1] == "and 2 shorter gaps"


@pytest.mark.parametrize(
    ("part", "said"),
    [(None, "no time to speak of"), (1.0, "all of its time"), (0.25, "25.0% of its time; the rest is unknown")],
)
def test_coverage_says_what_is_not_known(part: float | None, said: str) -> None:
    assert coverage(part) == said
