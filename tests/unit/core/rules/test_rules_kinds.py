"""What every kind must keep to: the same samples give the same alerts, and no data is not good news.

Tests that name a thread show that a fault which users of other systems report there cannot happen here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frostline_core.rules import OPEN, Phase, Track, Transition
from frostline_core.rules.backlog import ABANDON_MS, JOIN_MS
from frostline_core.rules.kinds import KINDS
from tests.unit.core.rules.every_kind import (
    CASES,
    CONDITIONS,
    METRICS,
    Sample,
    Walk,
    is_firing,
    phase,
    shared,
    step,
    steps,
)
from tests.unit.core.rules.rule_bench import MINUTE, DeviceBench, Seen, rule

WEEK = 7 * 24 * 60

every_kind = pytest.mark.parametrize("name", CASES)
every_condition = pytest.mark.parametrize("name", CONDITIONS)


def only_for(name: str, keys: dict[str, Any]) -> dict[str, Any]:
    """The keys that all conditions share are none of an absence."""
    return keys if name in CONDITIONS else {}


def test_every_kind_has_a_case() -> None:
    assert {case.type for case in CASES.values()} == set(KINDS)


# ---- no data ----
@every_kind
def test_grafana_105571_an_edge_that_goes_offline_resolves_nothing(name: str) -> None:
    found = CASES[name].fired()
    assert phase(found) is Phase.FIRING

    end = CASES[name].end
    found.wait(end + 60).wait(end + 24 * 60).wait(end + WEEK)

    assert phase(found) is Phase.FIRING
    assert found.notes[-1].startswith("no data")


@every_kind
def test_grafana_105571_nor_does_a_restart_meanwhile(name: str) -> None:
    end = CASES[name].end
    found = CASES[name].fired().wait(end + 60).restarted().wait(end + 61).wait(end + WEEK)

    assert phase(found) is Phase.FIRING


@every_kind
def test_prometheus_14085_a_flaky_node_is_one_incident(name: str) -> None:
    found, end = CASES[name].fired(), CASES[name].end
    for minute in range(1, 31):
        found.see((end + 20 + minute, None))

    opened = [each for each in found.transitions if each.after is Phase.FIRING is not each.before]
    assert len(opened) == 1
    assert len([note for note in found.notes if note.startswith("no data")]) == 1
    assert phase(found) is Phase.FIRING


@every_condition
def test_prometheus_17482_silence_makes_ok_unknown(name: str) -> None:
    found = CASES[name].feed(CASES[name].bench().wait(0), CASES[name].calm)
    assert phase(found) is Phase.OK

    found.wait(CASES[name].calm[-1][0] + 24 * 60)

    assert phase(found) is Phase.UNKNOWN


@pytest.mark.parametrize("name", [name for name in CONDITIONS if CASES[name].type != "levels"])
def test_grafana_39711_for_is_not_skipped_when_data_are_missing(name: str) -> None:
    found, end = CASES[name].fired(for_="3d"), CASES[name].end
    assert phase(found) is Phase.PENDING

    found.see((end + 1, None)).wait(end + WEEK)

    assert phase(found) is Phase.PENDING


@every_kind
@settings(max_examples=40, deadline=None)
@given(
    fires=st.booleans(),
    script=st.lists(step, max_size=12),
    keys=shared,
    silence=st.lists(st.sampled_from(["none", "clock", "restart"]), min_size=1, max_size=12),
)
def test_no_data_says_of_nothing_that_all_is_well(
    name: str, fires: bool, script: Walk, keys: dict[str, Any], silence: list[str]
) -> None:
    case = CASES[name]
    found = case.fired(**only_for(name, keys)) if fires else case.bench(**only_for(name, keys)).wait(0)
    now = case.end + case.clock if fires else 0.0
    for minute, metric, value in case.walk(script):
        found.wait(now + minute).see((now + minute, value), metric=metric)
    now, seen = now + minute, len(found.transitions)

    for event in silence:
        now += 7 * case.unit
        if event == "none":
            found.see((now, None))
        elif event == "clock":
            found.wait(now)
        else:
            found, seen = found.restarted().wait(now), 0

        assert {each.after for each in found.transitions[seen:]}.isdisjoint({Phase.OK, Phase.RESOLVED})


# ---- absence ----
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
    happened = [each for each in found.transitions if each.track is track and each.at_ms < round(until * MINUTE)]
    happened = [each for each in happened if each.before in OPEN or each.after in OPEN]
    return [(each.after.value, each.at_ms / MINUTE, each.value) for each in happened]


@every_condition
@settings(max_examples=40, deadline=None)
@given(script=steps, keys=shared)
def test_what_comes_late_is_told_as_it_would_have_been_live(name: str, script: Walk, keys: dict[str, Any]) -> None:
    case = CASES[name]
    seen, live, late = case.walk(script), case.bench(**keys), case.bench(**keys)
    end, first = seen[-1][0] + case.unit, 2 + max(1, len(case.before))
    known = {metric: value for _, metric, value in seen}  # what changes where the hole ends is live
    last: list[Seen] = [(end, "wanted", known["wanted"]), (end, "defrost_active", known["defrost_active"])]
    last.append((end, METRICS[0], 4.0))
    for minute, metric, value in (*seen, *last):
        live.see((minute, value), metric=metric)

    for minute, metric, value in (*seen[:first], *last, *seen[first:]):
        late.see((minute, value), metric=metric)
    late.wait(end).wait(end + ABANDON_MS / MINUTE + 1)

    begun = told(live, Track.LIVE, seen[first - 1][0] + 0.1)
    assert told(late, Track.BACKLOG, end) == told(live, Track.LIVE, end)[len(begun) :]


@every_condition
@settings(max_examples=25, deadline=None)
@given(script=steps, keys=shared, cut=st.integers(0, 60))
def test_a_restart_in_the_middle_of_a_backlog_changes_nothing(
    name: str, script: Walk, keys: dict[str, Any], cut: int
) -> None:
    case = CASES[name]
    seen, straight, restarted = case.walk(script), case.bench(**keys), case.bench(**keys)
    end, first = seen[-1][0] + case.unit, 2 + max(1, len(case.before))
    last: list[Seen] = [(end, metric, 4.0) for metric in reversed(METRICS)]
    before: list[Transition] = []
    for index, (minute, metric, value) in enumerate((*seen[:first], *last, *seen[first:])):
        straight.see((minute, value), metric=metric)
        restarted.see((minute, value), metric=metric)
        if index == first + len(last) + cut:
            before = list(restarted.transitions)
            restarted = restarted.restarted()
    for each in (straight, restarted):
        each.wait(end).wait(end + 2 * ABANDON_MS / MINUTE + 1)

    after = [each for each in restarted.transitions if each.after is not Phase.UNKNOWN]
    assert [*before, *after] == [
        each
        for index, each in enumerate(straight.transitions)
        if index < len(before) or each.after is not Phase.UNKNOWN
    ]


@every_condition
def test_live_samples_that_say_nothing_end_nothing_that_a_backlog_has_found(name: str) -> None:
    case = CASES[name]
    late = [(minute + 1, value) for minute, value in case.fires]
    found, end = case.bench(), case.end + 2
    for metric, first in zip(METRICS, (4.0, case.flag, 4.0), strict=True):
        found.see((0, first), metric=metric)
    found.see((end, None)).see((end + 0.1, None))

    for minute, value in late:
        found.see((minute, 4.0), metric="wanted").see((minute, case.flag), metric="defrost_active")
        found.see((minute, value))
    found.wait(end).wait(end + ABANDON_MS / MINUTE + 1)

    assert phase(found) is Phase.FIRING


def test_what_comes_late_is_no_silence_of_now() -> None:
    late = DeviceBench([rule("absence", max_silence="10m")], METRICS).wait(0).see((0, 4.0)).wait(1)

    late.see((9, 4.0)).wait(9).see((1, 4.0), (2, None), (8, 4.0)).wait(9 + ABANDON_MS / MINUTE)

    assert late.path == ["firing@19"]


@every_kind
@settings(max_examples=25, deadline=None)
@given(script=steps, keys=shared)
def test_what_is_sent_twice_changes_nothing(name: str, script: Walk, keys: dict[str, Any]) -> None:
    once, twice = (CASES[name].bench(**only_for(name, keys)) for _ in range(2))
    seen = CASES[name].walk(script)
    for minute, metric, value in seen:
        once.wait(minute).see((minute, value), metric=metric)
        twice.wait(minute).see((minute, value), (minute, value), metric=metric)
    for minute, metric, value in seen:
        twice.see((minute, value), metric=metric)

    assert twice.transitions == once.transitions


@every_kind
@settings(max_examples=25, deadline=None)
@given(script=steps, keys=shared, cut=st.integers(0, 60))
def test_a_restart_changes_nothing(name: str, script: Walk, keys: dict[str, Any], cut: int) -> None:
    straight, restarted = (CASES[name].bench(**only_for(name, keys)) for _ in range(2))
    before: list[Transition] = []
    seen = CASES[name].walk(script)
    for index, (minute, metric, value) in enumerate(seen):
        straight.see((minute, value), metric=metric)
        restarted.see((minute, value), metric=metric)
        if index == max(0, len(seen) - len(script)) + cut:
            before = list(restarted.transitions)
            restarted = restarted.restarted()

    assert (*before, *restarted.transitions) == straight.transitions


@every_condition
@settings(max_examples=25, deadline=None)
@given(script=steps, keys=shared, cut=st.integers(0, 60), delay=st.sampled_from([0.0, 0.01, 0.03]))
def test_the_clock_and_a_restart_under_it_change_no_incident(
    name: str, script: Walk, keys: dict[str, Any], cut: int, delay: float
) -> None:
    case = CASES[name]
    replayed, live = case.bench(**keys), case.bench(**keys).wait(0)
    before: list[Transition] = []
    seen = case.walk(script)
    for index, (minute, metric, value) in enumerate(seen):
        replayed.see((minute, value), metric=metric)
        live.wait(minute + delay).see((minute, value), metric=metric)
        if index == len(seen) - len(script) + cut:
            before = list(live.transitions)
            live = live.restarted().wait(minute + delay)

    last_ms = replayed.evaluator.last_ms[0]  # what follows from time alone after it, only the clock can tell
    assert incidents([*before, *live.transitions], last_ms) == incidents(replayed.transitions, last_ms)


def incidents(transitions: Sequence[Transition], until_ms: int) -> list[Transition]:
    """Without the notes of missing data, which only the clock can give in time."""
    known = [
        replace(each, before=Phase.OK if each.before is Phase.UNKNOWN else each.before)
        for each in transitions
        if each.after is not Phase.UNKNOWN and each.at_ms <= until_ms
    ]
    return [each for each in known if each.before is not each.after or each.note in ("worse", "escalated")]


def counted(found: DeviceBench) -> object:
    """What a rule that counts remembers, and whether its incident is open."""
    saved = {name: content for name, _, content in found.evaluator.staged().states if content is not None}
    return saved.get("r", {}).get("memory"), is_firing(found)


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
@settings(max_examples=60, deadline=None)
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
        for wait, value in part:
            now += wait
            parts[-1].append((now, value))
    first, late, rest = parts
    straight = CASES[name].bench().see(*first, *late, *rest)
    joined = CASES[name].bench().see(*first, rest[0], *late, *rest[1:])

    joined.wait(now).wait(now + JOIN_MS / MINUTE + 0.01)
    for each in (straight, joined):
        each.see((now + 0.55, 9.0), (now + 0.9, 4.0))

    assert counted(joined) == counted(straight)
