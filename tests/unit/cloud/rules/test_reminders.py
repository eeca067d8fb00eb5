"""What is not in service for long is told, again and again, until it is over."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, select

from frostline_cloud import reminders
from frostline_cloud.rules import AssetState, Pause, add_pause, end_pause
from frostline_cloud.sql.tables import alert, outbox

DAY = 86_400_000
NOW = 1_767_571_200_000
WEEK = 7 * DAY


def paused(engine: Engine, from_day: float, to_day: float, device: str = "room-1", state: str = "idle") -> int:
    from_ms, to_ms = (NOW + round(day * DAY) for day in (from_day, to_day))
    wanted = Pause(0, AssetState(state), "hamburg", "gw-1", device, from_ms, to_ms, "no goods", "anna")
    with engine.begin() as connection:
        return add_pause(connection, wanted, NOW)


def watch(engine: Engine, day: float) -> int:
    return reminders.watch(engine, ["desk"], WEEK, NOW + round(day * DAY))


def told(engine: Engine) -> list[tuple[str, str]]:
    with engine.connect() as connection:
        rows = connection.execute(select(outbox).order_by(outbox.c.id)).all()
        return [(row.type, row.receiver) for row in rows]


def open_alerts(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(select(alert).where(alert.c.state == "firing")).all())


def test_what_is_idle_for_a_week_is_told(engine: Engine) -> None:
    paused(engine, 0, 30)
    assert [watch(engine, 6.9), watch(engine, 7), watch(engine, 7.1)] == [0, 1, 0]
    (found,) = open_alerts(engine)
    assert (found.device, found.value, found.evidence["reason"]) == ("room-1", 7.0, "no goods")
    assert "idle since 2026-01-05 00:00:00Z, until 2026-02-04 00:00:00Z: no goods" in found.summary
    assert told(engine) == [("alert.firing", "desk")]


def test_it_is_told_again_each_week(engine: Engine) -> None:
    paused(engine, 0, 30)
    assert [watch(engine, day) for day in (7.5, 13.9, 14, 14.1, 21.5, 27.9)] == [1, 0, 1, 0, 1, 0]
    assert sorted(kind for kind, _ in told(engine)) == ["alert.firing", "alert.updated", "alert.updated"]


def test_it_resolves_when_it_is_in_service_again(engine: Engine) -> None:
    number = paused(engine, 0, 30)
    watch(engine, 8)
    with engine.begin() as connection:
        end_pause(connection, number, NOW + 9 * DAY)
    assert [watch(engine, 9), watch(engine, 9.1)] == [1, 0]
    assert open_alerts(engine) == []


def test_maintenance_counts_too_and_each_device_for_itself(engine: Engine) -> None:
    paused(engine, 0, 20, "room-1", "maintenance")
    paused(engine, 4, 20, "room-2")
    assert [watch(engine, 8), watch(engine, 11)] == [1, 1]
    assert sorted(each.device for each in open_alerts(engine)) == ["room-1", "room-2"]


def test_pauses_that_follow_on_each_other_count_as_one(engine: Engine) -> None:
    for start in range(0, 12, 3):
        paused(engine, start, start + 3 - 0.02)
    assert [watch(engine, 6.5), watch(engine, 7.5)] == [0, 1]


def test_a_day_in_service_between_two_begins_anew(engine: Engine) -> None:
    paused(engine, 0, 5)
    paused(engine, 6, 20)
    assert [watch(engine, 8), watch(engine, 13)] == [0, 1]


def test_short_pauses_are_nobodys_concern(engine: Engine) -> None:
    paused(engine, 0, 1)
    assert [watch(engine, day) for day in (0.5, 1, 8)] == [0, 0, 0]
