"""What the first page says, without a browser."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_cloud.alerts import Handling, Incident
from frostline_cloud.alerts.topology import GATEWAY_RULE
from frostline_cloud.api.live import LiveValue
from frostline_cloud.console.front.facts import Delivery, Facts
from frostline_cloud.console.front.screen import MOST_NEEDS, Screen, account, screen, verdict
from frostline_cloud.console.front.values import key_of, main_metric, with_gaps
from frostline_cloud.console.words import ago
from frostline_cloud.rules.taken import Taken
from frostline_cloud.sql.registry import KnownDevice, KnownNode
from frostline_cloud.store import Bucket
from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Quality

NOW = 1_790_000_000_000
TEMPERATURE = MetricDescription("air_temperature", DataType.FLOAT, "Cel")
NODE = KnownNode("berlin", "gw-1", True, True, None, None, NOW, None)
ALERT = Incident(
    id="a",
    rule="warm",
    site="berlin",
    node="gw-1",
    device="freezer",
    metric="air_temperature",
    zone="freezer",
    severity="warning",
    state="firing",
    revision=1,
    retroactive=False,
    opened_ms=NOW - 120_000,
    fired_ms=NOW - 60_000,
    resolved_ms=None,
    value=-9.0,
    summary="too warm",
    evidence={},
)


def device(name: str = "freezer", kind: str = "cold_room", *metrics: MetricDescription) -> KnownDevice:
    described = DeviceDescription(name, kind, "freezer", metrics or (TEMPERATURE,))
    return KnownDevice("berlin", "gw-1", described, True, True, NOW, None)


def value(number: float | None = -21.04, stale: str = "", quality: Quality | None = Quality.GOOD) -> LiveValue:
    return LiveValue(TEMPERATURE, number, quality, NOW - 5000, stale)


def facts(live: LiveValue | None = None, **changed: object) -> Facts:
    room = device()
    made = Facts(NOW, nodes=[NODE], devices=[room], values={key_of(room): [live or value()]})
    return replace(made, **changed)  # type: ignore[arg-type]  # a test's own fields


def test_all_is_well_only_when_every_device_reports() -> None:
    shown = screen(facts())
    assert shown.needs == ()
    assert verdict(shown) == "No open alert; all 1 devices report."


@pytest.mark.parametrize(
    "made",
    [
        Facts(NOW),
        Facts(NOW, fault="ingest is not connected"),
        facts(value(stale="no new sample")),
        facts(values={}),
        facts(nodes=[replace(NODE, online=False)]),
        facts(value(None, "never measured", None)),
    ],
    ids=["empty", "fault", "silent", "unread", "gateway offline", "never measured"],
)
def test_no_data_never_reads_as_all_is_well(made: Facts) -> None:
    shown = screen(made)
    assert "all" not in verdict(shown).replace("all is", "")
    assert shown.needs or shown.devices == 0


def test_a_fault_of_ours_comes_first_and_hides_no_alert() -> None:
    shown = screen(facts(fault="ingest is not connected", alerts=[ALERT]))
    assert [need.state for need in shown.needs] == ["fault", "firing"]


def test_the_worst_comes_first_then_the_oldest_and_the_seen_last() -> None:
    critical = replace(ALERT, id="b", severity="critical")
    older = replace(critical, id="c", opened_ms=NOW - 999_000)
    seen = replace(critical, id="d", acknowledged_ms=NOW, acknowledged_by="anna")
    shown = screen(facts(alerts=[seen, ALERT, critical, older]))
    assert [need.alert for need in shown.needs] == ["c", "b", "a", "d"]
    assert shown.needs[-1].seen == "anna"


def test_a_room_shows_the_worst_of_its_alerts() -> None:
    shown = screen(facts(alerts=[ALERT, replace(ALERT, id="b", severity="critical")]))
    assert shown.cards[0].severity == "critical"


def test_the_page_is_bounded_and_says_what_it_leaves_out() -> None:
    shown = screen(facts(alerts=[replace(ALERT, id=str(number)) for number in range(MOST_NEEDS + 7)]))
    assert (len(shown.needs), shown.more_needs) == (MOST_NEEDS, 7)


def test_silent_devices_are_one_line_a_gateway() -> None:
    rooms = [device(f"room-{number}") for number in range(7)]
    shown = screen(facts(devices=rooms, values={key_of(room): [value(stale="no new sample")] for room in rooms}))
    assert [need.text for need in shown.needs] == [
        "7 devices are silent: room-0, room-1, room-2, room-3, room-4 and 2 more"
    ]


def test_an_absent_gateway_speaks_for_its_devices() -> None:
    shown = screen(facts(value(stale="gateway offline"), nodes=[replace(NODE, online=False, death_ms=NOW - 1000)]))
    assert [(need.state, need.age_ms) for need in shown.needs] == [("offline", 1000)]


def test_a_value_has_unit_and_doubt() -> None:
    shown = screen(facts(value(quality=Quality.UNCERTAIN))).cards[0].main
    assert (shown.text, shown.unit, shown.doubt, shown.age_ms) == ("-21.0", "°C", "uncertain", 5000)


def test_a_bad_reading_shows_no_number() -> None:
    shown = screen(facts(value(None, quality=Quality.BAD))).cards[0].main
    assert not any(letter.isdigit() for letter in shown.text)
    assert shown.doubt == "bad"


def test_stock_counts_by_product_and_keeps_its_staleness() -> None:
    count = MetricDescription("count_04012345000016", DataType.INT64, "{count}")
    zone = device("aisle-3", "stock_zone", count)
    shown = screen(facts(devices=[zone], values={key_of(zone): [LiveValue(count, 14, Quality.GOOD, NOW, "late")]}))
    assert [(line.item, line.count.text, line.count.stale) for line in shown.stock] == [
        ("04012345000016", "14", "late")
    ]
    assert shown.cards == ()


@pytest.mark.parametrize(
    ("kind", "names", "wanted"),
    [
        ("cold_room", ("setpoint", "air_temperature"), "air_temperature"),
        ("valve", ("position",), "position"),
        ("cold_room", (), None),
    ],
)
def test_a_device_is_looked_at_for_one_metric(kind: str, names: tuple[str, ...], wanted: str | None) -> None:
    metrics = tuple(MetricDescription(name, DataType.FLOAT, "Cel") for name in names)
    described = DeviceDescription("d", kind, metrics=metrics)
    assert main_metric(KnownDevice("s", "n", described, True, True, NOW, None)) == wanted


@pytest.mark.parametrize(
    ("age_ms", "words"),
    [
        (None, "never"),
        (0, "0 s"),
        (59_999, "59 s"),
        (60_000, "1 min"),
        (7_500_000, "2 h 5 min"),
        (4 * 86_400_000, "4 d"),
    ],
)
def test_an_age_in_words(age_ms: int | None, words: str) -> None:
    assert ago(age_ms) == words


@given(st.sets(st.integers(0, 500)), st.integers(1, 50))
def test_a_silence_that_is_too_long_is_a_gap_and_nothing_else_is(present: set[int], longest: int) -> None:
    buckets = [Bucket(number, 1.0, 1.0, 1.0, 1) for number in sorted(present)]
    points = with_gaps(buckets, longest)
    times = [at_ms for at_ms, _ in points]
    assert times == sorted(set(times))
    assert [at_ms for at_ms, mean in points if mean is not None] == sorted(present)
    assert all(b - a <= longest for (a, v), (b, w) in pairwise(points) if v is not None and w is not None)
    assert len(points) - len(present) == sum(b - a > longest for a, b in pairwise(sorted(present)))


@pytest.mark.parametrize(
    ("delivery", "words"),
    [
        (None, ""),
        (Delivery(), ""),
        (Delivery(received=1200), "all 1,200 samples accounted for, none lost"),
        (Delivery(received=9, lost=3), "3 samples lost, listed with reasons"),
        (Delivery(lost=3, uncounted=1), "3 samples lost and 1 uncounted losses, listed with reasons"),
        (Delivery(received=9, unexplained=2, dead=4), "2 samples unexplained; 4 dead letters"),
    ],
)
def test_the_account_in_a_few_words(delivery: Delivery | None, words: str) -> None:
    assert account(delivery) == words


def test_an_empty_screen_promises_nothing() -> None:
    assert "nothing can be said" in verdict(Screen(NOW))


def test_what_follows_from_something_else_is_one_line_that_says_from_what() -> None:
    those = [replace(ALERT, id=f"{number:03}", device=f"room-{number:03}") for number in range(200)]
    gone = {each.id: Handling(each.id, muted="inhibited", muted_by="gateway berlin/gw-1 is offline") for each in those}

    shown = screen(facts(alerts=[ALERT, *those], handled=gone))

    assert [need.alert for need in shown.needs[:2]] == ["a", None]
    assert shown.needs[1].text == "200 alerts follow from this: gateway berlin/gw-1 is offline"
    assert shown.needs[1].where == "room-000, room-001, room-002, room-003, room-004 and 195 more"


def test_what_is_quietened_comes_after_what_is_not_and_says_why() -> None:
    worse = replace(ALERT, id="b", severity="critical")
    shelved = {"b": Handling("b", muted="shelved", muted_by="anna: parts", assignee="bob")}

    shown = screen(facts(alerts=[worse, ALERT], handled=shelved))

    assert [need.alert for need in shown.needs[:2]] == ["a", "b"]
    assert shown.needs[1].state == "firing, shelved by anna: parts, assigned to bob"


def test_a_gateway_whose_alert_is_open_is_named_once() -> None:
    offline = replace(ALERT, rule=GATEWAY_RULE, device="", metric="offline")

    shown = screen(facts(alerts=[offline], nodes=[replace(NODE, online=False)]))

    assert [need.state for need in shown.needs] == ["firing"]


def test_an_alert_of_which_nothing_is_known_says_so_and_since_when() -> None:
    blind = replace(ALERT, evidence={"no_data_since_ms": NOW - 720_000})
    (need,) = screen(facts(alerts=[blind])).needs
    assert need.unknown == "unknown: no data for 12 min"
    assert need.link == "/alerts/a"


def test_alerts_about_compliance_that_wait_to_be_closed_are_one_line() -> None:
    (need,) = screen(facts(to_close=3)).needs
    assert (need.text, need.link) == (
        "3 alerts about compliance: over, and waiting for cause and disposition",
        "/alerts?show=to-close",
    )


def test_a_gateway_that_refuses_its_local_rules_is_said_with_the_reason() -> None:
    refused = Taken("berlin", "gw-1", "a1", "b2", "no output 'siren'", NOW - 60_000)
    (need,) = screen(facts(refusals=[refused])).needs
    assert (need.severity, need.where, need.age_ms) == ("warning", "berlin · gw-1", 60_000)
    assert need.text.endswith("no output 'siren'")


def test_a_gateway_that_does_not_get_its_rules_needs_somebody() -> None:
    (need,) = screen(facts(unsent={("berlin", "gw-1"): "they are too large"})).needs
    assert need.text == "Gateway goes on with its local rules of before: they are too large"
    assert (need.severity, need.where, need.link) == ("warning", "berlin · gw-1", "/gateways/berlin/gw-1")
