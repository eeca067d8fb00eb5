"""Incidents that a backlog has hidden: told once as retroactive, and one with the live alert where they last."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, create_engine, select

from frostline_cloud.alerts import Filters, Incident, alerts, record, timeline
from frostline_cloud.rules import adopt
from frostline_cloud.sql.tables import metadata, outbox
from frostline_core.rules import Evaluator, RuleSet, Series, parse
from frostline_core.rules.backlog import JOIN_MS

ROOM = Series("hamburg", "gw-1", "room-1", "cold_room", "freezer-1", "air_temperature")
NOW = 1_700_000_000_000
MINUTE = 60_000


def rules(**keys: object) -> RuleSet:
    table = {
        "type": "threshold",
        "id": "warm",
        "title": "Freezer too warm",
        "select": {"metric": "air_temperature"},
        "above": -15,
    }
    return RuleSet.of([parse({**table, **{key.rstrip("_"): value for key, value in keys.items()}}, "test")])


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


class House:
    """An evaluator whose transitions become incidents, with minutes since NOW for times."""

    def __init__(self, connection: Connection, **keys: object) -> None:
        self.connection, self.rules = connection, rules(**keys)
        self.evaluator = Evaluator(self.rules)
        self.slot = self.evaluator.bind(ROOM)

    def see(self, *samples: tuple[float, float]) -> House:
        for minute, value in samples:
            self.evaluator.observe(self.slot, value, NOW + round(minute * MINUTE))
            self._flush()
        return self

    def quiet(self) -> House:
        start = self.evaluator.last_ms[self.slot]
        self.evaluator.advance(start)
        self.evaluator.advance(start + JOIN_MS)
        self._flush()
        return self

    def _flush(self) -> None:
        newest = self.evaluator.last_ms[self.slot]
        record(self.connection, self.evaluator.staged().transitions, self.rules, ["ops"], newest)
        self.evaluator.settle()

    @property
    def incidents(self) -> list[Incident]:
        return sorted(alerts(self.connection, Filters()), key=lambda each: each.opened_ms)

    @property
    def told(self) -> list[tuple[str, bool]]:
        """Type, and whether it was told as retroactive, of each notification."""
        bodies = [json.loads(row.body) for row in self.connection.execute(select(outbox.c.body))]
        return [(body["type"], body["incident"]["retroactive"]) for body in bodies]


def minute(at_ms: int | None) -> float | None:
    return None if at_ms is None else (at_ms - NOW) / MINUTE


def test_an_excursion_in_a_backlog_is_one_retroactive_incident(connection: Connection) -> None:
    house = House(connection).see((0, -20), (60, -20), (10, -10), (20, -5), (30, -20))

    (incident,) = house.incidents
    assert (incident.state, incident.retroactive) == ("resolved", True)
    assert (minute(incident.fired_ms), minute(incident.resolved_ms)) == (10, 30)
    assert house.told == [("alert.firing", True), ("alert.resolved", True)]


def test_a_live_alert_beside_a_backlog_is_told_as_current(connection: Connection) -> None:
    house = House(connection).see((0, -20), (60, -10), (10, -10), (61, -20), (30, -20))

    assert [(each.retroactive, minute(each.fired_ms), minute(each.resolved_ms)) for each in house.incidents] == [
        (True, 10, 30),
        (False, 60, 61),
    ]


def test_an_excursion_that_lasts_into_the_live_samples_is_one_incident(connection: Connection) -> None:
    house = House(connection).see((0, -20), (60, -10), (50, -10), (59, -10)).quiet()

    (incident,) = house.incidents
    assert (incident.state, incident.retroactive) == ("firing", False)
    assert (minute(incident.opened_ms), minute(incident.fired_ms)) == (50, 50)
    assert house.told == [("alert.firing", False), ("alert.updated", False)]


def test_what_is_found_while_the_live_alert_fires_is_told_when_it_turns_out_to_be_another(
    connection: Connection,
) -> None:
    house = House(connection).see((0, -20), (60, -10), (10, -10))
    assert house.told == [("alert.firing", False)]
    (late,) = (each for each in house.incidents if each.retroactive)

    house.see((20, -20))

    assert house.told == [("alert.firing", False), ("alert.firing", True), ("alert.resolved", True)]
    ids = [json.loads(row.body)["incident"]["id"] for row in connection.execute(select(outbox.c.body))]
    assert ids[1:] == [late.id, late.id]
    assert "withheld" not in next(each for each in house.incidents if each.retroactive).evidence


def test_what_was_found_before_the_live_alert_fired_is_told_and_stays_an_incident(connection: Connection) -> None:
    house = House(connection, for_="2m").see((0, -20), (60, -10), (50, -10), (59, -10), (63, -10)).quiet()

    late, live = sorted(house.incidents, key=lambda each: each.state, reverse=True)
    assert (late.evidence["continued_by"], live.evidence["continues"]) == (live.id, late.id)
    assert [kind for kind, _ in house.told] == ["alert.firing", "alert.firing", "alert.resolved", "alert.updated"]


def test_an_incident_of_the_backlog_goes_on_where_the_live_alert_has_not_fired(connection: Connection) -> None:
    house = House(connection, for_="20m").see((0, -20), (60, -10), (30, -10), (40, -10), (50, -10), (59, -10)).quiet()

    (incident,) = house.incidents
    assert (incident.state, incident.retroactive, minute(incident.fired_ms)) == ("firing", True, 50)
    assert house.told == [("alert.firing", True), ("alert.updated", True)]

    house.see((61, -20))

    (incident,) = house.incidents
    assert (incident.state, minute(incident.resolved_ms)) == ("resolved", 61)


def test_a_live_alert_that_is_pending_begins_in_the_backlog(connection: Connection) -> None:
    house = House(connection, for_="20m", max_gap="30m").see((0, -20), (60, -10), (55, -10), (59, -10)).quiet()

    house.see((75, -10))

    (incident,) = house.incidents
    assert (incident.state, minute(incident.opened_ms), minute(incident.fired_ms)) == ("firing", 55, 75)
    assert [entry.after for entry in timeline(connection, incident.id)] == ["pending", "pending", "firing"]


def test_the_incident_shows_the_rule_as_it_was_then(connection: Connection) -> None:
    adopt(connection, rules(category="operational"), NOW - 1)
    adopt(connection, rules(category="compliance"), NOW)
    house = House(connection, category="compliance").see((0, -10))

    (incident,) = house.incidents
    rule = house.rules.rules[0]
    assert (incident.evidence["rule"]["hash"], incident.evidence["rule"]["number"]) == (rule.content_hash, 2)
    assert incident.evidence["rule"]["category"] == "compliance"
    assert incident.evidence["rule"]["content"]["above"] == -15.0


def test_what_was_suppressed_is_on_the_incident(connection: Connection) -> None:
    house = House(connection, hard_limit={"above": -5}, suppress_while=["defrost_active"], cap="45m")
    defrost = house.evaluator.bind(Series(*ROOM.key[:3], "cold_room", "freezer-1", "defrost_active"))
    house.evaluator.observe(defrost, 1.0, NOW)

    house.see((1, -10), (9, -10), (11, -4))

    (incident,) = house.incidents
    assert incident.evidence["suppressed_ms"] == 10 * MINUTE


def test_a_live_incident_says_when_it_was_over_by_what_came_late(connection: Connection) -> None:
    house = House(connection).see((0, -10), (60, -20), (10, -10), (20, -20))

    (incident,) = house.incidents
    assert (minute(incident.resolved_ms), minute(incident.evidence["back_in_range_ms"])) == (60, 20)
    assert [each.note for each in timeline(connection, incident.id)][-1] == "was back in range then, by what came late"
    assert house.told == [("alert.firing", False), ("alert.resolved", False)]


def test_a_live_incident_that_is_still_open_says_it_too(connection: Connection) -> None:
    house = House(connection).see((0, -10), (60, -10), (10, -20), (50, -20))

    (incident,) = house.incidents
    assert (incident.state, minute(incident.evidence["back_in_range_ms"])) == ("firing", 10)
