"""Faults of other systems that their users reported, on a real broker, SQL and InfluxDB: they cannot happen here.

Each test is named after the project and the number of the thread; `docs/alerts-proof.md` lists all of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from frostline_cloud.sql.tables import alert, alert_event
from frostline_cloud.store.config import StoreConfig
from frostline_core.rules import RuleSet, parse
from tests.support.edge_node import EdgeNode, mark, now_ms
from tests.support.influx_front import TOKEN, InfluxFront
from tests.support.ingest_cloud import RUN, TOO_WARM, Cloud
from tests.support.services import Influxd, Mosquitto, eventually

SILENT_S = 8
"""Longer than a busy machine stalls: the tests speak and listen in between."""
SILENT = {
    "id": "silent",
    "title": "A room says nothing",
    "type": "absence",
    "max_silence": f"{SILENT_S}s",
    "select": {"metric": "air_temperature"},
}


@pytest.fixture
def front(fresh_influxd: Influxd) -> Iterator[InfluxFront]:
    fresh_influxd.create_database("frostline")
    with InfluxFront(fresh_influxd.url) as started:
        yield started


@pytest.fixture
def cloud(tmp_path: Path, mosquitto: Mosquitto, front: InfluxFront) -> Iterator[Cloud]:
    (tmp_path / "token").write_text(TOKEN, encoding="utf-8")
    (tmp_path / "token").chmod(0o600)
    token = SecretStr(f"${{file:{tmp_path}/token}}")
    store = StoreConfig(kind="influxdb2", url=front.url, org="o", token=token)
    rules = RuleSet.of([parse(SILENT, "test"), parse(TOO_WARM, "test")])
    with Cloud(tmp_path, mosquitto, rules, kept_in=store, offline_after_s=1).running() as started:
        yield started


def states(cloud: Cloud, rule: str) -> list[str]:
    return [row.state for row in cloud.rows(alert, rule=rule)]


def send(edge: EdgeNode, n: int, value: float) -> None:
    edge.data("freezer-1", {"air_temperature": value}, now_ms(), mark(RUN, n))
    eventually(lambda: edge.committed(RUN) == n)


def store_fails(front: InfluxFront, edge: EdgeNode, seconds: float) -> None:
    """The store refuses for so long; the gateway says nothing meanwhile, as it does while the host is offline."""
    front.answer = (503, "away")
    edge.data("freezer-1", {"air_temperature": -5.0}, now_ms(), mark(RUN, 2))
    eventually(lambda: edge.states[-1:] == [False])
    time.sleep(seconds)
    front.answer = None
    eventually(lambda: edge.states[-1:] == [True])


def test_grafana_66647_a_database_that_fails_is_no_missing_data(
    cloud: Cloud, edge: EdgeNode, front: InfluxFront
) -> None:
    send(edge, 1, -20.0)

    store_fails(front, edge, SILENT_S + 2)
    send(edge, 2, -5.0)  # again, as gateways do
    send(edge, 3, -20.0)

    assert states(cloud, "silent") == []
    assert states(cloud, "too-warm") == ["resolved"], "and what came meanwhile is ruled"


def test_grafana_66647_while_it_fails_no_alert_changes(cloud: Cloud, edge: EdgeNode, front: InfluxFront) -> None:
    send(edge, 1, -5.0)
    (before,) = cloud.rows(alert, rule="too-warm")

    store_fails(front, edge, SILENT_S + 2)

    told = [row.note for row in cloud.rows(alert_event, alert=before.id)]
    assert (states(cloud, "too-warm"), [note for note in told if "no data" in note]) == (["firing"], [])


def test_grafana_16290_a_value_that_is_missing_waits_as_long_as_silence_does(cloud: Cloud, edge: EdgeNode) -> None:
    send(edge, 1, -20.0)
    began = time.monotonic()
    edge.data("freezer-1", {"air_temperature": None}, now_ms(), mark(RUN, 2))

    eventually(lambda: states(cloud, "silent") == ["firing"])

    assert time.monotonic() - began >= SILENT_S


def test_sparkplug_22_a_device_whose_death_was_lost_is_not_online_for_ever(cloud: Cloud, edge: EdgeNode) -> None:
    """No DDEATH, no NDEATH, the gateway's session goes on: the device is missed by its own clock."""
    send(edge, 1, -20.0)

    eventually(lambda: states(cloud, "silent") == ["firing"])

    send(edge, 2, -20.0)
    assert states(cloud, "silent") == ["resolved"]
