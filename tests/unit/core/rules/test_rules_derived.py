"""Rules on `<metric>_buffered`: any kind, on the same virtual buffer that the API shows."""

from __future__ import annotations

from dataclasses import astuple, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frostline_core.errors import ConfigError
from frostline_core.rules import Evaluator, History, Rule, RuleSet, Series, parse
from frostline_core.rules.buffer import Level
from frostline_core.rules.dated import Version
from frostline_core.rules.derived import TAU_MS, follow, measured, tau_of
from tests.unit.core.rules.rule_bench import DeviceBench

MINUTE = 60_000
ROOM = Series("site", "gw", "room", "cold_room", "", "air_temperature", {"buffer": "15m"})


def rule(type_: str = "threshold", metric: object = "air_temperature_buffered", **keys: Any) -> Rule:
    return parse({"id": "r", "type": type_, "title": "R", "select": {"metric": metric}, **keys}, "test")


def minutes(start: int, stop: int, value: float) -> list[tuple[float, float]]:
    return [(minute, value) for minute in range(start, stop)]


def phases(*rules: Rule, series: Series = ROOM) -> set[str]:
    evaluator = Evaluator(rules)
    return set(evaluator.phases(evaluator.bind(series)))


def test_twenty_minutes_of_warm_air_are_no_warm_product() -> None:
    bench = DeviceBench([rule(above=8.9)])
    bench.see(*minutes(0, 200, 4.0), *minutes(200, 220, 14.0), *minutes(220, 260, 4.0))
    assert "firing" not in " ".join(bench.path)


