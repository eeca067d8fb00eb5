"""A store that refuses a row for what it is: the row is a dead letter with its bytes, and the rest is written."""

from __future__ import annotations

from pathlib import Path

import httpx

from frostline_cloud.sql.tables import account, dead_letter
from frostline_cloud.store.config import StoreConfig
from frostline_core.rules import RuleSet
from tests.support.edge_node import EdgeNode, mark, now_ms, room
from tests.support.ingest_cloud import RUN, Cloud
from tests.support.services import PATIENCE_S, Influxd, Mosquitto, eventually


def test_a_row_that_the_store_refuses_is_a_dead_letter_and_the_others_are_written(
    tmp_path: Path, mosquitto: Mosquitto, influxd: Influxd
) -> None:
    influxd.create_database("refuses")
    of_another_writer = 'cold_room,site=x,node=x,device=x,zone=x setpoint="text"'
    httpx.post(f"{influxd.url}/write?db=refuses", content=of_another_writer, timeout=PATIENCE_S).raise_for_status()
    kept_in = StoreConfig(kind="influxdb1", url=influxd.url, database="refuses")
    cloud, now = Cloud(tmp_path, mosquitto, RuleSet.of([]), linger_ms=300, kept_in=kept_in), now_ms()
    cloud.start()
    try:
        with EdgeNode(mosquitto.host, mosquitto.port, "gw-1") as edge:
            edge.wait_for_host()
            edge.birth([room(metrics=("air_temperature", "setpoint"))])
            edge.data("freezer-1", {"air_temperature": -19.0}, now - 2, mark(RUN, 1))
            edge.data("freezer-1", {"air_temperature": -20.0, "setpoint": -18.0}, now - 1, mark(RUN, 2))
            edge.data("freezer-1", {"air_temperature": -21.0}, now, mark(RUN, 3))
            eventually(lambda: edge.committed(RUN) == 3)
        (letter,) = cloud.rows(dead_letter)
        assert letter.reason.startswith("rejected by the store: ")
        assert "field type conflict" in letter.reason
        assert letter.samples == 2
        assert letter.raw
        (row,) = cloud.rows(account)
        assert (row.received, row.written, row.dead_lettered, row.duplicate) == (4, 2, 2, 0)
        assert cloud.count() == 2
    finally:
        cloud.stop()
