"""A backlog that hides an excursion, through a real broker and SQL; and pauses, from their row to the rules."""

from __future__ import annotations

from frostline_cloud.rules import AssetState, Pause, add_pause
from frostline_cloud.sql.tables import alert, outbox, rule_state
from tests.support.edge_node import EdgeNode, mark, now_ms
from tests.support.ingest_cloud import RUN, Cloud
from tests.support.services import eventually

BEFORE, BACKLOG = RUN, RUN + 1
LIVE = RUN + 2
MINUTE = 60_000
DAY = 24 * 60 * MINUTE


def send(edge: EdgeNode, run: int, n: int, value: float, at_ms: int) -> None:
    edge.data("freezer-1", {"air_temperature": value}, at_ms, mark(run, n))
    eventually(lambda: edge.committed(run) == n)


def test_an_excursion_in_a_backlog_is_one_retroactive_incident(cloud: Cloud, edge: EdgeNode) -> None:
    now = now_ms()
    send(edge, BEFORE, 1, -20.0, now - 60 * MINUTE)
    send(edge, LIVE, 1, -20.0, now)

    send(edge, BACKLOG, 1, -5.0, now - 50 * MINUTE)
    send(edge, LIVE, 2, -20.0, now + 10)
    send(edge, BACKLOG, 2, -4.0, now - 45 * MINUTE)
    send(edge, BACKLOG, 3, -20.0, now - 40 * MINUTE)

    (row,) = cloud.rows(alert)
    assert (row.state, row.retroactive, row.value) == ("resolved", True, -20.0)
    assert (row.fired_ms, row.resolved_ms) == (now - 50 * MINUTE, now - 40 * MINUTE)
    assert cloud.rows(outbox, type="alert.updated") == []


def test_a_card_that_comes_back_after_400_days_is_stored_and_not_ruled(cloud: Cloud, edge: EdgeNode) -> None:
    now = now_ms()
    for n, days in enumerate((402, 401, 399), 1):
        send(edge, BACKLOG, n, -5.0 - n, now - days * DAY)
    assert [row.fired_ms for row in cloud.rows(alert)] == [now - 399 * DAY]
    assert cloud.count() == 3


def test_a_restart_in_the_middle_of_a_backlog_goes_unnoticed(cloud: Cloud, edge: EdgeNode) -> None:
    now = now_ms()
    send(edge, BEFORE, 1, -20.0, now - 60 * MINUTE)
    send(edge, LIVE, 1, -20.0, now)
    send(edge, BACKLOG, 1, -5.0, now - 50 * MINUTE)

    cloud.restart(edge)
    send(edge, BACKLOG, 2, -4.0, now - 45 * MINUTE)
    send(edge, BACKLOG, 3, -20.0, now - 40 * MINUTE)

    (row,) = cloud.rows(alert)
    assert (row.state, row.fired_ms, row.resolved_ms) == ("resolved", now - 50 * MINUTE, now - 40 * MINUTE)
    assert [each.rule for each in cloud.rows(rule_state)] == ["~holes"]


def test_a_pause_keeps_an_alert_from_opening(cloud: Cloud, edge: EdgeNode) -> None:
    now = now_ms()
    pause = Pause(0, AssetState.MAINTENANCE, "site-a", "gw-1", "freezer-1", now - 1, now + MINUTE, "cleaning", "anna")
    with cloud.engine.begin() as connection:
        add_pause(connection, pause, now)
    value = iter(range(1, 1000))

    def is_quiet() -> bool:  # the pause is known within a second or two; what was opened before that is resolved
        n = next(value)
        send(edge, RUN, n, -20.0 if n % 2 else -5.0, now_ms())
        return n % 2 == 0 and not cloud.rows(alert, state="firing")

    eventually(is_quiet, every_s=0.3)
