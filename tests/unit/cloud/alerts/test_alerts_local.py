"""What local rules of gateways did, on the timeline of the incident that it was for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine

from frostline_cloud.alerts import Filters, alerts, record, timeline
from frostline_cloud.alerts.local import keep, parse, with_actions
from frostline_cloud.sql.tables import metadata
from frostline_core.rules import Phase, RuleSet, Series, Transition

NOW = 1_700_000_000_000
ROOM = Series("site", "gw", "room-1", "cold_room", "", "air_temperature")


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def event(**keys: Any) -> str:
    told = {"output": "siren", "target": "io/relay", "on": True, "outcome": "done", "reason": "", "written_ms": NOW + 9}
    cause = {"why": "firing", "rule": "warm", "device": "room-1", "metric": "air_temperature", "at_ms": NOW, "value": 1}
    return json.dumps({**told, **cause, **keys})


def happens(connection: Connection, *went: tuple[Phase, Phase, int]) -> None:
    for before, after, at_ms in went:
        transition = Transition("warm", ROOM, before, after, at_ms, 1.0, 0.0, "")
        record(connection, [transition], RuleSet.of([]), [], at_ms)


def acts(connection: Connection, *told: str) -> None:
    actions = [parse("site", "gw", each) for each in told]
    keep(connection, [each for each in actions if each is not None], NOW)


def notes(connection: Connection) -> list[str]:
    (incident,) = alerts(connection, Filters())
    return [each.note for each in with_actions(connection, incident.id, timeline(connection, incident.id))]


FIRED = (Phase.OK, Phase.FIRING, NOW)
RESOLVED = (Phase.FIRING, Phase.RESOLVED, NOW + 60_000)


def test_an_action_is_on_the_timeline_even_if_it_was_told_before_the_samples(connection: Connection) -> None:
    acts(connection, event())
    happens(connection, FIRED)
    assert notes(connection) == ["", "output siren (io/relay) on, by the gateway"]


def test_the_end_is_too(connection: Connection) -> None:
    happens(connection, FIRED, RESOLVED)
    acts(connection, event(), event(on=False, at_ms=NOW + 60_000))
    assert notes(connection)[-1] == "output siren (io/relay) off, by the gateway"


def test_a_failure_says_why(connection: Connection) -> None:
    happens(connection, FIRED)
    acts(connection, event(outcome="failed", reason="no answer"))
    assert notes(connection)[-1] == "output siren (io/relay) on, failed: no answer"


@pytest.mark.parametrize(
    "other",
    [{"rule": "other"}, {"device": "room-2"}, {"at_ms": NOW - 60_000}, {"at_ms": NOW + 600_000}],
)
def test_what_was_for_another_incident_is_not_on_it(connection: Connection, other: dict[str, Any]) -> None:
    happens(connection, FIRED, RESOLVED)
    acts(connection, event(**other))
    assert len(notes(connection)) == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "[" * 100_000,
        event(rule=""),
        event(on=1),
        event(at_ms="x"),
        event(at_ms=1 << 60),
        event(at_ms=True),
        event(device=1),
    ],
)
def test_what_no_rule_did_or_nobody_understands_is_no_action(text: str) -> None:
    assert parse("site", "gw", text) is None
