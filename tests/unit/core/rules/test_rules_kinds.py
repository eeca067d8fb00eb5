"""What every kind must keep to: the same samples give the same alerts, and no data is not good news.

Tests that name a thread show that a fault which users of other systems report there cannot happen here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frostline_core.rules import OPEN, Phase, Track
from frostline_core.rules.backlog import ABANDON_MS, JOIN_MS
from tests.unit.core.rules.rule_bench import MINUTE, DeviceBench, rule

METRICS = ("air_temperature", "defrost_active", "wanted")
KINDS: dict[str, dict[str, Any]] = {
    "threshold": {"type": "threshold", "above": 8.0, "hysteresis": 1.0},
    "levels": {
        "type": "levels",
        "hysteresis": 0.2,
        "level": [
            {"above": 6.0, "for": "4m"},
            {"above": 8.0, "for": "6m", "mode": "cumulative", "within": "30m", "severity": "critical"},
            {"below": 2.0, "for": "5m", "mode": "cumulative", "severity": "critical"},
        ],
    },
    "setpoint": {"type": "setpoint", "setpoint": "wanted", "above": 4.0, "settle": "2m"},
    "change": {"type": "change", "is_not": [4.0, 5.0]},
    "change_times": {"type": "change", "times": 2, "within": "30m"},
    "stuck": {"type": "stuck", "unchanged_for": "20m"},
    "rate": {"type": "rate", "above": 12.0, "window": "8m", "max_gap": "3m"},
    "breach": {"type": "breach", "above": 8.0, "within": "20m", "window": "8m", "max_gap": "3m"},
}
FIRING: dict[str, Sequence[tuple[float, float]]] = {
    "threshold": [(minute, 9.0) for minute in range(30)],
    "levels": [(minute, 9.0) for minute in range(30)],
    "setpoint": [(minute, 9.0) for minute in range(30)],
    "change": [(minute, 9.0) for minute in range(30)],
    "change_times": [(minute, 4.0 + minute % 2) for minute in range(30)],
    "stuck": [(minute, 4.0) for minute in range(30)],
    "rate": [(minute, 4.0 + minute) for minute in range(30)],
    "breach": [(minute, 4.0 + minute * 0.1) for minute in range(30)],
}
"""Samples after which each of them fires."""

every_kind = pytest.mark.parametrize("name", KINDS)


def bench(name: str, **keys: Any) -> DeviceBench:
    table = {**KINDS[name], **keys}
    if name == "levels":  # each level has its own time
        table.pop("for", None)
    return DeviceBench([rule(table.pop("type"), **table)], METRICS)


def feed(found: DeviceBench, samples: Sequence[tuple[float, float | None]]) -> DeviceBench:
    """Samples of the metric, and of its set-point."""
    for minute, value in samples:
        found.see((minute, 4.0), metric="wanted").see((minute, value))
    return found


def phase(found: DeviceBench) -> Phase:
    return found.evaluator.phases(0)["r"]


Sample = tuple[float, float | None]
"""(minutes, value)."""


# ---- no data ----
@every_kind
def test_grafana_105571_an_edge_that_goes_offline_resolves_nothing(name: str) -> None:
    found = feed(bench(name).wait(0), FIRING[name])
    assert phase(found) is Phase.FIRING

    found.wait(60).wait(24 * 60).wait(7 * 24 * 60)

    assert phase(found) is Phase.FIRING
    assert found.notes[-1] == "no data"


@every_kind
def test_grafana_105571_nor_does_a_restart_meanwhile(name: str) -> None:
    found = feed(bench(name).wait(0), FIRING[name]).wait(60).restarted().wait(61).wait(24 * 60)

    assert phase(found) is Phase.FIRING


@every_kind
def test_prometheus_14085_a_flaky_node_is_one_incident(name: str) -> None:
    found = feed(bench(name), FIRING[name])
    for minute in range(30, 60):
        found.see((minute, None))

    opened = [each for each in found.transitions if each.after is Phase.FIRING is not each.before]
    assert len(opened) == 1
    assert found.notes.count("no data") == 1
    assert phase(found) is Phase.FIRING


@every_kind
def test_prometheus_17482_silence_makes_ok_unknown(name: str) -> None:
    found = bench(name).wait(0)
    for index in range(40):
        feed(found, [(index, 4.0 if name.startswith("change") else 4.0 + (index % 7) * 0.001)])
    assert phase(found) is Phase.OK

    found.wait(24 * 60)

    assert phase(found) is Phase.UNKNOWN


@pytest.mark.parametrize("name", [name for name in KINDS if name != "levels"])
def test_grafana_39711_for_is_not_skipped_when_data_are_missing(name: str) -> None:
    found = feed(bench(name, for_="1d").wait(0), FIRING[name])
    assert phase(found) is Phase.PENDING

    found.see((30, None)).wait(3 * 24 * 60)

    assert phase(found) is Phase.PENDING


def test_thingsboard_6821_silence_is_noticed_in_time_without_any_traffic() -> None:
    silent = DeviceBench([rule("absence", max_silence="10m")], METRICS).wait(0).see((1, 4.0))

    for second in range(60, 1200, 10):
        silent.wait(second / 60)
        if silent.path:
            break

    assert silent.path == ["firing@11"]
    assert second <= 11 * 60 + 30


def test_thingsboard_7909_a_sample_that_races_the_timer_decides_by_its_own_time() -> None:
    silent = DeviceBench([rule("absence", max_silence="10m")], METRICS).wait(0).see((1, 4.0))

    silent.wait(11.01).see((10.9, 4.0)).wait(11.1)

    assert silent.path == []


def test_thingsboard_12771_the_end_of_a_silence_is_told_once() -> None:
    silent = DeviceBench([rule("absence", max_silence="10m")], METRICS).wait(0).see((1, 4.0)).wait(30)

    silent.see((31, 4.0), (32, 4.0)).wait(33)

    assert silent.path == ["firing@11", "resolved@31"]


# ---- the same samples ----
def told(found: DeviceBench, track: Track, until: float) -> list[tuple[str, float, float | None]]:
    """What became of incidents on a track; that ok was unknown meanwhile is not one."""
    steps = [each for each in found.transitions if each.track is track and each.at_ms < round(until * MINUTE)]
    steps = [each for each in steps if each.before in OPEN or each.after in OPEN]
    return [(each.after.value, each.at_ms / MINUTE, each.value) for each in steps]


samples = st.lists(
    st.tuples(
        st.sampled_from([0.3, 0.5, 1, 1, 2, 5, 12]),
        st.sampled_from([-4.0, -0.5, -0.1, 0.0, 0.0, 0.1, 0.5, 0.5, 4.0, None, "defrost", "wanted"]),
    ),
    min_size=2,
    max_size=60,
)
shared = st.sampled_from([{}, {"for": "2m", "clear_for": "3m"}, {"suppress_while": ["defrost_active"], "grace": "2m"}])


def walk(script: list[tuple[float, float | str | None]]) -> list[tuple[float, str, float | None]]:
    now, value, flag = 0.0, 4.0, 0.0
    seen: list[tuple[float, str, float | None]] = [(0.0, "wanted", 4.0), (0.0, "defrost_active", flag)]
    seen.append((0.0, "air_temperature", value))
    for step, move in script:
        now += step
        if move == "wanted":
            seen.append((now, "wanted", now % 3))
        elif isinstance(move, str):
            flag = 1.0 - flag
            seen.append((now, "defrost_active", flag))
        else:
            value += move or 0.0
            seen.append((now, "air_temperature", None if move is None else value))
    return seen


@every_kind
@settings(max_examples=40)
@given(script=samples, keys=shared)
def test_what_comes_late_is_told_as_it_would_have_been_live(
    name: str, script: list[tuple[float, float | str | None]], keys: dict[str, Any]
) -> None:
    seen, live, late = walk(script), bench(name, **keys), bench(name, **keys)
    end = seen[-1][0] + 1
    last: list[tuple[float, str, float | None]] = [(end, metric, 4.0) for metric in reversed(METRICS)]
    for minute, metric, value in (*seen, *last):
        live.see((minute, value), metric=metric)

    for minute, metric, value in (*seen[:3], *last, *seen[3:]):
        late.see((minute, value), metric=metric)
    late.wait(end).wait(end + ABANDON_MS / MINUTE + 1)

    begun = told(live, Track.LIVE, 0.1)
    assert told(late, Track.BACKLOG, end) == told(live, Track.LIVE, end)[len(begun) :]


@every_kind
@settings(max_examples=25)
@given(script=samples, keys=shared)
def test_what_is_sent_twice_changes_nothing(
    name: str, script: list[tuple[float, float | str | None]], keys: dict[str, Any]
) -> None:
    once, twice = bench(name, **keys), bench(name, **keys)
    for minute, metric, value in walk(script):
        once.see((minute, value), metric=metric)
        twice.see((minute, value), (minute, value), metric=metric)

    assert twice.transitions == once.transitions


@every_kind
@settings(max_examples=25)
@given(script=samples, keys=shared, cut=st.integers(0, 60))
def test_a_restart_changes_nothing(
    name: str, script: list[tuple[float, float | str | None]], keys: dict[str, Any], cut: int
) -> None:
    straight, restarted, before = bench(name, **keys), bench(name, **keys), []
    for index, (minute, metric, value) in enumerate(walk(script)):
        straight.see((minute, value), metric=metric)
        restarted.see((minute, value), metric=metric)
        if index == cut:
            before = list(restarted.transitions)
            restarted = restarted.restarted()

    assert (*before, *restarted.transitions) == straight.transitions


def counted(found: DeviceBench) -> object:
    """What a rule that counts remembers, and whether its incident is open."""
    saved = {name: content for name, _, content in found.evaluator.staged().states if content is not None}
    return saved.get("r", {}).get("memory"), phase(found) in (Phase.FIRING, Phase.CLEARING)


dense = st.lists(
    st.tuples(st.sampled_from([0.2, 0.3, 0.45]), st.sampled_from([1.0, 4.0, 4.0, 4.5, 7.0, 7.0, 9.0, 9.0])),
    min_size=1,
    max_size=30,
)
sparse = st.lists(
    st.tuples(st.sampled_from([0.6, 1, 1, 2, 4]), st.sampled_from([1.0, 4.0, 4.0, 4.5, 7.0, 9.0, 9.0, None])),
    min_size=1,
    max_size=15,
)


@pytest.mark.parametrize("name", ["levels", "change_times"])
@settings(max_examples=60)
@given(before=dense, hole=sparse, live=dense)
def test_what_a_backlog_counts_is_as_if_it_had_come_in_order(
    name: str,
    before: list[tuple[float, float]],
    hole: list[tuple[float, float | None]],
    live: list[tuple[float, float]],
) -> None:
    now = 0.0
    parts: list[list[Sample]] = []
    for part in (before, hole, live):
        parts.append([])
        for step, value in part:
            now += step
            parts[-1].append((now, value))
    first, late, rest = parts
    straight, joined = bench(name).see(*first, *late, *rest), bench(name).see(*first, rest[0], *late, *rest[1:])

    joined.wait(now).wait(now + JOIN_MS / MINUTE + 0.01)
    for each in (straight, joined):
        each.see((now + 0.55, 9.0), (now + 0.9, 4.0))

    assert counted(joined) == counted(straight)
