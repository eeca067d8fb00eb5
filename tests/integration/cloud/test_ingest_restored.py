"""SQL that was restored from a backup: the store knows better, and what SQL has forgotten is listed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from frostline_cloud.ingest import forgotten
from frostline_cloud.ingest.retrospect import FOLLOW_MS
from frostline_cloud.rules import AssetState, Pause, add_pause
from frostline_cloud.sql.tables import alert, loss
from frostline_core.errors import UnavailableError
from frostline_core.rules import RuleSet, parse
from tests.support.edge_node import EdgeNode, now_ms, room
from tests.support.ingest_cloud import RUN, TOO_WARM, Cloud
from tests.support.restored import LATER, MINUTE, left, looks_back, restore, retrospect, send, told
from tests.support.services import Mosquitto


def test_a_restored_sql_is_noticed_once_and_its_gap_listed(
    tmp_path: Path, mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    cloud = Cloud(tmp_path, mosquitto, RuleSet.of([]))
    database, backup = tmp_path / "frostline.db", tmp_path / "backup.db"
    with cloud.running(), EdgeNode(mosquitto.host, mosquitto.port, "gw-1") as edge:
        edge.wait_for_host()
        edge.birth([room()])
        send(edge, RUN, [(0, -20.0)], now_ms())
        cloud.stop_heard(edge)
        shutil.copy(database, backup)
        copied_ms = now_ms()
        cloud.start_heard(edge)
        assert cloud.rows(loss) == []
        send(edge, RUN, [(0, -20.0)], now_ms(), 2)
        send(edge, RUN, [(0, -20.0)], now_ms(), 3)
    shutil.copy(backup, database)
    with cloud.running():
        (lost,) = cloud.rows(loss)
    assert (lost.site, lost.node, lost.run, lost.reason) == ("site-a", "gw-1", None, "host state restored")
    assert lost.from_ms <= copied_ms <= lost.to_ms
    assert [each.message for each in caplog.records if each.levelname == "ERROR" and "restored" in each.message]
    with cloud.running():
        assert len(cloud.rows(loss)) == 1


def test_a_forgotten_excursion_is_one_retroactive_incident_told_once(cloud: Cloud, edge: EdgeNode) -> None:
    now = now_ms()
    restore(cloud, edge, [(60, -20.0)], [(50, -5.0), (45, -4.0), (40, -20.0)], now)
    assert cloud.rows(alert) == []

    looks_back(cloud)

    (row,) = cloud.rows(alert)
    assert (row.state, row.retroactive, row.evidence["track"]) == ("resolved", True, "backlog")
    assert (row.fired_ms, row.resolved_ms) == (now - 50 * MINUTE, now - 40 * MINUTE)
    assert (told(cloud, "alert.firing"), told(cloud, "alert.resolved"), told(cloud, "alert.updated")) == (1, 1, 0)
    assert left(cloud) == 0
    cloud.stop()
    cloud.start()
    looks_back(cloud)
    assert (len(cloud.rows(alert)), told(cloud, "alert.firing")) == (1, 1)


def test_nothing_that_sql_still_knows_is_found_again(cloud: Cloud, edge: EdgeNode) -> None:
    restore(cloud, edge, [(60, -20.0), (55, -5.0), (52, -20.0)], [(50, -20.0), (40, -20.0)], now_ms())
    (before,) = cloud.rows(alert)
    looks_back(cloud)
    assert cloud.rows(alert) == [before]


def test_an_alert_that_sql_has_open_stays_and_says_when_it_was_over(cloud: Cloud, edge: EdgeNode) -> None:
    now = now_ms()
    restore(cloud, edge, [(60, -20.0), (55, -5.0)], [(50, -20.0), (45, -5.0), (40, -20.0)], now)
    looks_back(cloud)
    known, found = sorted(cloud.rows(alert), key=lambda row: row.opened_ms)
    assert (known.state, known.evidence["back_in_range_ms"]) == ("firing", now - 50 * MINUTE)
    assert (found.fired_ms, found.resolved_ms, found.retroactive) == (now - 45 * MINUTE, now - 40 * MINUTE, True)

    send(edge, LATER, [(0, -20.0)], now_ms())
    assert {row.state for row in cloud.rows(alert)} == {"resolved"}


def test_what_lasts_beyond_the_span_becomes_one_with_the_live_alert(cloud: Cloud, edge: EdgeNode) -> None:
    now = now_ms()
    restore(cloud, edge, [(60, -20.0)], [(9, -5.0), (2, -5.0)], now)
    again = looks_back(cloud)
    (row,) = cloud.rows(alert)
    assert (row.state, row.retroactive, left(cloud), again.left) == ("firing", True, 1, 0)

    send(edge, LATER, [(0, -5.0)], now_ms())
    looks_back(cloud)

    (live,) = cloud.rows(alert, state="firing")
    assert (live.fired_ms, live.evidence["continues"]) == (now - 9 * MINUTE, row.id)
    (late,) = cloud.rows(alert, id=row.id)
    assert (late.state, late.evidence["continued_by"], left(cloud)) == ("resolved", live.id, 0)


def test_what_lasts_beyond_the_span_ends_by_samples_in_range(cloud: Cloud, edge: EdgeNode) -> None:
    restore(cloud, edge, [(60, -20.0)], [(9, -5.0), (2, -5.0)], now_ms())
    again = looks_back(cloud)
    ended = now_ms()
    send(edge, LATER, [(0, -20.0)], ended)
    again.step()
    assert cloud.rows(alert)[0].state == "firing"
    looks_back(cloud, lambda: now_ms() + 2 * FOLLOW_MS)
    (row,) = cloud.rows(alert)
    assert (row.state, row.resolved_ms, left(cloud)) == ("resolved", ended, 0)


def test_what_a_gateway_sent_again_is_not_found_twice(cloud: Cloud, edge: EdgeNode) -> None:
    now = now_ms()
    excursion = [(50, -5.0), (45, -4.0), (40, -20.0)]
    restore(cloud, edge, [(60, -20.0)], excursion, now)
    send(edge, LATER, [(0, -20.0)], now_ms())
    send(edge, LATER + 1, excursion, now)
    assert len(cloud.rows(alert)) == 1
    looks_back(cloud)
    assert (len(cloud.rows(alert)), told(cloud, "alert.firing"), left(cloud)) == (1, 0, 0)


def test_a_pause_counts_for_what_is_forgotten(cloud: Cloud, edge: EdgeNode) -> None:
    now = now_ms()
    restore(cloud, edge, [(60, -20.0)], [(50, -5.0), (40, -20.0)], now)
    span = (now - 55 * MINUTE, now - 35 * MINUTE)
    with cloud.engine.begin() as connection:
        add_pause(connection, Pause(0, AssetState.MAINTENANCE, "site-a", "", "", *span, "cleaning", "ann"), now_ms())
    looks_back(cloud)
    assert (cloud.rows(alert), left(cloud)) == ([], 0)


def test_a_store_that_is_away_is_asked_again_and_said(cloud: Cloud, edge: EdgeNode) -> None:
    now = now_ms()
    restore(cloud, edge, [(60, -20.0)], [(50, -5.0), (40, -20.0)], now)
    again = retrospect(cloud)
    cloud.store.close()
    with pytest.raises(UnavailableError):
        for _ in range(3):
            again.step()
    with cloud.engine.connect() as connection:
        assert forgotten.stuck(connection, now_ms()) == ""
        assert "not ruled yet" in forgotten.stuck(connection, now_ms() + 2 * forgotten.STUCK_MS)
    cloud.stop()
    cloud.start()
    looks_back(cloud)
    assert (len(cloud.rows(alert)), left(cloud)) == (1, 0)


def test_days_are_ruled_part_by_part(cloud: Cloud, edge: EdgeNode) -> None:
    now, day = now_ms(), 24 * 60
    restore(
        cloud, edge, [(5 * day, -20.0)], [(4 * day, -5.0), (4 * day - 5, -20.0), (day, -5.0), (day - 5, -20.0)], now
    )
    again = looks_back(cloud)
    while again.left:
        again.step()
    assert sorted(row.fired_ms for row in cloud.rows(alert)) == [now - 4 * day * MINUTE, now - day * MINUTE]
    assert left(cloud) == 0


@pytest.mark.parametrize(("last", "lasts", "fired"), [("10m", "10m", 45), ("12m", "6m", 43)])
def test_what_was_pending_in_sql_becomes_one_incident(
    tmp_path: Path, mosquitto: Mosquitto, last: str, lasts: str, fired: int
) -> None:
    patient = RuleSet.of([parse(TOO_WARM | {"for": last, "max_gap": lasts}, "test")])
    cloud, now = Cloud(tmp_path, mosquitto, patient), now_ms()
    with cloud.running(), EdgeNode(mosquitto.host, mosquitto.port, "gw-1") as edge:
        edge.wait_for_host()
        edge.birth([room()])
        restore(cloud, edge, [(60, -20.0), (55, -5.0)], [(50, -5.0), (45, -5.0), (42, -5.0), (40, -20.0)], now)
        send(edge, LATER, [(0, -20.0)], now_ms())
        looks_back(cloud)
        (found,) = cloud.rows(alert)
        assert (found.state, found.fired_ms, left(cloud)) == ("resolved", now - fired * MINUTE, 0)
