"""The noisiest rules, and how much of it is flapping."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, create_engine

from frostline_cloud.alerts import record
from frostline_cloud.alerts.noise import AGAIN_MS, noisiest
from frostline_cloud.sql.tables import metadata
from frostline_core.rules import Phase, RuleSet, Series, Transition, parse

NOW = 1_770_000_000_000
MINUTE = 60_000


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def fired(connection: Connection, rule: str, at_ms: int, device: str = "room-1", lasts_ms: int = MINUTE) -> None:
    table = {"id": rule, "type": "threshold", "title": "W", "select": {"metric": "*"}, "above": 8}
    room = Series("hamburg", "gw-1", device, "cold_room", "", "m")
    for before, after, when in (
        (Phase.OK, Phase.FIRING, at_ms),
        (Phase.FIRING, Phase.RESOLVED, at_ms + lasts_ms),
    ):
        step = Transition(rule, room, before, after, when, 9.0, 8.0, "")
        record(connection, [step], RuleSet.of([parse(table, "test")]), [], when)


def test_the_rule_that_called_most_often_comes_first(connection: Connection) -> None:
    fired(connection, "quiet", NOW)
    for n in range(3):
        fired(connection, "loud", NOW + n * 60 * MINUTE, f"room-{min(n, 1)}")

    loud, quiet = noisiest(connection, NOW)

    assert (loud.rule, loud.alerts, quiet.rule, quiet.alerts) == ("loud", 3, "quiet", 1)
    assert (loud.noisiest_series, loud.noisiest_count) == ("hamburg/gw-1/room-1/m", 2)


def test_what_fires_again_soon_after_its_end_flaps(connection: Connection) -> None:
    fired(connection, "warm", NOW)
    fired(connection, "warm", NOW + MINUTE + AGAIN_MS)
    fired(connection, "warm", NOW + 3 * MINUTE + 2 * AGAIN_MS + 1)
    fired(connection, "warm", NOW + 4 * MINUTE, "room-2")

    (warm,) = noisiest(connection, NOW)

    assert (warm.alerts, warm.flaps, warm.flap_score) == (4, 1, 0.25)


def test_what_opened_before_does_not_count(connection: Connection) -> None:
    fired(connection, "warm", NOW - 1)

    assert noisiest(connection, NOW) == []
