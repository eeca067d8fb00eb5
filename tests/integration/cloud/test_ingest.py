"""Ingest as a whole: a real broker, the embedded store, SQLite, and edge nodes of our own protocol."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import text

from frostline_cloud.sql import open_engine
from frostline_cloud.sql.tables import account, alert, dead_letter, device, loss, node, run
from frostline_core.commit import run_text
from tests.support.edge_node import EdgeNode, mark, now_ms, room
from tests.support.ingest_cloud import RUN, Cloud
from tests.support.services import eventually


def test_a_batch_is_stored_committed_and_counted(cloud: Cloud, edge: EdgeNode) -> None:
    edge.data("freezer-1", {"air_temperature": -20.0}, now_ms(), mark(RUN, 1))
    eventually(lambda: edge.committed(RUN) == 1)
    assert cloud.count() == 1
    (row,) = cloud.rows(account)
    assert (row.received, row.written, row.duplicate, row.dead_lettered) == (1, 1, 0, 0)


def test_a_batch_sent_twice_is_applied_once_and_answered_again(cloud: Cloud, edge: EdgeNode) -> None:
    at_ms = now_ms()
    edge.data("freezer-1", {"air_temperature": -20.0}, at_ms, mark(RUN, 1))
    eventually(lambda: edge.committed(RUN) == 1)
    told = len(edge.commits)

    def answered() -> bool:  # not more often than once in the linger time, hence again and again
        edge.data("freezer-1", {"air_temperature": -20.0}, at_ms, mark(RUN, 1))
        return len(edge.commits) > told

    eventually(answered, every_s=0.05)
    eventually(lambda: cloud.rows(account)[0].duplicate >= 1)
    assert cloud.count() == 1


def test_a_hole_is_answered_and_nothing_behind_it_is_applied(cloud: Cloud, edge: EdgeNode) -> None:
    edge.data("freezer-1", {"air_temperature": -20.0}, now_ms(), mark(RUN, 1))
    edge.data("freezer-1", {"air_temperature": -20.3}, now_ms() + 2, mark(RUN, 3))
    eventually(lambda: any(each.hole and each.run == RUN for each in edge.commits))
    assert edge.committed(RUN) <= 1
    assert cloud.count() <= 1
    eventually(lambda: cloud.ingest.status.holes == 1)


def test_a_gap_row_is_listed_as_lost_with_its_reason(cloud: Cloud, edge: EdgeNode) -> None:
    edge.gap(mark(RUN, 5, 1, 1), '{"reason": "spool budget", "samples": 12, "from_ms": 1000, "to_ms": 2000}')
    eventually(lambda: edge.committed(RUN) == 5)
    (row,) = cloud.rows(loss)
    assert (row.first, row.last, row.reason, row.samples) == (1, 5, "spool budget", 12)


def test_a_gap_whose_particulars_make_no_sense_is_listed_and_stops_nothing(cloud: Cloud, edge: EdgeNode) -> None:
    edge.gap(mark(RUN, 1, 1, 1), '{"reason": "r", "samples": NaN}')
    edge.gap(mark(RUN, 2, 1, 2), "[" * 50_000)
    edge.data("freezer-1", {"air_temperature": -20.0}, now_ms(), mark(RUN, 3))
    eventually(lambda: edge.committed(RUN) == 3)
    assert {(row.first, row.last, row.samples) for row in cloud.rows(loss) if row.run} == {(1, 1, None), (2, 2, None)}
    assert cloud.count() == 1


def test_readings_that_never_got_a_number_are_listed_as_lost_too(cloud: Cloud, edge: EdgeNode) -> None:
    edge.gap(mark(RUN, 1), '{"reason": "the disk is full", "samples": 7, "from_ms": 1000, "to_ms": 2000}')
    eventually(lambda: edge.committed(RUN) == 1)
    (row,) = cloud.rows(loss)
    found = (row.run, row.reason, row.samples, row.from_ms, row.to_ms)
    assert found == (None, "the disk is full", 7, 1000, 2000)


def test_numbers_that_the_gateway_no_longer_holds_are_listed_as_restored_state(cloud: Cloud, edge: EdgeNode) -> None:
    edge.data("freezer-1", {"air_temperature": -20.0}, now_ms(), mark(RUN, 4, base=4))
    eventually(lambda: edge.committed(RUN) == 4)
    (row,) = cloud.rows(loss)
    assert (row.first, row.last, row.reason) == (1, 3, "host state restored")


def test_a_birth_answers_what_is_committed_and_never_moves_it(cloud: Cloud, edge: EdgeNode) -> None:
    edge.data("freezer-1", {"air_temperature": -20.0}, now_ms(), mark(RUN, 1))
    eventually(lambda: edge.committed(RUN) == 1)
    edge.commits.clear()
    edge.birth([room()], {RUN: 9})
    eventually(lambda: edge.committed(RUN) == 1)
    (row,) = cloud.rows(run, run=run_text(RUN))
    assert (row.committed, row.announced) == (1, 9)


def test_a_crossing_fires_an_alert_in_the_same_transaction_as_the_commit(cloud: Cloud, edge: EdgeNode) -> None:
    edge.data("freezer-1", {"air_temperature": -5.0}, now_ms(), mark(RUN, 1))
    eventually(lambda: edge.committed(RUN) == 1)
    (row,) = cloud.rows(alert)
    assert (row.rule, row.device, row.state) == ("too-warm", "freezer-1", "firing")


def test_rule_state_and_aliases_survive_a_restart(cloud: Cloud, edge: EdgeNode) -> None:
    edge.data("freezer-1", {"air_temperature": -5.0}, now_ms(), mark(RUN, 1))
    eventually(lambda: edge.committed(RUN) == 1)
    cloud.restart(edge)
    edge.data("freezer-1", {"air_temperature": -20.0}, now_ms(), mark(RUN, 2))
    eventually(lambda: edge.committed(RUN) == 2)
    (row,) = cloud.rows(alert)
    assert row.state == "resolved"


def test_a_plain_node_is_ingested_with_its_births_and_marked_not_proved(cloud: Cloud) -> None:
    with EdgeNode(cloud.broker.host, cloud.broker.port, "gw-1", proved=False) as edge:
        edge.wait_for_host()
        edge.birth([room()])
        edge.data("freezer-1", {"air_temperature": -20.0}, now_ms())
        eventually(lambda: cloud.count() == 1 and cloud.rows(node))  # the store is written before SQL
    (row,) = cloud.rows(node)
    assert not row.proved


def test_a_will_takes_node_and_devices_offline(cloud: Cloud, edge: EdgeNode) -> None:
    eventually(lambda: cloud.rows(device, online=True))
    death = edge.session.death(now_ms())
    edge.publish(death)
    eventually(lambda: not cloud.rows(device, online=True) and not cloud.rows(node, online=True))


def test_malformed_sparkplug_goes_to_the_dead_letters_with_its_bytes(cloud: Cloud, edge: EdgeNode) -> None:
    from frostline_core.sparkplug import Outgoing

    edge.publish(Outgoing("spBv1.0/site-a/DDATA/gw-1/freezer-1", b"\xff\xfe not protobuf", 0, False))
    eventually(lambda: cloud.rows(dead_letter))
    (row,) = cloud.rows(dead_letter)
    assert row.raw == b"\xff\xfe not protobuf"
    assert (row.site, row.node, row.device) == ("site-a", "gw-1", "freezer-1")
    edge.data("freezer-1", {"air_temperature": -20.0}, now_ms(), mark(RUN, 1))
    eventually(lambda: edge.committed(RUN) == 1)


def test_a_sample_from_the_future_is_a_dead_letter_and_the_others_are_stored(cloud: Cloud, edge: EdgeNode) -> None:
    edge.data("freezer-1", {"air_temperature": -20.0}, now_ms() + 3_600_000, mark(RUN, 1))
    edge.data("freezer-1", {"air_temperature": -20.0}, now_ms(), mark(RUN, 2))
    eventually(lambda: edge.committed(RUN) == 2)
    (row,) = cloud.rows(dead_letter)
    assert "future" in row.reason
    assert cloud.count() == 1


@pytest.mark.parametrize("offline_after_s", [1.0])
def test_sql_that_cannot_write_makes_state_offline_and_online_again(cloud: Cloud, edge: EdgeNode) -> None:
    """A lock on the SQL file: nothing is committed, STATE says so, and all is well once it is gone."""
    release, held = threading.Event(), threading.Event()

    def hold() -> None:
        other = open_engine(f"sqlite:///{cloud.folder}/frostline.db")
        with other.begin() as connection:
            connection.execute(text("UPDATE node SET online = online"))
            held.set()
            release.wait(120)
        other.dispose()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(60)
    try:
        edge.data("freezer-1", {"air_temperature": -20.0}, now_ms(), mark(RUN, 1))
        eventually(lambda: edge.states[-1:] == [False])
        assert edge.committed(RUN) == 0
    finally:
        release.set()
        holder.join()
    eventually(lambda: edge.states[-1:] == [True])
    edge.birth([room()], {RUN: 1})
    edge.data("freezer-1", {"air_temperature": -20.0}, now_ms(), mark(RUN, 1))
    eventually(lambda: edge.committed(RUN) == 1)


def test_stop_says_offline_before_it_disconnects(cloud: Cloud, edge: EdgeNode) -> None:
    assert edge.states[-1] is True
    cloud.ingest.stop()
    eventually(lambda: edge.states[-1] is False)
