"""SQL that was restored from a backup: the store knows better, and what SQL has forgotten is listed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from frostline_cloud.sql.tables import loss
from frostline_core.rules import RuleSet
from tests.support.edge_node import EdgeNode, mark, now_ms, room
from tests.support.ingest_cloud import RUN, Cloud
from tests.support.services import Mosquitto, eventually


def test_a_restored_sql_is_noticed_once_and_its_gap_listed(
    tmp_path: Path, mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    cloud = Cloud(tmp_path, mosquitto, RuleSet.of([]))
    database, backup = tmp_path / "frostline.db", tmp_path / "backup.db"
    cloud.start()
    with EdgeNode(mosquitto.host, mosquitto.port, "gw-1") as edge:
        edge.wait_for_host()
        edge.birth([room()])
        edge.data("freezer-1", {"air_temperature": -20.0}, now_ms(), mark(RUN, 1))
        eventually(lambda: edge.committed(RUN) == 1)
        cloud.stop()
        shutil.copy(database, backup)
        copied_ms = now_ms()
        cloud.start()
        assert cloud.rows(loss) == []
        eventually(lambda: edge.states[-1:] == [True])
        for n in (2, 3):
            edge.data("freezer-1", {"air_temperature": -20.0}, now_ms(), mark(RUN, n))
            eventually(lambda n=n: edge.committed(RUN) == n)  # type: ignore[misc]
        cloud.stop()
    shutil.copy(backup, database)
    cloud.start()
    (lost,) = cloud.rows(loss)
    assert (lost.site, lost.node, lost.run, lost.reason) == ("site-a", "gw-1", None, "host state restored")
    assert lost.from_ms <= copied_ms <= lost.to_ms
    assert [each.message for each in caplog.records if each.levelname == "ERROR" and "restored" in each.message]
    cloud.stop()
    cloud.start()
    assert len(cloud.rows(loss)) == 1
    cloud.stop()
