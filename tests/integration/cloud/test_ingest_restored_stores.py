"""SQL that was restored over a real InfluxDB and VictoriaMetrics: what it has forgotten is found there too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from frostline_cloud.ingest.retrospect import FOLLOW_MS
from frostline_cloud.sql.tables import alert
from frostline_cloud.store.config import StoreConfig
from frostline_core.rules import RuleSet, parse
from tests.support.edge_node import EdgeNode, now_ms, room
from tests.support.ingest_cloud import PLACE, TOO_WARM, Cloud
from tests.support.restored import LATER, MINUTE, Samples, left, looks_back, restore, send, told
from tests.support.services import Influxd, Mosquitto, VictoriaMetrics, eventually


@dataclass(frozen=True, slots=True)
class Scene:
    """A cloud, one gateway, and what makes everything that was written visible."""

    cloud: Cloud
    edge: EdgeNode
    settle: Callable[[], None]


@pytest.fixture(params=["influxdb1", "victoriametrics"])
def scene(request: pytest.FixtureRequest, tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Scene]:
    folder = tmp_path / "server"
    folder.mkdir()
    with Influxd(folder) if request.param == "influxdb1" else VictoriaMetrics(folder) as server:
        if isinstance(server, Influxd):
            server.create_database("frostline")
        kept_in = StoreConfig(kind=request.param, url=server.url)
        cloud = Cloud(tmp_path, mosquitto, RuleSet.of([parse(TOO_WARM, "test")]), kept_in=kept_in)
        cloud.start()
        try:
            with EdgeNode(mosquitto.host, mosquitto.port, "gw-1") as edge:
                edge.wait_for_host()
                edge.birth([room()])
                yield Scene(cloud, edge, server.flush if isinstance(server, VictoriaMetrics) else lambda: None)
        finally:
            cloud.stop()


def goes_back(scene: Scene, known: Samples, forgotten_samples: Samples, now: int) -> None:
    """SQL forgets; the store shows all that it has, which the clock of `looks_back` takes for granted."""
    restore(scene.cloud, scene.edge, known, forgotten_samples, now)
    shows(scene, len(known) + len(forgotten_samples))


def shows(scene: Scene, samples: int) -> None:
    def does() -> bool:
        scene.settle()
        now = now_ms()
        day_ms = 24 * 60 * MINUTE
        found = scene.cloud.store.series(PLACE, "air_temperature", now - 7 * day_ms, now + MINUTE, day_ms)
        return sum(each.count for each in found) == samples

    eventually(does)


def test_a_forgotten_excursion_is_found_once_in_a_server(scene: Scene) -> None:
    now, cloud = now_ms(), scene.cloud
    goes_back(scene, [(60, -20.0)], [(50, -5.0), (45, -4.0), (40, -20.0)], now)

    looks_back(cloud)

    (row,) = cloud.rows(alert)
    assert (row.state, row.retroactive, row.evidence["track"]) == ("resolved", True, "backlog")
    assert (row.fired_ms, row.resolved_ms) == (now - 50 * MINUTE, now - 40 * MINUTE)
    assert (told(cloud, "alert.firing"), told(cloud, "alert.resolved"), left(cloud)) == (1, 1, 0)
    looks_back(cloud)
    assert (len(cloud.rows(alert)), told(cloud, "alert.firing")) == (1, 1)


def test_days_are_ruled_part_by_part_from_a_server(scene: Scene) -> None:
    now, day, cloud = now_ms(), 24 * 60, scene.cloud
    warm = [4 * day, 2 * day, day]
    changes = [each for began in warm for each in ((began, -5.0), (began - 5, -20.0))]
    goes_back(scene, [(5 * day, -20.0)], changes, now)
    again = looks_back(cloud)
    while again.left:
        again.step()
    assert sorted(row.fired_ms for row in cloud.rows(alert)) == [now - began * MINUTE for began in warm]
    assert left(cloud) == 0


def test_what_lasts_beyond_the_span_is_followed_in_a_server_to_its_end(scene: Scene) -> None:
    cloud = scene.cloud
    goes_back(scene, [(60, -20.0)], [(9, -5.0), (2, -5.0)], now_ms())
    looks_back(cloud)
    assert cloud.rows(alert)[0].state == "firing"
    ended = now_ms()
    send(scene.edge, LATER, [(0, -20.0)], ended)
    shows(scene, 4)

    looks_back(cloud, lambda: now_ms() + 2 * FOLLOW_MS)

    (row,) = cloud.rows(alert)
    assert (row.state, row.resolved_ms, left(cloud)) == ("resolved", ended, 0)
