"""A rule that is changed while it counts: what it had counted by other keys is dropped, and nothing breaks."""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
import tomllib
from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest

from frostline_core.rules import Evaluator, Phase, Rule, Series, parse
from frostline_core.rules.kinds import KINDS

MINUTE = 60_000
SERIES = Series("site", "gw", "room", "cold_room", "", "m")
LEVEL = {"above": 8.0, "for": "10m"}
MORE = {"above": 9.0, "for": "10m", "mode": "cumulative"}


def rule(**keys: Any) -> Rule:
    return parse({"id": "r", "title": "R", "select": {"metric": "m"}, **keys}, "test")


def run(to_run: Rule, *values: float | None, start: int = 0, saved: Any = None) -> dict[str, Any]:
    """What SQL holds after a sample a minute, from what it held before."""
    evaluator = Evaluator([to_run])
    slot = evaluator.bind(SERIES, saved or {}, start - MINUTE if saved else -1)
    states = dict(saved or {})
    for index, value in enumerate(values):
        evaluator.advance(start + index * MINUTE)
        evaluator.observe(slot, value, start + index * MINUTE)
    states |= {name: content for name, _, content in evaluator.staged().states}
    return {name: content for name, content in states.items() if content is not None}


def example(kind: str) -> dict[str, Any]:
    text = inspect.getdoc(sys.modules[KINDS[kind].__module__]) or ""
    first = re.findall(r"( +\[\[rule\]\]\n(?: +.*\n)+)", text)[0]
    table: dict[str, Any] = tomllib.loads(textwrap.dedent(first))["rule"][0]
    return {**table, "id": "r", "select": {"metric": "m"}}


def test_a_level_more_breaks_nothing() -> None:
    saved = run(rule(type="levels", level=[LEVEL, MORE]), 5.0, 10.0, 10.0)
    after = run(rule(type="levels", level=[LEVEL]), 10.0, start=10 * MINUTE, saved=saved)
    assert after["r"]["memory"]["spent"] == [[10 * MINUTE, 0]]


def test_what_was_counted_stays_where_only_the_title_changes() -> None:
    saved = run(rule(type="levels", level=[LEVEL]), 5.0, 10.0, 10.0)
    after = run(rule(type="levels", level=[LEVEL], title="New"), 10.0, 10.0, start=3 * MINUTE, saved=saved)
    assert after["r"]["memory"]["spent"][0][0] == MINUTE


def test_what_an_exposure_has_counted_stays_where_more_is_allowed() -> None:
    keys = {"type": "exposure", "above": 8.0, "within": "1d"}
    saved = run(rule(**keys, allowed="10m"), *[10.0] * 6)
    after = run(rule(**keys, allowed="7m"), 10.0, 10.0, 10.0, start=6 * MINUTE, saved=saved)
    assert after["r"]["phase"] == Phase.FIRING


def test_what_an_exposure_has_counted_above_another_limit_is_dropped() -> None:
    keys = {"type": "exposure", "allowed": "7m", "within": "1d"}
    saved = run(rule(**keys, above=8.0), *[10.0] * 6)
    after = run(rule(**keys, above=9.0), 10.0, 10.0, 10.0, start=6 * MINUTE, saved=saved)
    assert after["r"]["phase"] == Phase.OK


def test_an_alert_that_is_open_stays_open_when_its_memory_is_dropped() -> None:
    saved = run(rule(type="levels", level=[{"above": 8.0}, MORE]), 10.0, 10.0)
    assert saved["r"]["phase"] == Phase.FIRING
    after = run(rule(type="levels", level=[{"above": 8.0}]), 10.0, start=2 * MINUTE, saved=saved)
    assert after["r"]["phase"] == Phase.FIRING


def test_states_of_an_earlier_release_are_taken_as_their_rules() -> None:
    saved = run(rule(type="levels", level=[LEVEL]), 5.0, 10.0, 10.0)
    del saved["r"]["of"]
    after = run(rule(type="levels", level=[LEVEL]), 10.0, 10.0, start=3 * MINUTE, saved=saved)
    assert after["r"]["memory"]["spent"][0][0] == MINUTE


def test_a_key_at_its_default_means_the_same_as_none() -> None:
    one = rule(type="levels", level=[LEVEL])
    other = rule(type="levels", level=[LEVEL], hysteresis=0.0)
    assert one.memory_key == other.memory_key != rule(type="levels", level=[LEVEL], hysteresis=0.5).memory_key


@pytest.mark.parametrize(("before", "after"), list(product(KINDS, KINDS)))
def test_a_rule_may_become_one_of_any_kind(before: str, after: str) -> None:
    values = [1.0, 20.0, 0.0, 20.0, None, 0.0, 1.0, 20.0, 20.0]
    saved: Mapping[str, Any] = run(parse(example(before), "test"), *values)
    run(parse(example(after), "test"), *values, start=len(values) * MINUTE, saved=saved)


def test_a_hole_of_the_rule_before_breaks_nothing() -> None:
    saved = run(rule(type="levels", level=[LEVEL, MORE]), 5.0, 10.0, 10.0)
    evaluator = Evaluator([rule(type="levels", level=[LEVEL, MORE])])
    slot = evaluator.bind(SERIES, saved, 2 * MINUTE)
    evaluator.observe(slot, 10.0, 30 * MINUTE)
    evaluator.observe(slot, 10.0, 10 * MINUTE)
    saved |= {name: content for name, _, content in evaluator.staged().states if content is not None}
    assert any("begun" in hole for hole in saved["~holes"]["holes"])
    changed = Evaluator([rule(type="levels", level=[LEVEL])])
    slot = changed.bind(SERIES, saved, 30 * MINUTE)
    changed.observe(slot, 10.0, 11 * MINUTE)
    for minute in range(31, 120, 5):
        changed.observe(slot, 10.0, minute * MINUTE)
        changed.advance(minute * MINUTE)
    assert changed.phases(slot) == {"r": Phase.FIRING}
