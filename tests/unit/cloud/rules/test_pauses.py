"""Maintenance and idle equipment: rows with an end, which the evaluator hears of."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import Engine, insert

from frostline_cloud.rules import AssetState, Pause, Pauses, add_pause, asset_state, end_pause, pauses
from frostline_cloud.rules.pauses import LONGEST_MS, MOST_PAUSES
from frostline_cloud.sql.tables import pause
from frostline_core.errors import ConfigError
from frostline_core.rules import Evaluator, Series, parse

NOW = 1_700_000_000_000
MINUTE = 60_000
ROOM = Series("hamburg", "gw-1", "room-1", "cold_room", "freezer-1", "air_temperature")
WASHING = Pause(
    0, AssetState.MAINTENANCE, "hamburg", "gw-1", "room-1", NOW, NOW + 60 * MINUTE, "washing the evaporator", "anna"
)
RULE = parse({"type": "threshold", "id": "r", "title": "R", "select": {"metric": "air_temperature"}, "above": 8}, "t")


def add(engine: Engine, wanted: Pause = WASHING) -> int:
    with engine.begin() as connection:
        return add_pause(connection, wanted, NOW)


def test_a_pause_is_listed_until_it_is_over(engine: Engine) -> None:
    number = add(engine)

    with engine.connect() as connection:
        assert pauses(connection, NOW) == [replace(WASHING, id=number)]
        assert pauses(connection, NOW + 60 * MINUTE) == []
        assert pauses(connection, NOW, site="rotterdam") == []


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (replace(WASHING, reason=" "), "reason"),
        (replace(WASHING, to_ms=NOW), "ends after it begins"),
        (replace(WASHING, to_ms=NOW + LONGEST_MS["maintenance"] + 1), "within 30 days"),
        (replace(WASHING, node=""), "give both"),
        (replace(WASHING, state=AssetState.IN_SERVICE), "end the pause"),
        (replace(WASHING, from_ms=1, to_ms=2), "changes nothing"),
    ],
)
def test_a_pause_without_sense_is_refused(engine: Engine, wrong: Pause, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        add(engine, wrong)


def test_a_pause_can_be_ended_early_and_only_once(engine: Engine) -> None:
    number = add(engine)

    with engine.begin() as connection:
        ended = [end_pause(connection, number, NOW + at * MINUTE) for at in (10, 20)]
        assert [each.to_ms for each in pauses(connection, NOW)] == [NOW + 10 * MINUTE]
    assert ended == [True, False]


def test_a_pause_that_is_unknown_cannot_be_ended(engine: Engine) -> None:
    with engine.begin() as connection:
        assert not end_pause(connection, 7, NOW)


@pytest.mark.parametrize(
    ("known", "state"),
    [
        ([], AssetState.IN_SERVICE),
        ([WASHING], AssetState.MAINTENANCE),
        ([replace(WASHING, state=AssetState.IDLE, node="", device="")], AssetState.IDLE),
        ([replace(WASHING, state=AssetState.IDLE), WASHING], AssetState.MAINTENANCE),
        ([replace(WASHING, device="room-2")], AssetState.IN_SERVICE),
        ([replace(WASHING, to_ms=NOW + MINUTE)], AssetState.IN_SERVICE),
    ],
)
def test_the_state_of_a_device_follows_from_its_pauses(known: list[Pause], state: AssetState) -> None:
    assert asset_state(known, "hamburg", "gw-1", "room-1", NOW + 5 * MINUTE) is state


def test_ingest_hears_of_a_pause_and_of_its_end(engine: Engine) -> None:
    evaluator, known = Evaluator([RULE]), Pauses(engine)
    slot = evaluator.bind(ROOM)
    number = add(engine)
    known.refresh(evaluator, NOW)

    evaluator.observe(slot, 9.0, NOW + 5 * MINUTE)
    quiet = evaluator.staged().transitions
    with engine.begin() as connection:
        end_pause(connection, number, NOW + 6 * MINUTE)
    known.refresh(evaluator, NOW + 6 * MINUTE)
    evaluator.observe(slot, 9.0, NOW + 7 * MINUTE)

    assert quiet == ()
    assert [each.at_ms for each in evaluator.staged().transitions] == [NOW + 6 * MINUTE]


def test_a_series_that_is_born_later_is_paused_too(engine: Engine) -> None:
    evaluator, known = Evaluator([RULE]), Pauses(engine)
    add(engine)
    known.refresh(evaluator, NOW)

    evaluator.observe(evaluator.bind(ROOM), 9.0, NOW + 5 * MINUTE)

    assert evaluator.staged().transitions == ()


def test_another_evaluator_is_told_too(engine: Engine) -> None:
    known = Pauses(engine)
    add(engine)
    known.refresh(Evaluator([RULE]), NOW)
    second = Evaluator([RULE])
    slot = second.bind(ROOM)

    known.refresh(second, NOW)
    second.observe(slot, 9.0, NOW + 5 * MINUTE)

    assert second.staged().transitions == ()


def test_what_is_in_force_is_known_however_much_is_over(engine: Engine) -> None:
    add(engine)
    over = {"state": "idle", "site": "hamburg", "node": "gw-1", "reason": "r", "author": "a", "changed_ms": 1}
    rows = [
        {**over, "device": f"d-{n}", "from_ms": NOW - n - 2, "to_ms": NOW - n - 1, "revision": 1}
        for n in range(MOST_PAUSES)
    ]
    with engine.begin() as connection:
        connection.execute(insert(pause), rows)
    known = Pauses(engine)
    known.refresh(Evaluator([RULE]), NOW)
    assert known.spans(ROOM) == [(WASHING.from_ms, WASHING.to_ms)]