def test_the_product_is_warm_when_the_buffer_is() -> None:
    bench = DeviceBench([rule(above=8.8)]).see(*minutes(0, 200, 4.0), *minutes(200, 260, 14.0))
    first = next(each for each in bench.transitions if each.after == "firing")
    assert (first.at_ms // MINUTE, round(first.value or 0, 2)) == (220, 8.87)
    assert (first.facts["measured"], first.facts["buffer_s"]) == (14.0, 1800)


def test_until_it_is_settled_nothing_is_known() -> None:
    assert DeviceBench([rule(above=8.0)]).see(*minutes(0, 89, 4.0)).path == ["unknown@0"]
    assert DeviceBench([rule(above=8.0)]).see(*minutes(0, 91, 4.0)).path == ["unknown@0", "ok@90"]


def test_over_a_gap_nothing_is_invented() -> None:
    bench = DeviceBench([rule(above=8.0)]).see(*minutes(0, 100, 4.0), *minutes(115, 150, 20.0))
    assert bench.path[-1].startswith("unknown")


def test_what_fires_stays_open_without_data() -> None:
    bench = DeviceBench([rule(above=8.0)]).see(*minutes(0, 100, 20.0), *minutes(130, 150, 4.0))
    assert bench.path[-1].startswith("firing")


def test_the_label_of_the_device_says_how_slow_it_is() -> None:
    assert tau_of({}) == TAU_MS == 30 * MINUTE
    assert tau_of({"buffer": "45m"}) == 45 * MINUTE
    assert [tau_of({"buffer": text}) for text in ("soon", "1s", "2d", "")] == [None] * 4


def test_a_label_that_makes_no_sense_is_no_data() -> None:
    evaluator = Evaluator([rule(above=8.0)])
    slot = evaluator.bind(replace(ROOM, labels={"buffer": "soon"}))
    for minute in range(300):
        evaluator.observe(slot, 20.0, minute * MINUTE)
    assert evaluator.phases(slot) == {"r": "unknown"}


def test_globs_choose_buffers_only_by_their_ending() -> None:
    assert phases(rule(metric="air_*_buffered", above=8.0)) == {"r"}
    assert phases(rule(metric="*_buffered", above=8.0)) == {"r"}
    assert phases(rule(metric="humidity_buffered", above=8.0)) == set()
    assert phases(rule(metric="air_temperature_buffered", above=8.0), series=replace(ROOM, retired=True)) == set()
    star = Evaluator([rule(metric="*", above=8.0)])
    star.observe(star.bind(ROOM), 9.0, 0)
    assert [each.facts.get("buffer_s") for each in star.staged().transitions] == [None]


def test_a_rule_looks_at_one_of_them_not_at_both() -> None:
    with pytest.raises(ConfigError, match="not at both"):
        rule(metric=["air_temperature", "air_temperature_buffered"], above=8.0)


def test_other_kinds_look_at_buffers_too() -> None:
    exposure = rule("exposure", above=8.0, allowed="10m", within="1d")
    bench = DeviceBench([exposure]).see(*minutes(0, 100, 4.0), *minutes(100, 140, 14.0))
    assert next(each for each in bench.path if each.startswith("firing")).startswith("firing@12")


def test_a_rule_may_change_from_the_air_to_the_buffer() -> None:
    versions = (Version(0, rule(metric="air_temperature", above=8.0)), Version(100 * MINUTE, rule(above=8.0)))
    evaluator = Evaluator(RuleSet.of([], [History("r", versions)]))
    slot = evaluator.bind(ROOM)
    for minute in range(200):
        evaluator.observe(slot, 9.0 if minute < 120 else 4.0, minute * MINUTE)
    assert [each.at_ms // MINUTE for each in evaluator.staged().transitions if each.after == "resolved"] == [145]


def test_the_name_says_what_it_follows() -> None:
    assert (measured("air_temperature_buffered"), measured("air_temperature")) == ("air_temperature", "")


SAMPLES = st.lists(
    st.tuples(st.integers(1, 14), st.one_of(st.floats(-30, 30), st.none())), min_size=1, max_size=60
)  # fmt: skip


def read(samples: list[tuple[int, float | None]], tau_ms: int) -> Level | None:
    """The buffer as one who reads the samples in order sees it."""
    level: Level | None = None
    for minute, value in samples:
        if value is not None:
            level = follow(level, minute * MINUTE, value, tau_ms)
    return level


def remembered(bench: DeviceBench) -> list[Any] | None:
    """The buffer as a rule keeps it."""
    rows = bench.restarted().saved["air_temperature"]
    found: list[Any] | None = rows.get("r", {}).get("memory", {}).get("buffer")
    return found


@settings(deadline=None, max_examples=100)
@given(SAMPLES, st.integers(0, 59))
def test_a_rule_and_a_reader_see_the_same_buffer_over_restarts_too(
    steps: list[tuple[int, float | None]], restart: int
) -> None:
    at, samples = 0, []
    for wait, value in steps:
        at += wait
        samples.append((at, value))
    bench = DeviceBench([rule(above=100.0)])
    for index, sample in enumerate(samples):
        bench.see(sample)
        if index == restart:
            bench = bench.restarted()
    wanted = read(samples, TAU_MS)
    assert remembered(bench) == (None if wanted is None else list(astuple(wanted)))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(-30, 30), min_size=60, max_size=120), st.integers(5, 40), st.integers(2, 15))
def test_a_backlog_brings_the_buffer_to_where_it_would_be(values: list[float], start: int, length: int) -> None:
    samples = [(minute, value) for minute, value in enumerate(values)]
    hole = samples[start : start + length]
    live = [each for each in samples if each not in hole]
    late = DeviceBench([rule(above=100.0)]).wait(0)
    for minute, value in live:
        late.see((minute, value)).wait(minute)
    late.see(*hole).wait(len(values) + 5)
    late.see((len(values) + 1, 0.0))
    plain = DeviceBench([rule(above=100.0)]).see(*samples, (len(values) + 1, 0.0))
    one, other = remembered(late), remembered(plain)
    assert one is not None
    assert other is not None
    assert one[2] == pytest.approx(other[2], abs=1e-9)
    assert one[3] == other[3]
