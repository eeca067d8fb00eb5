"""SQL that somebody else has locked, while batches of a run come that ingest has not met before."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text

from frostline_cloud.sql import open_engine
from frostline_cloud.sql.tables import device
from frostline_core.rules import RuleSet
from tests.support.edge_node import EdgeNode, mark, now_ms, room
from tests.support.ingest_cloud import RUN, Cloud
from tests.support.services import Mosquitto, eventually


def test_ingest_says_offline_lives_on_and_takes_it_in_afterwards(tmp_path: Path, mosquitto: Mosquitto) -> None:
    cloud = Cloud(tmp_path, mosquitto, RuleSet.of([]), offline_after_s=1)
    cloud.start()
    try:
        with EdgeNode(mosquitto.host, mosquitto.port, "gw-1") as edge:
            edge.wait_for_host()
            edge.birth([room()])
            eventually(lambda: cloud.rows(device, online=True))
            other = open_engine(f"sqlite:///{tmp_path}/frostline.db")
            with other.begin() as connection:
                connection.execute(text("UPDATE node SET online = online"))
                edge.data("freezer-1", {"air_temperature": -20.0}, now_ms(), mark(RUN, 1))
                eventually(lambda: edge.states[-1:] == [False])
            other.dispose()
            assert cloud.ingest.failure is None
            eventually(lambda: edge.states[-1:] == [True])
            edge.birth([room()], {RUN: 1})
            edge.data("freezer-1", {"air_temperature": -20.0}, now_ms(), mark(RUN, 1))
            eventually(lambda: edge.committed(RUN) == 1)
    finally:
        cloud.stop()


def test_a_birth_waits_for_sql_and_a_short_lock_is_no_outage(tmp_path: Path, mosquitto: Mosquitto) -> None:
    cloud = Cloud(tmp_path, mosquitto, RuleSet.of([]))
    cloud.start()
    try:
        with EdgeNode(mosquitto.host, mosquitto.port, "gw-1") as edge:
            edge.wait_for_host()
            other = open_engine(f"sqlite:///{tmp_path}/frostline.db")
            with other.begin() as connection:
                connection.execute(text("UPDATE node SET online = online"))
                edge.birth([room()])
                edge.data("freezer-1", {"air_temperature": -20.0}, now_ms(), mark(RUN, 1))
                eventually(lambda: "persist" in cloud.ingest.status.notes)
                assert edge.committed(RUN) == 0
            other.dispose()

            def told() -> bool:
                edge.data("freezer-1", {"air_temperature": -20.0}, now_ms(), mark(RUN, 1))
                return edge.committed(RUN) == 1

            eventually(told, every_s=0.2)
            assert [row.device for row in cloud.rows(device, online=True)] == ["freezer-1"]
            assert False not in edge.states[edge.states.index(True) :]
    finally:
        cloud.stop()
