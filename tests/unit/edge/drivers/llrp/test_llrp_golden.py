"""The numbers of EdgeX Foundry's LLRP inventory that presence goes by."""

from __future__ import annotations

import pytest

from frostline_core.epc import sgtin96
from frostline_edge.drivers.llrp.config import Config
from frostline_edge.drivers.llrp.presence import DOCK, SHELF, Event, Presence, PresenceRules

TAG = sgtin96("80614141123458", 1)
START = 1_000_000


def hearing(rules: PresenceRules) -> Presence:
    presence = Presence(rules, ["dock", "store"])
    for zone in ("dock", "store"):
        presence.hear(zone, START)
    presence.check(START + rules.settle_ms)
    return presence


def moved_after_ms(rules: PresenceRules, weaker_db: float) -> int:
    """How long the old zone must miss a tag until another, that hears it so much weaker, has it."""
    presence, at = hearing(rules), START + 40_000
    presence.read(TAG, "dock", -50.0, at)
    presence.read(TAG, "dock", -50.0, at + 1)
    last = at + 1
    for waited in range(1, 400_000, 50):
        found = presence.read(TAG, "store", -50.0 - weaker_db, last + waited)
        if found is not None and found.event is Event.MOVED:
            return waited
    return -1


def test_edgex_a_tag_departs_after_600_s() -> None:
    presence = hearing(DOCK)
    presence.read(TAG, "dock", -50.0, START + 40_000)

    assert presence.check(START + 40_000 + 599_999) == []
    assert [each.event for each in presence.check(START + 40_000 + 600_000)] == [Event.DEPARTED]


def test_edgex_departures_are_looked_for_each_30_s() -> None:
    assert Config.model_fields["check_s"].default == 30


def test_edgex_another_zone_must_be_6_db_stronger() -> None:
    weak, strong = hearing(DOCK), hearing(DOCK)
    for presence, dbm in ((weak, -44.5), (strong, -43.5)):
        for tenth in range(4):
            presence.read(TAG, "dock", -50.0, START + 40_000 + tenth * 100)
            presence.read(TAG, "store", dbm, START + 40_050 + tenth * 100)

    assert [each.counts("store").get("80614141123458", 0) for each in (weak, strong)] == [0, 1]


@pytest.mark.parametrize(
    ("rules", "weaker_db", "waits_ms"),
    [
        (DOCK, 0.0, 500 + 6 / 0.008),
        (DOCK, 10.0, 500 + 16 / 0.008),
        (SHELF, 0.0, 60_000 + 6 / 0.0005),
        (SHELF, 10.0, 60_000 + 16 / 0.0005),
    ],
)
def test_edgex_hold_off_and_slope(rules: PresenceRules, weaker_db: float, waits_ms: float) -> None:
    """The advantage sinks by 0.008 dB a millisecond after 500 ms; where goods stand, by 0.0005 after 60 s."""
    assert moved_after_ms(rules, weaker_db) == pytest.approx(waits_ms, abs=101)
