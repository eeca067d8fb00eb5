"""Incidents, timelines and notifications, written to SQL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, select

from frostline_cloud.alerts import Filters, Incident, acknowledge, alerts, open_alerts, record, timeline
from frostline_cloud.alerts.rows import OPEN_OF
from frostline_cloud.sql.tables import alert, alert_event, metadata, outbox
from frostline_core.rules import Evaluator, Phase, RuleSet, Series, Transition, parse

ROOM = Series("hamburg", "gw-1", "room-1", "cold_room", "freezer-1", "air_temperature", {"product": "fish"}, unit="Cel")
NOW = 1_700_000_000_000
MINUTE = 60_000


def rules(**keys: object) -> RuleSet:
    table = {"type": "threshold", "id": "warm", "title": "Freezer too warm", "select": {"metric": "*"}, "above": -15}
    return RuleSet.of([parse({**table, "severity": "critical", **keys}, "test")])


WARM = rules()


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def went(
    before: Phase, after: Phase, at_ms: int = NOW, value: float | None = -12.5, note: str = "", series: Series = ROOM
) -> Transition:
    return Transition("warm", series, before, after, at_ms, value, None if value is None else -15.0, note)


FIRED = went(Phase.OK, Phase.FIRING)


def tell(connection: Connection, *transitions: Transition, now_ms: int = NOW, with_rules: RuleSet = WARM) -> None:
    record(connection, transitions, with_rules, ["ops", "quality"], now_ms)


def only(connection: Connection) -> Incident:
    (incident,) = alerts(connection, Filters())
    return incident


def sent(connection: Connection) -> list[tuple[str, str]]:
    query = select(outbox.c.type, outbox.c.receiver).order_by(outbox.c.revision, outbox.c.receiver)
    return [(row.type, row.receiver) for row in connection.execute(query)]


def test_firing_opens_an_incident_and_tells_every_receiver(connection: Connection) -> None:
    tell(connection, FIRED)

    incident = only(connection)
    assert (incident.state, incident.severity, incident.fired_ms, incident.value) == ("firing", "critical", NOW, -12.5)
    assert sent(connection) == [("alert.firing", "ops"), ("alert.firing", "quality")]


def test_the_summary_names_the_thing_the_value_and_the_limit(connection: Connection) -> None:
    tell(connection, FIRED)

    assert only(connection).summary == "Freezer too warm: hamburg room-1 air temperature -12.5 °C (limit -15 °C)"


def test_pending_opens_an_incident_and_tells_nobody(connection: Connection) -> None:
    tell(connection, went(Phase.OK, Phase.PENDING))

    assert only(connection).state == "pending"
    assert open_alerts(connection) == []
    assert sent(connection) == []


def test_from_pending_to_resolved_it_is_one_incident_with_rising_revisions(connection: Connection) -> None:
    tell(connection, went(Phase.OK, Phase.PENDING, NOW - 9))
    tell(connection, went(Phase.PENDING, Phase.FIRING, NOW - 8), went(Phase.FIRING, Phase.CLEARING, NOW - 7))
    tell(connection, went(Phase.CLEARING, Phase.RESOLVED, NOW - 6, -16))

    incident = only(connection)
    assert (incident.opened_ms, incident.fired_ms, incident.resolved_ms) == (NOW - 9, NOW - 8, NOW - 6)
    entries = timeline(connection, incident.id)
    assert [(entry.revision, entry.after) for entry in entries] == [
        (1, "pending"),
        (2, "firing"),
        (3, "clearing"),
        (4, "resolved"),
    ]
    assert [kind for kind, receiver in sent(connection) if receiver == "ops"] == ["alert.firing", "alert.resolved"]


def test_a_pending_that_never_fires_leaves_nothing(connection: Connection) -> None:
    tell(connection, went(Phase.OK, Phase.PENDING))
    tell(connection, went(Phase.PENDING, Phase.OK))

    assert [list(connection.execute(select(table))) for table in (alert, alert_event, outbox)] == [[], [], []]


def test_a_pending_that_comes_and_goes_in_one_call_leaves_nothing(connection: Connection) -> None:
    tell(connection, went(Phase.OK, Phase.PENDING), went(Phase.PENDING, Phase.OK), FIRED)

    assert [entry.after for entry in timeline(connection, only(connection).id)] == ["firing"]


def test_a_second_excursion_is_a_second_incident(connection: Connection) -> None:
    tell(connection, FIRED, went(Phase.FIRING, Phase.RESOLVED), FIRED)

    assert sorted(incident.state for incident in alerts(connection, Filters())) == ["firing", "resolved"]


def test_a_notably_worse_value_is_told_as_an_update(connection: Connection) -> None:
    tell(connection, FIRED, went(Phase.FIRING, Phase.FIRING, value=-5, note="worse"))

    assert [kind for kind, receiver in sent(connection) if receiver == "ops"] == ["alert.firing", "alert.updated"]
    assert only(connection).value == -5


def test_missing_data_is_noted_but_not_told_and_does_not_resolve(connection: Connection) -> None:
    tell(connection, FIRED, went(Phase.FIRING, Phase.FIRING, NOW + 5, None, "no data"))

    incident = only(connection)
    assert (incident.state, incident.value, incident.evidence["no_data_since_ms"]) == ("firing", -12.5, NOW + 5)
    assert len(sent(connection)) == 2


def test_data_again_ends_the_note(connection: Connection) -> None:
    tell(connection, FIRED, went(Phase.FIRING, Phase.FIRING, NOW + 5, None, "no data"))
    tell(connection, went(Phase.FIRING, Phase.FIRING, NOW + 9, -12, "data again"))

    assert "no_data_since_ms" not in only(connection).evidence


def test_another_severity_is_told_at_the_next_change(connection: Connection) -> None:
    tell(connection, FIRED, with_rules=rules(severity="warning"))
    tell(connection, went(Phase.FIRING, Phase.FIRING, note="data again"))

    assert only(connection).severity == "critical"
    assert ("alert.updated", "ops") in sent(connection)


def test_an_absence_has_no_value(connection: Connection) -> None:
    tell(connection, went(Phase.OK, Phase.FIRING, value=None, note="no data for 15m"))

    incident = only(connection)
    assert incident.value is None
    assert incident.summary.endswith("air temperature, no data for 15m")


def test_a_rule_that_is_gone_still_closes_its_incident(connection: Connection) -> None:
    tell(connection, FIRED)
    gone = went(Phase.FIRING, Phase.RESOLVED, NOW + 1, None, "the rule does not apply any more")
    tell(connection, gone, with_rules=RuleSet.of([]))

    incident = only(connection)
    assert (incident.state, incident.severity) == ("resolved", "critical")
    assert incident.summary.startswith("Freezer too warm")
    assert incident.summary.endswith("the rule does not apply any more")


def test_what_was_found_late_says_so(connection: Connection) -> None:
    tell(connection, FIRED, now_ms=NOW + 60 * MINUTE)

    assert only(connection).retroactive


def test_what_is_found_at_once_is_not_retroactive(connection: Connection) -> None:
    tell(connection, FIRED, now_ms=NOW + 500)

    assert not only(connection).retroactive


def test_changes_without_an_incident_are_ignored(connection: Connection) -> None:
    tell(connection, went(Phase.OK, Phase.UNKNOWN, value=None), went(Phase.UNKNOWN, Phase.OK))

    assert alerts(connection, Filters()) == []


def test_a_rolled_back_call_can_be_repeated(connection: Connection) -> None:
    connection.commit()
    tell(connection, went(Phase.OK, Phase.PENDING), went(Phase.PENDING, Phase.FIRING))
    connection.rollback()

    tell(connection, went(Phase.OK, Phase.PENDING), went(Phase.PENDING, Phase.FIRING))

    assert only(connection).revision == 2
    assert len(sent(connection)) == 2


def test_a_whole_site_can_fall_silent_in_one_call(connection: Connection) -> None:
    many = [Series("hamburg", "gw-1", f"room-{n}", "cold_room", "", "air_temperature") for n in range(1000)]
    fired = [went(Phase.OK, Phase.FIRING, value=None, note="no data for 15m", series=series) for series in many]
    tell(connection, *fired)

    tell(connection, *(went(Phase.FIRING, Phase.RESOLVED, series=series) for series in many))

    assert {row.state for row in connection.execute(select(alert.c.state))} == {"resolved"}


def test_the_body_says_who_what_where_and_when(connection: Connection) -> None:
    tell(connection, FIRED, now_ms=NOW + 250)

    row = connection.execute(select(outbox)).first()
    assert row is not None
    body: dict[str, Any] = json.loads(row.body)
    assert (body["type"], body["id"], body["revision"]) == ("alert.firing", row.id, 1)
    assert (body["timestamp"], body["noted_at"]) == ("2023-11-14T22:13:20.000Z", "2023-11-14T22:13:20.250Z")
    assert body["incident"]["id"] == row.alert
    assert body["rule"] == {"id": "warm", "title": "Freezer too warm", "version": WARM.version}
    assert body["series"]["labels"] == {"product": "fish"}
    assert (body["value"], body["limit"], body["unit"]) == (-12.5, -15.0, "Cel")


def test_acknowledging_marks_who_and_stops_nothing(connection: Connection) -> None:
    tell(connection, FIRED)
    assert acknowledge(connection, only(connection).id, "ada", NOW + 1)

    incident = only(connection)
    assert (incident.acknowledged_by, incident.acknowledged_ms, incident.state) == ("ada", NOW + 1, "firing")
    assert timeline(connection, incident.id)[-1].note == "acknowledged by ada"


def test_the_first_acknowledgement_stays(connection: Connection) -> None:
    tell(connection, FIRED)
    acknowledge(connection, only(connection).id, "ada", NOW + 1)

    assert acknowledge(connection, only(connection).id, "bob", NOW + 2)
    assert only(connection).acknowledged_by == "ada"


def test_an_acknowledgement_survives_the_next_change(connection: Connection) -> None:
    tell(connection, FIRED)
    acknowledge(connection, only(connection).id, "ada", NOW + 1)
    tell(connection, went(Phase.FIRING, Phase.RESOLVED))

    assert (only(connection).acknowledged_by, only(connection).revision) == ("ada", 3)


def test_acknowledging_what_does_not_exist_says_so(connection: Connection) -> None:
    assert not acknowledge(connection, "nothing", "ada", NOW)


def test_incidents_are_read_by_state_site_and_severity_in_pages(connection: Connection) -> None:
    elsewhere = Series("bremen", "gw-2", "room-1", "cold_room", "", "air_temperature")
    tell(connection, FIRED, went(Phase.OK, Phase.FIRING, NOW + 1, series=elsewhere))

    first = alerts(connection, Filters(limit=1))
    rest = alerts(connection, Filters(before=(first[0].opened_ms, first[0].id)))

    assert [incident.site for incident in first + rest] == ["bremen", "hamburg"]
    assert [incident.site for incident in alerts(connection, Filters(site="bremen"))] == ["bremen"]
    assert alerts(connection, Filters(severity="info")) == []
    assert alerts(connection, Filters(states=("resolved",))) == []


def test_what_the_evaluator_stages_is_what_is_recorded(connection: Connection) -> None:
    evaluator = Evaluator(rules(**{"for": "5m", "clear_for": "5m"}))
    slot = evaluator.bind(ROOM)
    for minute, value in [(0, -12), (6, -12), (7, -16), (13, -16)]:
        evaluator.observe(slot, value, NOW + minute * MINUTE)

    tell(connection, *evaluator.staged().transitions, now_ms=NOW + 13 * MINUTE)

    incident = only(connection)
    assert (incident.state, incident.revision) == ("resolved", 4)
    assert incident.fired_ms == NOW + 5 * MINUTE


def test_an_incident_has_the_unit_that_its_newest_transition_knew(connection: Connection) -> None:
    tell(connection, FIRED)
    tell(connection, went(Phase.FIRING, Phase.CLEARING, series=replace(ROOM, unit="K")))

    assert only(connection).evidence["unit"] == "K"


def test_open_incidents_are_found_by_their_series_and_not_by_looking_through_all(connection: Connection) -> None:
    keys = "VALUES ('warm', 'hamburg', 'gw-1', 'room-1', 'm'), ('warm', 'hamburg', 'gw-1', 'room-2', 'm')"
    plan = connection.exec_driver_sql("EXPLAIN QUERY PLAN " + OPEN_OF.format(wanted=keys.removeprefix("VALUES "))).all()

    assert any("ix_alert_series" in row[-1] for row in plan)
    assert not any("ix_alert_open" in row[-1] for row in plan)
