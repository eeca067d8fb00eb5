"""Numbers from outside that rules must reproduce, where the kind's own tests do not name them.

The others: the mean kinetic temperature in `test_rules_mkt.py`, the virtual buffer in `test_rules_buffered.py`, loggers
in `test_rules_levels.py`.
"""

from __future__ import annotations

import pytest

from frostline_core.rules import Phase
from frostline_core.rules.kinds.mkt import LONGEST_MS, Mkt, mean
from tests.unit.core.rules.rule_bench import MINUTE, DeviceBench, rule

HOUR, DAY = 60, 1440


def mkt(**keys: object) -> Mkt:
    found = rule("mkt", above=8.0, within="24h", **keys)
    assert isinstance(found, Mkt)
    return found


def filled(tried: Mkt, *spans: tuple[int, float]) -> DeviceBench:
    """A device on which each of these values lasted for so many minutes."""
    bench, now = DeviceBench([tried]), 0
    for minutes, value in spans:
        bench.see(*((float(minute), value) for minute in range(now, now + minutes, 5)))
        now += minutes
    return bench.see((float(now), spans[-1][1]))


def test_usp_1079_2_the_mean_that_hides_frost_is_3_9878_and_is_not_judged() -> None:
    """20 hours at 5 degrees and 4 at -5: a mean far below 8, of a product that is frozen."""
    tried = mkt()
    assert mean((20 * tried.rate(5.0) + 4 * tried.rate(-5.0)) / 24) == pytest.approx(3.9878, abs=0.00005)

    bench = filled(tried, (20 * HOUR, 5.0), (4 * HOUR, -5.0))

    assert bench.evaluator.phases(0) == {"r": Phase.UNKNOWN}
    assert bench.notes[-1] == "not judged: -5 was in the window"


@pytest.mark.parametrize(("spans", "low"), [([(20, 5.0), (4, -5.0)], -5.0), ([(23, 5.0), (1, 0.0)], 0.0)])
def test_usp_1079_2_a_mean_of_frost_is_never_told(spans: list[tuple[int, float]], low: float) -> None:
    bench = filled(mkt(), *((hours * HOUR, value) for hours, value in spans))

    assert {each.after for each in bench.transitions} <= {Phase.UNKNOWN, Phase.OK}
    assert bench.notes[-1] == f"not judged: {low:g} was in the window"


def test_usp_1079_2_the_longest_window_is_30_days() -> None:
    assert LONGEST_MS == 30 * DAY * MINUTE


def test_a_controlant_logger_ignores_its_first_10_minutes_and_a_rule_does_in_a_pause() -> None:
    """A probe that is put elsewhere: nothing opens for ten minutes, what lasts opens then, a hard limit at once."""
    paths = []
    for values in ([20.0] * 12, [20.0] * 9 + [5.0] * 3, [20.0, 20.0, 31.0]):
        probe = DeviceBench([rule("threshold", above=8.0, hard_limit={"above": 30.0})])
        probe.evaluator.pause(lambda _: [(0, 10 * MINUTE)])
        paths.append(probe.see(*((float(minute), value) for minute, value in enumerate(values))).path)

    assert paths == [["firing@10"], [], ["firing@2"]]


def test_a_controlant_logger_has_18_boundaries_and_so_has_a_rule() -> None:
    six = [{"above": 8.0 + each} for each in range(6)] + [{"below": 2.0 - each} for each in range(6)]
    bands = [{"above": 20.0 + each, "below": -10.0} for each in range(6)]

    assert len(rule("levels", level=six + bands).level) == 18  # type: ignore[attr-defined]
