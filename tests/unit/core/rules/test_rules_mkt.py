"""The mean kinetic temperature of a window."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_core.errors import ConfigError
from frostline_core.rules import Phase
from frostline_core.rules.backlog import JOIN_MS
from frostline_core.rules.kinds.mkt import ACTIVATION_K
from tests.unit.core.rules.rule_bench import MINUTE, DeviceBench, guarded_and_exact, in_two_lanes, rule, timed

HOUR, DAY = 60, 1440
METRICS = ("air_temperature", "defrost_active")


def mkt(**keys: object) -> DeviceBench:
    return DeviceBench([rule("mkt", **{"above": 8.0, **keys})])


def steady(bench: DeviceBench, start: float, stop: float, value: float, step: float = 10) -> DeviceBench:
    """Samples from start up to, not including, stop."""
    minute = start
    while minute < stop:
        bench.see((minute, value))
        minute += step
    return bench


def measured(within: str, *spans: tuple[int, float]) -> DeviceBench:
    """A window filled by spans of (minutes, value), under a rule that fires whatever it finds."""
    bench, start = mkt(above=0.1, within=within, coverage=1.0), 0
    for minutes, value in spans:
        steady(bench, start, start + minutes, value)
        start += minutes
    return bench.see((start, spans[-1][1]))


@pytest.mark.parametrize(
    ("within", "spans", "found"),
    [
        ("24h", [(24 * HOUR, 5)], 5.0000),
        ("24h", [(23 * HOUR, 5), (HOUR, 15)], 5.7635),
        ("24h", [(22 * HOUR, 5), (2 * HOUR, 20)], 7.8564),
        ("24h", [(18 * HOUR, 5), (6 * HOUR, 14)], 8.2852),
        ("24h", [(12 * HOUR, 4), (12 * HOUR, 10)], 7.5289),
        ("30d", [(29 * DAY, 22), (DAY, 30)], 22.4104),
        ("30d", [(29 * DAY, 24), (DAY, 40)], 25.2602),
    ],
)
def test_golden(within: str, spans: list[tuple[int, float]], found: float) -> None:
    (_, fired) = measured(within, *spans).transitions

    assert fired.value == pytest.approx(found, abs=0.00005)
    assert fired.facts["highest"] == max(value for _, value in spans)


@pytest.mark.parametrize(("spans", "fires"), [([(18, 5.0), (6, 14.0)], True), ([(12, 4.0), (12, 10.0)], False)])
def test_a_cold_product_above_8_fires(spans: list[tuple[int, float]], fires: bool) -> None:
    bench, start = mkt(), 0
    for hours, value in spans:
        steady(bench, start, start + hours * HOUR, value)
        start += hours * HOUR

    assert any(each.after is Phase.FIRING for each in bench.see((start, spans[-1][1])).transitions) is fires


def test_a_room_product_above_25_fires() -> None:
    bench = steady(mkt(above=25.0, within="30d"), 0, 29 * DAY, 24.0)

    assert steady(bench, 29 * DAY, 30 * DAY + 1, 40.0).transitions[-1].after is Phase.FIRING


def test_a_frozen_product_is_not_judged_though_the_mean_looks_fine() -> None:
    """20 hours at 5 and 4 at -5 have a mean of 3.99."""
    bench = steady(steady(mkt(), 0, 20 * HOUR, 5.0), 20 * HOUR, 24 * HOUR + 1, -5.0)

    assert bench.transitions[-1].after is Phase.UNKNOWN
    assert bench.notes[-1] == "not judged: -5 was in the window"


def test_it_is_judged_again_when_the_freezing_has_left_the_window() -> None:
    bench = steady(steady(mkt(), 0, 30 * HOUR, 5.0), 30 * HOUR, 31 * HOUR, -5.0)

    path = steady(bench, 31 * HOUR, 60 * HOUR, 5.0).path
    assert path[-2:] == [f"unknown@{30 * HOUR}", f"ok@{55 * HOUR}"]


def test_one_sample_of_frost_is_enough() -> None:
    bench = steady(mkt(tolerance=1.0), 0, 30 * HOUR, 0.5).see((30 * HOUR, 0.0))

    assert bench.path[-1] == f"unknown@{30 * HOUR}"


def test_frost_while_it_fires_keeps_it_firing() -> None:
    bench = steady(steady(mkt(), 0, 24 * HOUR, 9.0), 24 * HOUR, 26 * HOUR, -1.0)

    assert steady(bench, 26 * HOUR, 40 * HOUR, 3.0).transitions[-1].after is Phase.FIRING
    assert bench.notes[-1] == "not judged: -1 was in the window"


def test_less_than_most_of_the_window_is_unknown() -> None:
    bench = steady(mkt(), 0, 10 * HOUR, 9.0)

    assert (bench.path, bench.notes) == (["unknown@0"], ["0s of 1d were measured"])


def test_a_gap_is_no_temperature() -> None:
    """Hours that were not measured count neither as warm nor as cold."""
    bench = steady(steady(mkt(above=0.1, coverage=0.5), 0, 12 * HOUR, 4.0), 18 * HOUR, 24 * HOUR, 10.0)
    parts = bench.see((24 * HOUR, 5.0)).restarted().memory["parts"]

    assert sum(part[1] for part in parts) == 18 * HOUR * MINUTE


def test_irregular_samples_weigh_as_long_as_they_last() -> None:
    bench = mkt(above=0.1, coverage=1.0, max_gap="12h").see((0, 4.0), (12 * HOUR, 10.0), (24 * HOUR, 4.0))

    assert bench.transitions[-1].value == pytest.approx(7.5289, abs=0.00005)


def test_a_window_of_more_than_30_days_is_refused() -> None:
    with pytest.raises(ConfigError, match="within"):
        mkt(within="31d")


def test_a_limit_for_frozen_goods_is_refused() -> None:
    with pytest.raises(ConfigError, match="freezing"):
        mkt(above=-18.0)


def test_a_backlog_is_part_of_the_mean() -> None:
    bench = steady(steady(mkt(above=0.1, coverage=1.0), 0, 18 * HOUR, 5.0), 24 * HOUR - 10, 24 * HOUR, 14.0)
    steady(bench, 18 * HOUR, 24 * HOUR - 10, 14.0)
    bench.wait(24 * HOUR).wait(24 * HOUR + JOIN_MS / MINUTE).see((24 * HOUR, 14.0))

    assert bench.transitions[-1].value == pytest.approx(8.2852, abs=0.00005)


values = st.floats(0.5, 40.0).map(lambda value: round(value, 2))


@given(st.lists(values, min_size=1, max_size=24))
def test_the_mean_is_between_the_average_and_the_highest(hours: list[float]) -> None:
    bench = mkt(above=0.1, within="24h", coverage=0.5, max_gap="2h")
    spans = [hours[index % len(hours)] for index in range(24)]
    for hour, value in enumerate([*spans, None]):
        bench.see((hour * HOUR, value))
    weights = [math.exp(-ACTIVATION_K / (value + 273.15)) for value in spans]
    exact = -ACTIVATION_K / math.log(math.fsum(weights) / 24) - 273.15

    parts = bench.memory["parts"]
    assert sum(part[1] for part in parts) == 24 * HOUR * MINUTE
    found = -ACTIVATION_K / math.log(sum(part[2] for part in parts) / (24 * HOUR * MINUTE)) - 273.15
    assert found == pytest.approx(exact, abs=0.005)
    assert sum(spans) / 24 - 1e-6 <= found <= max(spans) + 1e-6


steps = st.lists(
    st.tuples(
        st.sampled_from([0.2, 1, 4, 9, 15]),
        st.sampled_from(METRICS),
        st.sampled_from([0.0, 0.4, 5.0, 5.0, 5.1, 9.0, 12.0, None]),
    ),
    max_size=60,
)


@given(steps, st.booleans(), st.sampled_from([{}, {"hard_limit": {"above": 11.0}}, {"clear_for": "5m"}]))
def test_what_the_guard_passes_changes_nothing(
    script: list[tuple[float, str, float | None]], clock: bool, keys: dict[str, object]
) -> None:
    tried = rule("mkt", above=5.02, within="1h", coverage=0.5, **keys)

    guarded, exact = guarded_and_exact(tried, timed(script), METRICS, clock=clock)

    assert guarded.fired_ms == pytest.approx(exact.fired_ms, abs=10 * MINUTE)


@given(
    st.lists(
        st.tuples(st.sampled_from([0.2, 1, 4, 9, 15]), st.sampled_from([5.0, 9.0, None])), min_size=4, max_size=30
    ),
    st.data(),
)
def test_a_backlog_and_live_samples_together_count_as_in_order(
    script: list[tuple[float, float | None]], data: st.DataObject
) -> None:
    in_order, in_lanes, now = in_two_lanes(lambda: mkt(within="2h"), script, data)

    for bench in (in_order, in_lanes):
        bench.see((now + 1, 5.0), (now + 1.1, None))
    one, other = (bench.memory for bench in (in_order, in_lanes))
    assert [part[:2] for part in one["parts"]] == [part[:2] for part in other["parts"]]
    assert [part[2] for part in one["parts"]] == pytest.approx([part[2] for part in other["parts"]], rel=1e-9)
