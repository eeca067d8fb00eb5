"""Presence of tags: arrivals, moves, departures, and what is unknown rather than empty."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from frostline_core.epc import sgtin96
from frostline_edge.drivers.llrp.presence import SHELF, Event, Movement, Presence, PresenceRules

GTIN = "80614141123458"
TAG = sgtin96(GTIN, 1)
START = 1_000_000
RULES = PresenceRules(departed_after_ms=60_000, settle_ms=1000)


def hearing(*, settled: bool = True) -> Presence:
    presence = Presence(RULES, ["dock", "store"])
    presence.hear("dock", START)
    presence.hear("store", START)
    if settled:
        presence.check(START + 1000)
    return presence


def test_the_first_read_of_a_new_tag_is_an_arrival() -> None:
    at = START + 2000
    assert hearing().read(TAG, "dock", -50, at) == Movement(Event.ARRIVED, TAG, "", "dock", at, at)


def test_a_tag_that_is_found_while_the_zone_settles_was_there_before() -> None:
    presence = hearing(settled=False)
    assert presence.read(TAG, "dock", -50, START + 500) is None
    assert presence.counts("dock") == {GTIN: 1}


def test_a_tag_departs_when_nobody_has_heard_it_for_long_enough() -> None:
    presence = hearing()
    presence.read(TAG, "dock", -50, START + 2000)
    assert presence.check(START + 61_999) == []
    assert presence.check(START + 62_000) == [Movement(Event.DEPARTED, TAG, "dock", "", START + 62_000, START + 2000)]
    assert presence.counts("dock")[GTIN] == 0


def test_a_trade_item_that_has_gone_is_forgotten_with_the_next_look() -> None:
    presence = hearing()
    presence.read(TAG, "dock", -50, START + 2000)
    presence.check(START + 62_000)
    presence.check(START + 63_000)
    assert presence.counts("dock") == {}


def test_a_departed_tag_arrives_again() -> None:
    presence = hearing()
    presence.read(TAG, "dock", -50, START + 2000)
    presence.check(START + 62_000)
    found = presence.read(TAG, "dock", -50, START + 63_000)
    assert found is not None and found.event is Event.ARRIVED


def test_one_stray_read_moves_nothing_however_strong() -> None:
    presence = hearing()
    presence.read(TAG, "dock", -70, START + 2000)
    assert presence.read(TAG, "store", -30, START + 2100) is None


def test_two_clearly_stronger_reads_move_a_tag() -> None:
    presence, at = hearing(), START + 2200
    presence.read(TAG, "dock", -60, START + 2000)
    presence.read(TAG, "store", -50, START + 2100)
    assert presence.read(TAG, "store", -50, at) == Movement(Event.MOVED, TAG, "dock", "store", at, at)
    assert (presence.counts("dock")[GTIN], presence.counts("store")[GTIN]) == (0, 1)


def test_a_signal_that_is_not_clearly_stronger_moves_nothing_while_the_zone_hears_the_tag() -> None:
    presence = hearing()
    found = []
    for step in range(50):
        at = START + 2000 + step * 200
        found.append(presence.read(TAG, "dock", -60, at))
        found.append(presence.read(TAG, "store", -56, at + 100))
    assert [movement.event for movement in found if movement] == [Event.ARRIVED]


def test_a_weaker_zone_wins_once_the_old_one_has_lost_the_tag() -> None:
    presence = hearing()
    presence.read(TAG, "dock", -50, START + 2000)
    found = [presence.read(TAG, "store", -60, START + 2000 + step * 100) for step in range(1, 40)]
    assert [movement.event for movement in found if movement] == [Event.MOVED]


def test_a_day_of_stray_reads_moves_nothing_on_a_shelf() -> None:
    presence, found = Presence(replace(SHELF, settle_ms=0), ["dock", "store"]), []
    chance = random.Random(1)  # noqa: S311 - noise, not secrets
    for second in range(86_400):
        stray = chance.random() < 0.01
        zone, mean = ("store", -66) if stray else ("dock", -60)
        found.append(presence.read(TAG, zone, mean + chance.gauss(0, 3), START + second * 1000))
    assert [movement.event for movement in found if movement] == [Event.ARRIVED]


def test_on_a_shelf_a_tag_that_has_gone_elsewhere_moves_within_two_minutes() -> None:
    presence = Presence(replace(SHELF, settle_ms=0), ["dock", "store"])
    presence.read(TAG, "dock", -60, START)
    found = [presence.read(TAG, "store", -60, START + second * 1000) for second in range(1, 120)]
    assert [movement.event for movement in found if movement] == [Event.MOVED]


def test_stray_reads_an_hour_apart_are_no_series() -> None:
    presence = Presence(PresenceRules(departed_after_ms=10**8, settle_ms=0), ["dock", "store"])
    presence.read(TAG, "dock", -50, START)
    assert [presence.read(TAG, "store", -50, START + hour * 3_600_000) for hour in (1, 2, 3)] == [None, None, None]


def test_a_reader_without_signal_strength_moves_tags_by_time() -> None:
    presence = hearing()
    presence.read(TAG, "dock", None, START + 2000)
    found = [presence.read(TAG, "store", None, START + 2000 + step * 200) for step in range(1, 10)]
    assert [movement.event for movement in found if movement] == [Event.MOVED]


def test_no_tag_departs_from_a_zone_that_cannot_hear() -> None:
    presence = hearing()
    presence.read(TAG, "dock", -50, START + 2000)
    presence.deafen("dock")
    assert presence.check(START + 10_000_000) == []


def test_after_an_outage_a_tag_has_the_whole_time_to_be_heard_again() -> None:
    presence = hearing()
    presence.read(TAG, "dock", -50, START + 2000)
    presence.deafen("dock")
    presence.hear("dock", START + 500_000)
    assert presence.check(START + 559_999) == []
    assert [movement.event for movement in presence.check(START + 560_000)] == [Event.DEPARTED]


def test_counts_are_unknown_until_a_zone_has_settled() -> None:
    presence = hearing(settled=False)
    assert not presence.known("dock", START + 999)
    presence.check(START + 1000)
    assert presence.known("dock", START + 1000)


def test_counts_are_unknown_after_an_outage_until_every_tag_was_heard() -> None:
    presence = hearing()
    presence.read(TAG, "dock", -50, START + 2000)
    presence.deafen("dock")
    assert not presence.known("dock", START + 3000)
    presence.hear("dock", START + 10_000)
    assert not presence.known("dock", START + 20_000)
    presence.read(TAG, "dock", -50, START + 20_001)
    assert presence.known("dock", START + 20_001)


def test_counts_are_known_after_an_outage_once_the_missing_have_departed() -> None:
    presence = hearing()
    presence.read(TAG, "dock", -50, START + 2000)
    presence.deafen("dock")
    presence.hear("dock", START + 10_000)
    presence.check(START + 70_000)
    assert presence.known("dock", START + 70_000)


def test_an_outage_brings_no_arrival_of_what_was_there() -> None:
    presence = hearing()
    presence.read(TAG, "dock", -50, START + 2000)
    presence.deafen("dock")
    presence.hear("dock", START + 10_000)
    assert presence.read(TAG, "dock", -50, START + 10_001) is None


def test_tags_beyond_the_bound_are_ignored_and_counted() -> None:
    presence = Presence(PresenceRules(most_tags=2, settle_ms=0), ["dock"])
    for serial in range(4):
        presence.read(sgtin96(GTIN, serial), "dock", -50, START)
    assert (sum(presence.counts("dock").values()), presence.ignored) == (2, 2)


_step = st.tuples(
    st.integers(0, 5), st.sampled_from(["dock", "store"]), st.integers(-80, -30), st.integers(0, 90_000), st.booleans()
)


@given(st.lists(_step, max_size=60))
def test_movements_always_account_for_the_counts(steps: list[tuple[int, str, int, int, bool]]) -> None:
    presence = Presence(PresenceRules(departed_after_ms=60_000, settle_ms=0), ["dock", "store"])
    at, where = START, dict[bytes, str]()
    presence.hear("dock", at)
    presence.hear("store", at)
    for serial, zone, rssi, pause, look in steps:
        at += pause
        moved = [presence.read(sgtin96(GTIN, serial), zone, rssi, at)]
        for movement in moved + (list(presence.check(at)) if look else []):
            if movement is not None:
                assert where.get(movement.epc, "") == movement.source
                where[movement.epc] = movement.target
    for zone in ("dock", "store"):
        assert sum(presence.counts(zone).values()) == list(where.values()).count(zone)
