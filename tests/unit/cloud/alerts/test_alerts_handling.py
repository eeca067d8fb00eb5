"""What people do with alerts, and what is then told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, select, update

from frostline_cloud import alerts
from frostline_cloud.alerts import Act, Doing, Filters, Incident, Silence, Subject, add_silence
from frostline_cloud.alerts.handling import LONGEST_SHELF_MS
from frostline_cloud.notify import UNADDRESSED
from frostline_cloud.notify.dispatch import dispatch
from frostline_cloud.notify.escalation import escalate
from frostline_cloud.notify.plan import CANARY_RULE, Plan
from frostline_cloud.notify.routing import RouteConfig
from frostline_cloud.sql.tables import escalation, outbox
from frostline_core.config import parse
from frostline_core.errors import ConfigError
from frostline_core.rules import Phase, RuleSet, Series, Severity, Transition
from frostline_core.rules import parse as parse_rule

NOW = 1_770_000_000_000
MINUTE, HOUR = 60_000, 3_600_000
ROOM = Series("hamburg", "gw-1", "room-1", "cold_room", "", "air_temperature", {"product": "fish"})
FIRES = (Phase.OK, Phase.FIRING)
STAYS = (Phase.FIRING, Phase.FIRING)
ENDS = (Phase.FIRING, Phase.RESOLVED)
ANNA = Doing("anna", NOW)
PLAN = Plan(("a", "b"))
STEPS = parse({"name": "r", "to": ["a"], "escalate": [{"after_minutes": 10, "to": ["b"]}]}, RouteConfig, "test")
ESCALATING = Plan(("a", "b"), (STEPS,))


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.begin() as connection:
        yield connection


def goes(
    connection: Connection, *changes: tuple[Phase, Phase], severity: str = "warning", rule: str = "warm", ms: int = NOW
) -> Incident:
    table = {"id": rule, "type": "threshold", "title": "W", "select": {"metric": "*"}, "above": 8, "severity": "info"}
    rules = RuleSet.of([parse_rule(table, "test")])
    for before, after in changes:
        step = Transition(rule, ROOM, before, after, ms, 9.0, 8.0, "", severity=Severity(severity))
        alerts.record(connection, [step], rules, [UNADDRESSED], ms)
    (incident,) = alerts.alerts(connection, Filters())
    return incident


def told(connection: Connection, plan: Plan = PLAN, now_ms: int = NOW) -> list[tuple[str, str]]:
    """What has been told of the alert, after dispatch."""
    while dispatch(connection, plan, now_ms).news:
        pass
    query = select(outbox).where(outbox.c.receiver != UNADDRESSED).order_by(outbox.c.revision, outbox.c.receiver)
    return [(row.receiver, row.type.removeprefix("alert.")) for row in connection.execute(query)]


def let_go(connection: Connection, now_ms: int) -> int:
    return alerts.release(connection, alerts.releasable(connection, now_ms), UNADDRESSED, now_ms)


def handled(connection: Connection, incident: Incident) -> alerts.Handling:
    return alerts.handlings(connection, [incident.id])[incident.id]


def silenced(connection: Connection, to_ms: int = NOW + HOUR, **matchers: str) -> int:
    return add_silence(connection, Silence(0, matchers, "defrosting by hand", "anna", NOW, to_ms, NOW))


# ---- acts ------------------------------------------------------------------------------------------------------------
def test_every_act_is_on_the_timeline_with_who_and_when(connection: Connection) -> None:
    incident = goes(connection, FIRES)

    alerts.acknowledge(connection, incident.id, "anna", NOW + 1)
    alerts.assign(connection, incident.id, "bob", Doing("anna", NOW + 2))
    alerts.comment(connection, incident.id, "door was open", Doing("bob", NOW + 3))
    alerts.shelve(connection, incident.id, NOW + HOUR, "waiting for parts", Doing("bob", NOW + 4))
    alerts.unshelve(connection, incident.id, Doing("anna", NOW + 5))

    acts = [(each.act, each.who, each.noted_ms - NOW) for each in alerts.timeline(connection, incident.id)[1:]]
    assert acts == [
        (Act.ACKNOWLEDGE, "anna", 1),
        (Act.ASSIGN, "anna", 2),
        (Act.COMMENT, "bob", 3),
        (Act.SHELVE, "bob", 4),
        (Act.UNSHELVE, "anna", 5),
    ]
    assert handled(connection, incident).assignee == "bob"


def test_an_alert_that_is_not_there_cannot_be_handled(connection: Connection) -> None:
    assert not alerts.assign(connection, "x", "bob", ANNA)
    assert not alerts.comment(connection, "x", "hello", ANNA)
    assert not alerts.shelve(connection, "x", NOW + 1, "why", ANNA)
    assert not alerts.unshelve(connection, "x", ANNA)


@pytest.mark.parametrize("until_ms", [NOW, NOW - 1, NOW + LONGEST_SHELF_MS + 1])
def test_a_shelf_ends_within_a_day(connection: Connection, until_ms: int) -> None:
    incident = goes(connection, FIRES)

    with pytest.raises(ConfigError, match="at most 24 h"):
        alerts.shelve(connection, incident.id, until_ms, "why", ANNA)


def test_a_shelf_needs_a_reason_and_an_open_alert(connection: Connection) -> None:
    incident = goes(connection, FIRES)
    with pytest.raises(ConfigError, match="a reason"):
        alerts.shelve(connection, incident.id, NOW + 1, "  ", ANNA)
    goes(connection, ENDS)
    with pytest.raises(ConfigError, match="resolved"):
        alerts.shelve(connection, incident.id, NOW + 1, "why", ANNA)
    with pytest.raises(ConfigError, match="not shelved"):
        alerts.unshelve(connection, incident.id, ANNA)


def test_a_pending_alert_that_was_handled_still_ends_without_a_trace(connection: Connection) -> None:
    incident = goes(connection, (Phase.OK, Phase.PENDING))
    alerts.assign(connection, incident.id, "bob", ANNA)
    table = {"id": "warm", "type": "threshold", "title": "W", "select": {"metric": "*"}, "above": 8}

    over = Transition("warm", ROOM, Phase.PENDING, Phase.RESOLVED, NOW + 1, 1.0, 8.0, "")
    alerts.record(connection, [over], RuleSet.of([parse_rule(table, "test")]), [UNADDRESSED], NOW + 1)

    assert alerts.alerts(connection, Filters()) == []


# ---- acknowledged ----------------------------------------------------------------------------------------------------
def test_a_higher_severity_is_told_and_escalates_although_somebody_took_note(connection: Connection) -> None:
    incident = goes(connection, FIRES)
    told(connection, ESCALATING)
    alerts.acknowledge(connection, incident.id, "anna", NOW + 1)
    assert escalate(connection, ESCALATING, NOW + 11 * MINUTE) == 0

    worse = goes(connection, STAYS, severity="critical", ms=NOW + 12 * MINUTE)

    assert worse.acknowledged_ms is None
    assert told(connection, ESCALATING, NOW + 12 * MINUTE) == [("a", "firing"), ("a", "updated")]
    assert escalate(connection, ESCALATING, NOW + 21 * MINUTE) == 0
    assert escalate(connection, ESCALATING, NOW + 22 * MINUTE) == 1
    assert "no longer counts" in alerts.timeline(connection, incident.id)[-1].note


def test_a_lower_severity_leaves_the_note_alone(connection: Connection) -> None:
    incident = goes(connection, FIRES, severity="critical")
    alerts.acknowledge(connection, incident.id, "anna", NOW + 1)

    assert goes(connection, STAYS, severity="warning").acknowledged_by == "anna"


# ---- shelved ---------------------------------------------------------------------------------------------------------
def test_a_shelved_alert_is_told_again_when_the_shelf_ends(connection: Connection) -> None:
    incident = goes(connection, FIRES)
    told(connection)
    alerts.shelve(connection, incident.id, NOW + HOUR, "parts", ANNA)

    assert let_go(connection, NOW + HOUR - 1) == 0
    assert let_go(connection, NOW + HOUR) == 1
    assert told(connection, PLAN, NOW + HOUR)[2:] == [("a", "updated"), ("b", "updated")]
    assert handled(connection, incident) == alerts.Handling(incident.id)
    assert let_go(connection, NOW + HOUR) == 0


def test_what_is_shelved_escalates_only_after_the_shelf(connection: Connection) -> None:
    incident = goes(connection, FIRES)
    told(connection, ESCALATING)
    alerts.shelve(connection, incident.id, NOW + HOUR, "parts", ANNA)

    assert escalate(connection, ESCALATING, NOW + 10 * MINUTE) == 0
    let_go(connection, NOW + HOUR)
    assert escalate(connection, ESCALATING, NOW + HOUR + MINUTE) == 1


def test_a_severity_that_rises_ends_the_shelf(connection: Connection) -> None:
    incident = goes(connection, FIRES)
    told(connection)
    alerts.shelve(connection, incident.id, NOW + HOUR, "parts", ANNA)

    goes(connection, STAYS, severity="critical")

    assert told(connection)[2:] == [("a", "updated"), ("b", "updated")]
    assert handled(connection, incident).shelved_until_ms is None


def test_that_a_shelved_alert_is_over_is_told(connection: Connection) -> None:
    incident = goes(connection, FIRES)
    told(connection)
    alerts.shelve(connection, incident.id, NOW + HOUR, "parts", ANNA)

    goes(connection, ENDS)

    assert told(connection)[2:] == [("a", "resolved"), ("b", "resolved")]
    assert let_go(connection, NOW + HOUR) == 0


# ---- silenced --------------------------------------------------------------------------------------------------------
def test_a_silenced_alert_is_recorded_and_says_why_it_is_not_told(connection: Connection) -> None:
    number = silenced(connection, site="ham*", device="room-?")
    incident = goes(connection, FIRES)

    assert told(connection) == []
    found = handled(connection, incident)
    assert (found.muted, found.muted_by) == ("silenced", f"silence {number} of anna: defrosting by hand")
    assert alerts.timeline(connection, incident.id)[-1].note.startswith("not told: silenced, silence")


def test_what_still_fires_when_a_silence_ends_is_told_as_new(connection: Connection) -> None:
    silenced(connection, site="hamburg")
    goes(connection, FIRES)
    told(connection)

    assert let_go(connection, NOW + HOUR - 1) == 0
    assert let_go(connection, NOW + HOUR) == 1
    assert told(connection, PLAN, NOW + HOUR) == [("a", "firing"), ("b", "firing")]


def test_ending_a_silence_lets_its_alerts_be_told(connection: Connection) -> None:
    number = silenced(connection, site="hamburg")
    goes(connection, FIRES)
    told(connection)

    assert alerts.end_silence(connection, number, "bob", NOW + 1)
    assert not alerts.end_silence(connection, number, "bob", NOW + 2)
    assert let_go(connection, NOW + 2) == 1
    assert alerts.silences(connection, NOW - 1)[0].ended_by == "bob"


def test_what_came_and_went_in_a_silence_is_never_told(connection: Connection) -> None:
    silenced(connection, site="hamburg")
    goes(connection, FIRES)
    told(connection)
    goes(connection, ENDS)

    assert told(connection) == []
    assert let_go(connection, NOW + 2 * HOUR) == 0


def test_the_canary_is_told_whatever_is_silenced(connection: Connection) -> None:
    silenced(connection, site="hamburg")
    goes(connection, FIRES, rule=CANARY_RULE)

    assert told(connection, Plan(("a",), canary="a")) == [("a", "firing")]


def test_what_a_silence_matches() -> None:
    subject = Subject("1", "warm", "threshold", "hamburg", "gw-1", "room-1", "m", "critical", {"product": "fish"})

    def fits(**matchers: str) -> bool:
        return Silence(1, {key.replace("__", "."): each for key, each in matchers.items()}, "", "", 0, 0).matches(
            subject
        )

    assert fits(site="ham*", severity="critical", label__product="f?sh")
    assert not fits(site="ham*", severity="warning")
    assert not fits(label__owner="*")
    assert not fits(rule="WARM")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"matchers": {}}, "1 to 20 matchers"),
        ({"matchers": {"sight": "x"}}, "no matcher 'sight'"),
        ({"matchers": {"label.": "x"}}, "no matcher"),
        ({"matchers": {"site": "*", "rule": "**"}}, "silence of everything"),
        ({"matchers": {"site": ""}}, "1 to 200 characters"),
        ({"reason": " "}, "has a reason"),
        ({"to_ms": NOW}, "ends after it begins"),
        ({"to_ms": NOW + 31 * 24 * HOUR}, "at most 30 days"),
        ({"from_ms": NOW + 31 * 24 * HOUR, "to_ms": NOW + 32 * 24 * HOUR}, "30 days ahead"),
    ],
)
def test_a_silence_without_sense_is_refused(connection: Connection, keys: dict[str, Any], message: str) -> None:
    values: dict[str, Any] = {"matchers": {"site": "x"}, "reason": "why", "to_ms": NOW + HOUR, "from_ms": NOW} | keys

    with pytest.raises(ConfigError, match=message):
        add_silence(connection, Silence(0, author="anna", created_ms=NOW, **values))


@given(st.dictionaries(st.sampled_from(["site", "rule", "label.product"]), st.text(max_size=8), min_size=1))
def test_no_pattern_breaks_matching(matchers: dict[str, str]) -> None:
    subject = Subject("1", "warm", "threshold", "hamburg", "gw-1", "room-1", "m", "critical", {"product": "fish"})

    assert Silence(1, matchers, "", "", 0, 0).matches(subject) in (True, False)


def test_steps_that_a_note_stopped_stay_stopped_for_news_of_the_same_severity(connection: Connection) -> None:
    incident = goes(connection, FIRES)
    told(connection, ESCALATING)
    alerts.acknowledge(connection, incident.id, "anna", NOW + 1)
    escalate(connection, ESCALATING, NOW + 11 * MINUTE)
    connection.execute(update(outbox).values(state="dispatched"))

    alerts.shelve(connection, incident.id, NOW + HOUR, "parts", ANNA)
    let_go(connection, NOW + HOUR)
    told(connection, ESCALATING, NOW + HOUR)

    assert connection.scalars(select(escalation.c.state)).all() == ["stopped"]
