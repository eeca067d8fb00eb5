"""Several limits with their times and severities, as data loggers have them; one incident."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frostline_core.errors import ConfigError
from frostline_core.rules import ESCALATED, Phase, Severity, Transition
from frostline_core.rules.backlog import JOIN_MS
from tests.unit.core.rules.rule_bench import MINUTE, DeviceBench, guarded_and_exact, rule, timed

METRICS = ("air_temperature", "defrost_active")
HOUR = 60


def levels(*given: dict[str, Any], **keys: Any) -> DeviceBench:
    return DeviceBench([rule("levels", level=list(given), **keys)], METRICS)


def run(bench: DeviceBench, spans: Iterable[tuple[float, float]], start: float = 0, step: float = 5) -> float:
    """Samples each five minutes at these (minutes, value) one after the other; returns when it ends."""
    minute = start
    for length, value in spans:
        end = minute + length
        while minute < end:
            bench.see((minute, value))
            minute += step
        minute = end
    return minute


def fired(bench: DeviceBench) -> list[Transition]:
    return [each for each in bench.transitions if each.after is Phase.FIRING]


def starts(bench: DeviceBench) -> list[float]:
    return [each.at_ms / MINUTE for each in fired(bench)]


WARM = {"above": 8.0, "for": "10m"}
LONG = {"above": 8.0, "for": "1h", "severity": "critical"}
SUM = {"above": 8.0, "for": "1h", "mode": "cumulative", "severity": "critical"}
DAY = {**SUM, "within": "24h"}


# ---- one incident ----
def test_a_higher_level_escalates_the_same_incident() -> None:
    bench = levels(WARM, LONG)
    run(bench, [(90, 9.0), (10, 5.0)])

    assert [(each.after.value, each.at_ms / MINUTE, each.severity, each.note) for each in bench.transitions] == [
        ("firing", 10, Severity.WARNING, "above 8 for 10m"),
        ("firing", 60, Severity.CRITICAL, ESCALATED),
        ("resolved", 90, None, ""),
    ]


def test_the_severity_never_falls_until_it_is_resolved() -> None:
    bench = levels({"above": 8.0}, {"above": 12.0, "severity": "critical"}, clear_for="10m")
    bench.see((0, 13.0), (1, 9.0), (2, 5.0), (3, 9.0))

    assert [each.severity for each in fired(bench)] == [Severity.CRITICAL, Severity.CRITICAL]


def test_the_limit_is_that_of_the_most_severe_level_reached() -> None:
    bench = levels({"above": 8.0}, {"above": 12.0, "severity": "critical"}, {"below": 2.0}).see((0, 13.0), (1, 5.0))

    assert (fired(bench)[0].limit, fired(bench)[0].facts["levels"]) == (12.0, ["above 8", "above 12"])
    assert levels({"above": 8.0, "below": 2.0}).see((0, 1.0)).transitions[0].limit == 2.0


def test_a_value_on_a_limit_is_within_it() -> None:
    assert levels({"above": 8.0, "below": 2.0}).see((0, 8.0), (1, 2.0)).path == []


def test_it_fires_at_the_first_sample_at_which_the_time_is_over() -> None:
    assert levels(WARM).see((0, 5), (1, 9), (10.9, 9), (11.5, 9)).path == ["firing@11.5"]


def test_coming_back_begins_a_consecutive_time_anew() -> None:
    bench = levels(LONG)
    run(bench, [(55, 9.0), (5, 5.0), (55, 9.0), (5, 5.0)])

    assert bench.path == []


def test_what_is_reached_comes_back_by_the_hysteresis() -> None:
    bench = levels({"above": 8.0}, hysteresis=1.0).see((0, 9.0), (1, 7.5), (2, 7.0))

    assert bench.path == ["firing@0", "resolved@2"]


def test_what_is_not_reached_has_no_hysteresis() -> None:
    assert levels(WARM, hysteresis=1.0).see((0, 9.0), (5, 7.5), (12, 7.5)).path == []


def test_a_cumulative_time_of_one_incident_goes_on_after_a_short_pause() -> None:
    bench = levels(SUM, clear_for="30m")
    run(bench, [(40, 9.0), (20, 5.0), (40, 9.0)])

    assert starts(bench) == [80]


def test_a_cumulative_time_of_one_incident_ends_with_it() -> None:
    bench = levels(SUM, clear_for="30m")
    run(bench, [(40, 9.0), (40, 5.0), (40, 9.0)])

    assert bench.path == []


def test_a_relapse_is_the_same_incident_and_as_severe() -> None:
    bench = levels(SUM, clear_for="30m")
    run(bench, [(70, 9.0), (20, 5.0), (10, 9.0)])

    assert [(each.after.value, each.severity) for each in bench.transitions] == [
        ("firing", Severity.CRITICAL),
        ("clearing", Severity.CRITICAL),
        ("firing", Severity.CRITICAL),
    ]


def test_a_cumulative_time_in_a_window_lasts_until_it_has_left_it() -> None:
    bench = levels(DAY)
    run(bench, [(90, 9.0), (26 * HOUR, 5.0)])

    assert starts(bench) == [60]
    (resolved,) = [each for each in bench.transitions if each.after is Phase.RESOLVED]
    assert resolved.at_ms / MINUTE == pytest.approx(24 * HOUR + 30, abs=10)


def test_times_outside_of_the_window_do_not_count() -> None:
    bench = levels(DAY)
    run(bench, [(40, 9.0), (25 * HOUR, 5.0)] * 4)

    assert bench.path == []


# ---- no data ----
def test_what_was_not_measured_does_not_count() -> None:
    bench = levels(LONG)
    run(bench, [(30, 9.0)])
    run(bench, [(20, 9.0)], start=180)

    assert bench.path == []
    run(bench, [(20, 9.0)], start=200)
    assert starts(bench) == [205]  # 35 minutes to the end of what lasted, and 25 more


def test_samples_without_a_value_do_not_count() -> None:
    bench = levels(LONG).see((0, 9.0), *((minute, None) for minute in range(1, 120)), (120, 9.0))

    assert "firing@120" not in bench.path


def test_silence_neither_fires_nor_resolves() -> None:
    bench = levels(WARM).wait(0).see((0, 9.0), (10, 9.0)).wait(1000)

    assert bench.path == ["firing@10", "firing@20"]
    assert levels(LONG).wait(0).see((0, 9.0)).wait(1000).path == ["unknown@10"]


# ---- around it ----
def test_suppressed_time_counts_and_opens_nothing() -> None:
    bench = levels(LONG, suppress_while=["defrost_active"], cap="2h")
    bench.see((0, 1), metric="defrost_active")
    run(bench, [(70, 9.0)])
    assert bench.path == []

    bench.see((70, 0), metric="defrost_active").see((70, 9.0))
    assert starts(bench) == [70]


def test_a_restart_goes_on() -> None:
    bench = levels(WARM, LONG, SUM, DAY)
    end = run(bench, [(40, 9.0)])
    again = bench.restarted()
    for each in (bench, again):
        run(each, [(60, 9.0)], start=end)

    assert again.path == bench.path[1:]


def test_what_a_backlog_counts_is_counted_once() -> None:
    bench = levels(DAY)
    run(bench, [(15, 9.0)])
    run(bench, [(10, 9.0)], start=60)
    run(bench, [(20, 5.0), (20, 9.0)], start=15)
    bench.wait(66).wait(66 + JOIN_MS / MINUTE)
    run(bench, [(30, 9.0)], start=70)

    assert starts(bench) == [80]  # 15 minutes before the hole, 25 in it, 20 after it


def test_a_time_that_goes_on_through_a_backlog_is_one_time() -> None:
    bench = levels(LONG)
    run(bench, [(15, 9.0)])
    run(bench, [(10, 9.0)], start=45)
    run(bench, [(30, 9.0)], start=15)
    bench.wait(51).wait(51 + JOIN_MS / MINUTE)
    run(bench, [(30, 9.0)], start=55)

    assert starts(bench) == [60]


def test_a_backlog_that_came_back_begins_the_time_anew() -> None:
    bench = levels(LONG)
    run(bench, [(15, 9.0)])
    run(bench, [(10, 9.0)], start=45)
    run(bench, [(15, 5.0), (15, 9.0)], start=15)
    bench.wait(51).wait(51 + JOIN_MS / MINUTE)
    run(bench, [(50, 9.0)], start=55)

    assert starts(bench) == [90]


# ---- what loggers do ----
WHO_LOGGER = ({"above": 8.0, "for": "10h"}, {"below": -0.5, "for": "60m"})
Q_TAG_I = (  # "at least 45 degrees" of a logger with a resolution of 0.1
    {"above": 44.95, "for": "1h", "severity": "critical"},
    {"above": 29.95, "for": "10h", "mode": "cumulative", "within": "30d"},
    {"below": -0.45, "for": "1h", "severity": "critical"},
)
Q_TAG_II = (
    {"above": 44.95, "for": "1h", "severity": "critical"},
    {"above": 29.95, "for": "10h", "mode": "cumulative", "within": "30d"},
    {"above": 9.95, "for": "20h", "mode": "cumulative", "within": "30d"},
)


@pytest.mark.parametrize(
    ("spans", "at"),
    [
        ([(5 * HOUR, 5.0), (11 * HOUR, 8.1)], [15 * HOUR]),
        ([(9 * HOUR + 50, 8.1), (10, 8.0)] * 5, []),
        ([(24 * HOUR, 8.0)], []),
        ([(HOUR, 5.0), (2 * HOUR, -0.6)], [2 * HOUR]),
        ([(50, -0.6), (10, -0.5)] * 20, []),
    ],
)
def test_a_who_30_day_logger(spans: list[tuple[float, float]], at: list[float]) -> None:
    bench = levels(*WHO_LOGGER)
    run(bench, spans)

    assert starts(bench) == at


@pytest.mark.parametrize(
    ("kind", "spans", "at"),
    [
        (Q_TAG_I, [(2 * HOUR, 45.0)], [HOUR]),
        (Q_TAG_I, [(50, 45.0), (HOUR, 20.0)] * 5, []),
        (Q_TAG_I, [(HOUR, 30.0), (5 * HOUR, 20.0)] * 12, [9 * 6 * HOUR + HOUR]),
        (Q_TAG_I, [(2 * HOUR, -0.5)], [HOUR]),
        (Q_TAG_I, [(100 * HOUR, 29.9)], []),
        (Q_TAG_II, [(2 * HOUR, 45.0)], [HOUR]),
        (Q_TAG_II, [(HOUR, 30.0), (5 * HOUR, 5.0)] * 12, [9 * 6 * HOUR + HOUR]),
        (Q_TAG_II, [(HOUR, 10.0), (2 * HOUR, 5.0)] * 24, [19 * 3 * HOUR + HOUR]),
        (Q_TAG_II, [(24 * HOUR, -0.5)], []),
    ],
)
def test_a_q_tag(kind: tuple[dict[str, Any], ...], spans: list[tuple[float, float]], at: list[float]) -> None:
    bench = levels(*kind)
    run(bench, spans)

    assert starts(bench)[:1] == pytest.approx(at[:1], abs=5)


def test_a_fridge_tag_is_silent_on_dips_that_add_up_and_a_cumulative_level_is_not() -> None:
    """Five dips of 42 minutes below -0.5 degrees, three and a half hours in all, raise no alarm on the logger."""
    dips = [(42.0, -1.0), (60.0, 4.0)] * 5
    logger = levels({"below": -0.5, "for": "60m"})
    cumulative = levels({"below": -0.5, "for": "60m", "mode": "cumulative", "within": "24h"})
    for bench in (logger, cumulative):
        run(bench, dips, step=6)

    assert logger.path == []
    assert starts(cumulative) == [120]  # 42 minutes, and 18 of the next 42


def test_six_above_six_below_and_six_bands() -> None:
    """As many as a Controlant logger has, at its slowest: every ten minutes, for up to 800 h 50 min."""
    given = [{"above": 8.0 + each, "for": f"{10 * (6 - each)}m"} for each in range(6)]
    given += [{"below": 2.0 - each, "for": f"{10 * (6 - each)}m"} for each in range(6)]
    given += [{"above": 20.0, "below": -10.0, "for": "48050m", "severity": "critical"} for _ in range(6)]
    bench = levels(*given, max_gap="15m")
    run(bench, [(60, 5.0), (30, 13.5)], step=10)

    assert starts(bench) == [70]
    assert fired(bench)[0].limit == 13.0


def test_the_longest_time_of_a_logger_is_kept() -> None:
    bench = levels({"above": 8.0, "for": "48050m"}, max_gap="3h")
    run(bench, [(48_300, 9.0)], step=2 * HOUR)

    assert starts(bench) == [pytest.approx(48_050, abs=2 * HOUR)]


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ({"level": []}, "level"),
        ({"level": [{"for": "1h"}]}, "above"),
        ({"level": [{"above": 1.0, "below": 2.0}]}, "below"),
        ({"level": [{"above": 1.0, "within": "1d"}]}, "cumulative"),
        ({"level": [{"above": 1.0, "mode": "cumulative"}]}, "for"),
        ({"level": [{"above": 1.0, "mode": "cumulative", "for": "2d", "within": "1d"}]}, "within"),
        ({"level": [{"above": 1.0}] * 19}, "level"),
        ({"level": [{"above": 1.0}], "for": "10m"}, "each level"),
    ],
)
def test_what_makes_no_sense_is_refused(keys: dict[str, object], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        rule("levels", **keys)


steps = st.lists(
    st.tuples(
        st.sampled_from([0.2, 1, 1, 4, 9, 15]),
        st.sampled_from(METRICS[:1] * 4 + METRICS[1:]),
        st.sampled_from([0.0, 1.0, 5.0, 7.5, 8.0, 8.5, 9.0, 12.0, None]),
    ),
    max_size=60,
)
SHORT = (
    {"above": 8.0, "for": "4m"},
    {"above": 10.0, "severity": "critical"},
    {"below": 1.0, "above": 8.8, "for": "9m", "mode": "cumulative"},
    {"above": 7.0, "for": "15m", "mode": "cumulative", "within": "40m", "severity": "critical"},
)


@settings(max_examples=150)
@given(
    steps,
    st.booleans(),
    st.sampled_from(
        [
            {},
            {"hysteresis": 0.8, "clear_for": "6m"},
            {"suppress_while": ["defrost_active"], "grace": "2m"},
            {"hard_limit": {"above": 8.2}},
        ]
    ),
    st.lists(st.sampled_from(SHORT), min_size=1, max_size=4),
)
def test_what_the_guard_passes_changes_nothing(
    script: list[tuple[float, str, float | None]], clock: bool, keys: dict[str, object], given: list[dict[str, object]]
) -> None:
    guarded, exact = guarded_and_exact(rule("levels", level=given, **keys), timed(script), METRICS, clock=clock)

    assert guarded.path == exact.path
