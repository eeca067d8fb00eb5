"""What goes on around a value: defrosts, open doors, closing hours, maintenance; and limits that ignore all of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_core.errors import ConfigError
from frostline_core.rules import Phase
from tests.unit.core.rules.rule_bench import MINUTE, DeviceBench, guarded_and_exact, rule, timed

METRICS = ("air_temperature", "defrost_active", "door_open")
DEFROST = {"suppress_while": ["defrost_active"], "grace": "20m", "cap": "45m"}


def warm(**keys: object) -> DeviceBench:
    return DeviceBench([rule("threshold", above=8, **keys)], METRICS)


def test_a_defrost_opens_nothing() -> None:
    bench = warm(**DEFROST).see((0, 0), (10, 1), metric="defrost_active").see((0, 5), (11, 9), (20, 12), (25, 5))

    assert bench.path == []


def test_a_start_up_opens_nothing_until_its_grace_is_over() -> None:
    standing = {"metric": "compressor_running", "below": 0.5}
    keys = {"suppress_while": [standing], "grace": "20m", "cap": "2h"}
    bench = DeviceBench([rule("threshold", above=8, **keys)], ("air_temperature", "compressor_running"))

    bench.see((0, 0), (30, 1), metric="compressor_running").see(*((each, 12.0) for each in range(0, 50, 7)))
    before = bench.path
    bench.see((51, 9))

    assert (before, bench.path) == ([], ["firing@50"])


def test_without_a_defrost_it_fires_as_ever() -> None:
    assert warm(**DEFROST).see((0, 0), metric="defrost_active").see((0, 5), (11, 9)).path == ["firing@11"]


def test_a_metric_that_was_never_seen_suppresses_nothing() -> None:
    assert warm(**DEFROST).see((0, 5), (11, 9)).path == ["firing@11"]


def test_grace_follows_the_end_of_the_defrost() -> None:
    bench = warm(**DEFROST).see((0, 0), (10, 1), (20, 0), metric="defrost_active").see((25, 9), (30, 9), (39, 9))
    before = bench.path

    bench.see((41, 9))

    assert (before, bench.path) == ([], ["firing@40"])


def test_the_cap_ends_a_defrost_that_does_not_end() -> None:
    bench = warm(**DEFROST).see((10, 1), metric="defrost_active")

    bench.see(*((minute, 9.0) for minute in range(11, 60)))

    assert bench.path == ["firing@55"]


def test_the_cap_ends_what_one_circumstance_after_the_other_would_suppress_for_ever() -> None:
    bench = warm(suppress_while=["door_open"], grace="20m", cap="45m")
    for minute in range(10, 100):
        bench.see((minute, float(minute % 10 < 5)), metric="door_open").see((minute, 9.0))

    assert bench.path[0] == "firing@55"


def test_how_long_it_was_suppressed_is_told() -> None:
    bench = warm(**DEFROST).see((10, 1), metric="defrost_active").see(*((minute, 9.0) for minute in range(15, 60)))

    (fired,) = bench.transitions
    assert fired.facts == {"suppressed_ms": 40 * MINUTE}


def test_the_clock_ends_a_suppression_without_a_sample() -> None:
    bench = warm(**DEFROST).wait(0).see((10, 1), (12, 0), metric="defrost_active").see((25, 9)).wait(33)

    assert bench.path == ["firing@32"]


def test_time_begins_to_count_when_the_suppression_ends() -> None:
    bench = warm(for_="10m", **DEFROST).see((10, 1), (20, 0), metric="defrost_active")

    bench.see(*((minute, 9.0) for minute in range(15, 55)))

    assert bench.path == ["pending@40", "firing@50"]


def test_a_pending_alert_goes_back_when_a_defrost_begins() -> None:
    bench = warm(for_="30m", **DEFROST).see((0, 0), metric="defrost_active").see((5, 9))
    bench.see((10, 1), metric="defrost_active").see((11, 9))

    assert bench.path == ["pending@5", "ok@11"]
    assert bench.notes[-1] == "suppressed"


def test_what_fires_already_is_not_touched_by_a_defrost() -> None:
    bench = warm(**DEFROST).see((5, 9)).see((10, 1), metric="defrost_active").see((11, 12), (12, 5))

    assert [(each.after, each.note) for each in bench.transitions] == [
        (Phase.FIRING, ""),
        (Phase.FIRING, "worse"),
        (Phase.RESOLVED, ""),
    ]


def test_a_hard_limit_ignores_suppression_and_time() -> None:
    bench = warm(for_="30m", hard_limit={"above": 15}, **DEFROST).see((10, 1), metric="defrost_active").see((11, 16))

    (fired,) = bench.transitions
    assert (fired.after, fired.limit, fired.value) == (Phase.FIRING, 15.0, 16.0)


def test_the_flag_of_one_instant_counts_for_the_value_of_that_instant() -> None:
    bench = warm(**DEFROST).see((0, 0), metric="defrost_active").see((0, 5))

    bench.evaluator.observe_row(0, [9.0, 1.0, 0.0], 10 * MINUTE)

    assert bench.path == []


def test_samples_of_one_instant_are_put_in_order() -> None:
    bench = warm(**DEFROST)
    came = [(0, 9.0, 10), (1, 1.0, 10), (0, 9.0, 20)]

    assert [sample[0] for sample in bench.evaluator.in_order(came)] == [1, 0, 0]


def test_a_condition_on_a_number_suppresses_too() -> None:
    off = {"metric": "defrost_active", "below": 0.5}
    bench = warm(suppress_while=[off], grace="30m", cap="1h", max_gap="30m").see(
        (0, 0), (20, 1), metric="defrost_active"
    )

    assert bench.see((10, 9), (30, 9), (40, 9), (49, 9)).path == []
    assert bench.see((51, 9)).path == ["firing@50"]


def test_a_restart_during_a_suppression_goes_unnoticed() -> None:
    bench = warm(**DEFROST).see((10, 1), (20, 0), metric="defrost_active").see((25, 9)).restarted()

    assert bench.see((33, 9), (41, 9)).path == ["firing@40"]


def test_forgetting_takes_back_what_is_watched() -> None:
    bench = warm(**DEFROST).see((0, 0), metric="defrost_active")
    bench.evaluator.settle()
    bench.see((10, 1), metric="defrost_active")

    bench.evaluator.forget()

    assert bench.see((11, 9)).path == ["firing@11"]


def test_in_a_backlog_the_defrost_of_that_time_counts() -> None:
    bench = warm(max_gap="30m", **DEFROST).see((0, 0), (100, 0), metric="defrost_active").see((0, 5), (100, 5))

    bench.see((10, 1), (20, 0), metric="defrost_active")
    bench.see((11, 9), (25, 9), (38, 5), (60, 9))

    assert [f"{each.track} {each.after}@{each.at_ms / MINUTE:g}" for each in bench.transitions] == ["backlog firing@60"]


def test_a_defrost_that_a_backlog_ends_is_followed_by_its_grace_live() -> None:
    bench = warm(max_gap="30m", **DEFROST).see((0, 0), (60, 0), metric="defrost_active").see((0, 5), (60, 5))
    bench.see((40, 1), (55, 0), metric="defrost_active").see((45, 9), (59, 9))

    bench.wait(61).wait(62).see((62, 9), (74, 9))

    assert bench.path == []
    assert bench.see((76, 9)).path == ["firing@75"]


# ---- hours and maintenance ----
def minutes(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() / 60


SHOP = {"zone": "Europe/Amsterdam", "hours": ["mon-fri 08:00-18:00"]}


def test_out_of_hours_nothing_opens_and_the_first_hour_looks() -> None:
    monday_0700 = minutes("2026-01-05T06:00")
    bench = warm(schedule=SHOP).see((monday_0700 + 45, 9), (monday_0700 + 55, 9), (monday_0700 + 61, 9))

    assert bench.path == [f"firing@{monday_0700 + 60:g}"]


@pytest.mark.parametrize(
    ("at", "is_open"),
    [
        ("2026-01-05T07:00", True),  # winter: 08:00 is 07:00 UTC
        ("2026-01-05T06:59", False),
        ("2026-07-06T06:00", True),  # summer: 08:00 is 06:00 UTC
        ("2026-07-06T05:59", False),
        ("2026-07-06T16:00", False),
        ("2026-07-05T10:00", False),  # a Sunday
    ],
)
def test_hours_follow_the_local_clock(at: str, is_open: bool) -> None:
    assert bool(warm(schedule=SHOP).see((minutes(at), 9)).path) is is_open


@pytest.mark.parametrize(
    ("at", "is_open"),
    [
        ("2026-03-28T23:30", True),  # Sunday 00:30 local, of Saturday night
        ("2026-03-29T00:59", True),  # 01:59 local; the clock jumps to 03:00
        ("2026-03-29T03:59", True),  # 05:59 local
        ("2026-03-29T04:00", False),  # 06:00 local
        ("2026-10-25T00:30", True),  # 02:30 local, the first time
        ("2026-10-25T01:30", True),  # 02:30 local, the second time
        ("2026-10-25T05:00", False),  # 06:00 local
    ],
)
def test_a_night_over_a_change_of_clocks_is_one_night(at: str, is_open: bool) -> None:
    night = {"zone": "Europe/Amsterdam", "hours": ["22:00-06:00"]}

    assert bool(warm(schedule=night).see((minutes(at), 9)).path) is is_open


@pytest.mark.parametrize("hours", ["mo 08:00-18:00", "08:00", "25:00-26:00", "08:00-08:00", "08:60-09:00"])
def test_hours_that_are_none_are_refused(hours: str) -> None:
    with pytest.raises(ConfigError, match="schedule"):
        warm(schedule={"zone": "Europe/Amsterdam", "hours": [hours]})


def test_a_time_zone_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="IANA"):
        warm(schedule={"zone": "Amsterdam", "hours": ["08:00-18:00"]})


def test_maintenance_opens_nothing_and_the_hard_limit_stays() -> None:
    bench = warm(hard_limit={"above": 15})
    bench.evaluator.pause(lambda _: [(20 * MINUTE, 30 * MINUTE), (10 * MINUTE, 20 * MINUTE)])

    assert bench.see((11, 9), (20, 9), (29, 9)).path == []
    assert bench.see((31, 9)).path == ["firing@30"]
    assert warm(hard_limit={"above": 15}).see((11, 16)).path == ["firing@11"]


# ---- the guard ----
seen = st.lists(
    st.tuples(
        st.sampled_from([0.2, 1, 4, 9, 15, 50]),
        st.sampled_from(METRICS[:2]),
        st.sampled_from([0.0, 1.0, 5.0, 8.0, 8.5, 9.0, 16.0, None]),
    ),
    max_size=40,
)


@given(seen, st.booleans(), st.sampled_from(["0s", "5m"]))
def test_what_the_guard_passes_changes_nothing(
    script: list[tuple[float, str, float | None]], clock: bool, for_: str
) -> None:
    tried = rule("threshold", above=8, for_=for_, clear_for="2m", hard_limit={"above": 15}, **DEFROST)
    guarded, exact = guarded_and_exact(tried, timed(script), METRICS[:2], clock=clock)

    assert guarded.path == exact.path


@given(seen, st.floats(0, 1))
def test_a_restart_at_any_moment_goes_unnoticed(script: list[tuple[float, str, float | None]], share: float) -> None:
    tried = rule("threshold", above=8, for_="5m", clear_for="2m", hard_limit={"above": 15}, **DEFROST)
    steady, restarted = DeviceBench([tried], METRICS[:2]), DeviceBench([tried], METRICS[:2])
    now, half, before = 0.0, int(share * len(script)), 0
    for number, (step, metric, value) in enumerate(script):
        now += step
        if number == half:
            before, restarted = len(restarted.path), restarted.restarted()
        for bench in (steady, restarted):
            bench.see((now, value), metric=metric)

    assert restarted.path == steady.path[before:]
