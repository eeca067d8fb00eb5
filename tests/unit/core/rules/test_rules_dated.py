"""A rule with versions: each judges the samples that were measured in its time, live, late or after a restart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frostline_core.rules import NEVER, Evaluator, History, Rule, RuleSet, Series, Track, Transition, history, parse
from frostline_core.rules.dated import NO_RULE, Version

MINUTE = 60_000
SERIES = Series("site", "gw", "room", "cold_room", "", "air_temperature")
T = 60  # minutes: when the second version begins


def rule(above: float = 8.0, **keys: Any) -> Rule:
    table = {"id": "warm", "type": "threshold", "title": "R", "above": above, "select": {"metric": "air_temperature"}}
    return parse({**table, **keys}, "test")


def dated(*versions: tuple[int, Rule | None]) -> RuleSet:
    """The same rule in versions, each from a minute on."""
    return RuleSet.of([], [History("warm", tuple(Version(minute * MINUTE, each) for minute, each in versions))])


class Room:
    """One series under a rule with versions."""

    def __init__(self, rules: RuleSet, states: dict[str, Any] | None = None, last_ms: int = NEVER) -> None:
        self.rules, self.states = rules, dict(states or {})
        self.evaluator = Evaluator(rules, lateness_ms=0)
        self.slot = self.evaluator.bind(SERIES, self.states, last_ms)
        self.told: list[Transition] = []
        self.clock(0)

    def see(self, *samples: tuple[float, float | None]) -> Room:
        for minute, value in samples:
            at_ms = round(minute * MINUTE)
            evaluator, slot = self.evaluator, self.slot
            low, high = evaluator.low[slot], evaluator.high[slot]
            inside = value is not None and low <= value <= high
            if inside and at_ms - 30_000 < evaluator.last_ms[slot] < at_ms < evaluator.deadline_ms[slot]:
                evaluator.last_ms[slot] = at_ms
            else:
                evaluator.observe(slot, value, at_ms)
        return self._keep()

    def clock(self, minute: float) -> Room:
        self.evaluator.advance(round(minute * MINUTE))
        return self._keep()

    def restarted(self) -> Room:
        again = Room(self.rules, self.states, self.evaluator.last_ms[self.slot])
        again.told = self.told
        return again

    def _keep(self) -> Room:
        staged = self.evaluator.staged()
        self.told += staged.transitions
        for name, _, content in staged.states:
            self.states.pop(name, None)
            if content is not None:
                self.states[name] = content
        self.evaluator.settle()
        return self

    @property
    def path(self) -> list[str]:
        return [f"{each.at_ms // MINUTE} {each.after.value}" for each in self.told]


def test_a_sample_is_judged_by_the_version_of_its_time() -> None:
    room = Room(dated((0, rule(8.0)), (T, rule(5.0)))).see((T - 1, 6.0), (T, 6.0))
    assert room.path == ["60 firing"]


def test_before_the_first_version_nothing_is_judged() -> None:
    assert Room(dated((T, rule()))).see((1, 20.0), (T - 1, 20.0)).clock(T + 20).path == []


def test_the_first_version_begins_with_its_first_sample() -> None:
    assert Room(dated((T, rule()))).see((T - 1, 20.0), (T + 1, 20.0)).path == ["61 firing"]


def test_what_is_open_goes_on_under_a_stricter_version() -> None:
    room = Room(dated((0, rule(8.0)), (T, rule(5.0)))).see((T - 2, 9.0), (T + 1, 6.0), (T + 2, 4.0))
    assert room.path == ["58 firing", "62 resolved"]


def test_a_looser_version_ends_what_is_open_with_its_first_sample_in_range() -> None:
    room = Room(dated((0, rule(5.0)), (T, rule(8.0)))).see((T - 2, 6.0), (T - 1, 6.0), (T + 1, 6.0))
    assert room.path == ["58 firing", "61 resolved"]


def test_what_follows_from_a_sample_follows_from_its_version() -> None:
    rules = dated((0, rule(8.0, **{"for": "5m"})), (T, rule(8.0, **{"for": "20m"})))
    assert Room(rules).see((T - 2, 9.0)).clock(T + 7).path == ["58 pending", "63 firing"]
    late = Room(rules).see((T - 2, 9.0), (T + 5, 9.0))
    assert late.path == ["58 pending", "63 firing"]


def test_what_is_open_resolves_when_no_version_follows() -> None:
    room = Room(dated((0, rule()), (T, None))).see((T - 1, 9.0)).clock(T + 1)
    assert room.path == ["59 firing", "60 resolved"]
    assert room.told[-1].note == NO_RULE
    assert room.see((T + 2, 9.0)).clock(T + 60).path == ["59 firing", "60 resolved"]


def test_samples_alone_resolve_it_too_without_the_clock() -> None:
    room = Room(dated((0, rule()), (T, None))).see((T - 1, 9.0), (T + 3, 9.0))
    assert room.path == ["59 firing", "60 resolved"]


def test_after_a_time_without_a_rule_it_begins_anew() -> None:
    room = Room(dated((0, rule()), (T, None), (T + 30, rule()))).see((T - 1, 9.0), (T + 10, 9.0), (T + 31, 9.0))
    assert room.path == ["59 firing", "60 resolved", "91 firing"]


def test_a_version_that_does_not_select_the_series_is_none() -> None:
    elsewhere = rule(select={"metric": "air_temperature", "zone": "other"})
    room = Room(dated((0, rule()), (T, elsewhere))).see((T - 1, 9.0)).clock(T + 1)
    assert room.path == ["59 firing", "60 resolved"]


def test_a_rule_of_which_no_version_selects_the_series_costs_nothing() -> None:
    elsewhere = rule(select={"metric": "air_temperature", "zone": "other"})
    assert Room(dated((0, elsewhere), (T, elsewhere))).evaluator.phases(0) == {}


def test_a_late_sample_is_judged_by_the_version_of_its_time() -> None:
    rules = dated((0, rule(8.0)), (T, rule(5.0)))
    late = [(minute, 6.0) for minute in range(2, T + 30, 4)]
    room = Room(rules).see((1, 4.0), (T + 30, 4.0)).clock(T + 30).see(*late).clock(T + 40)
    found = [(each.at_ms // MINUTE, each.after.value) for each in room.told if each.track is Track.BACKLOG]
    assert found == [(62, "firing"), (T + 30, "resolved")]


def test_counts_go_on_where_they_mean_the_same() -> None:
    def exposure(allowed: str, above: float = 8.0) -> Rule:
        keys = {"id": "warm", "type": "exposure", "title": "R", "select": {"metric": "air_temperature"}}
        return parse({**keys, "above": above, "within": "1d", "allowed": allowed}, "test")

    samples = [(minute, 9.0) for minute in range(T - 10, T + 10)]
    more = Room(dated((0, exposure("1h")), (T, exposure("12m")))).see(*samples)
    other = Room(dated((0, exposure("1h")), (T, exposure("12m", above=7.0)))).see(*samples)
    assert more.path == ["62 firing"]
    assert other.path == []


@pytest.mark.parametrize("minutes", [(10, 20), (10, 70), (70, 80)], ids=["before", "over", "after"])
def test_a_hole_beside_or_over_a_change_counts_without_fault(minutes: tuple[int, int]) -> None:
    def levels(*levels: dict[str, Any]) -> Rule:
        keys = {"id": "warm", "type": "levels", "title": "R", "select": {"metric": "air_temperature"}}
        return parse({**keys, "level": list(levels)}, "test")

    one, other = {"above": 8.0, "for": "5m"}, {"above": 7.0, "for": "1h", "mode": "cumulative"}
    rules = dated((0, levels(one)), (T, levels(one, other)))
    room = Room(rules).see((minutes[0], 9.0), (minutes[1], 9.0), (minutes[1] + 30, 9.0)).clock(minutes[1] + 30)
    room.see(*((minute, 9.0) for minute in range(minutes[0] + 1, minutes[1], 2))).clock(minutes[1] + 40)
    memory = room.restarted().see((minutes[1] + 50, 9.0)).states["warm"]["memory"]
    assert len(memory["spent"]) == (1 if minutes[1] + 50 < T else 2)


VALUES = st.lists(st.sampled_from([4.0, 6.0, 9.0, None]), min_size=4, max_size=30)


@settings(deadline=None, max_examples=60)
@given(VALUES, st.integers(0, 29), st.sampled_from(["0s", "3m"]))
def test_a_restart_changes_nothing(values: Sequence[float | None], at: int, for_: str) -> None:
    rules = dated((5, rule(8.0, **{"for": for_})), (12, rule(5.0, clear_for="2m")), (20, None), (24, rule()))
    steady, shaken = Room(rules), Room(rules)
    for minute, value in enumerate(values):
        steady.see((minute, value)).clock(minute)
        if minute == at:
            shaken = shaken.restarted()
        shaken.see((minute, value)).clock(minute)
    assert shaken.path == steady.path


@settings(deadline=None, max_examples=60)
@given(VALUES)
def test_the_clock_and_the_samples_tell_the_same(values: Sequence[float | None]) -> None:
    rules = dated((5, rule(8.0, **{"for": "3m"})), (12, rule(5.0, clear_for="2m")), (20, None), (24, rule()))
    samples = [(minute * 2.0, value) for minute, value in enumerate(values)]
    alone = Room(rules).see(*samples)
    ticking = Room(rules)
    for minute, value in samples:
        ticking.clock(minute - 0.01).see((minute, value))
    assert [line for line in alone.path if "unknown" not in line] == [
        line for line in ticking.path if "unknown" not in line
    ]


def test_the_version_of_a_set_changes_with_what_is_to_come() -> None:
    one = rule()
    assert len({RuleSet.of([one]).version, dated((T, one)).version, dated((T + 1, one)).version}) == 3


@pytest.mark.parametrize(
    ("spans", "wanted"),
    [
        ([(0, None)], None),
        ([(0, 10), (10, None)], None),
        ([(200, None)], [200]),
        ([(0, 200), (200, None)], [0, 200]),
        ([(0, 150), (200, None)], [0, 150, 200]),
        ([(0, 50), (50, 200), (200, None)], [50, 200]),
        ([(300, 300), (0, None)], None),
    ],
)
def test_what_ended_long_ago_is_no_part_of_a_history(
    spans: list[tuple[int, int | None]], wanted: list[int] | None
) -> None:
    found = history([(from_ms, to_ms, rule()) for from_ms, to_ms in spans], since_ms=100)
    assert (None if found is None else [each.from_ms for each in found.versions]) == wanted
