"""A device that is gone for good: its alerts end, nothing waits for it, and a birth brings it back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from frostline_cloud.ingest.errands import NotPossibleError, Retirement
from frostline_cloud.sql.tables import alert, alert_event, device, rule_state
from tests.support.edge_node import EdgeNode, mark, now_ms, room
from tests.support.ingest_cloud import RUN, Cloud
from tests.support.services import eventually

ROOM, OTHER = room(), room("freezer-2")


@pytest.fixture
def edge(cloud: Cloud) -> Iterator[EdgeNode]:
    """Two freezers, one of them too warm; then the config has only the other."""
    with EdgeNode(cloud.broker.host, cloud.broker.port, "gw-1") as made:
        made.wait_for_host()
        made.birth([ROOM, OTHER])
        made.data("freezer-1", {"air_temperature": -5.0}, now_ms(), mark(RUN, 1))
        eventually(lambda: [row.state for row in cloud.rows(alert)] == ["firing"])
        made.birth([OTHER])
        eventually(lambda: [row.device for row in cloud.rows(device, online=True)] == ["freezer-2"])
        yield made


def gone(name: str | None) -> Retirement:
    return Retirement("site-a", "gw-1", name, "ops")


def test_the_alerts_of_a_retired_device_resolve_and_say_why(cloud: Cloud, edge: EdgeNode) -> None:
    cloud.ingest.retire(gone("freezer-1"))
    eventually(lambda: [row.state for row in cloud.rows(alert)] == ["resolved"])
    assert [row.note for row in cloud.rows(alert_event, after="resolved")] == ["retired"]
    assert cloud.rows(rule_state, device="freezer-1", rule="too-warm") == []
    assert cloud.count() == 1
    del edge


def test_it_stays_retired_over_a_restart_and_a_birth_brings_it_back(cloud: Cloud, edge: EdgeNode) -> None:
    cloud.ingest.retire(gone("freezer-1"))
    eventually(lambda: [row.state for row in cloud.rows(alert)] == ["resolved"])
    cloud.restart(edge)
    assert [row.birth is None for row in cloud.rows(device, device="freezer-1")] == [True]
    edge.birth([ROOM, OTHER], {RUN: 1})
    edge.data("freezer-1", {"air_temperature": -4.0}, now_ms(), mark(RUN, 2))
    eventually(lambda: sorted(row.state for row in cloud.rows(alert)) == ["firing", "resolved"])
    assert [row.birth is None for row in cloud.rows(device, device="freezer-1")] == [False]


def test_what_is_heard_is_not_retired(cloud: Cloud, edge: EdgeNode) -> None:
    with pytest.raises(NotPossibleError, match="freezer-2 is online"):
        cloud.ingest.retire(gone("freezer-2"))
    with pytest.raises(NotPossibleError, match="gw-1 is online"):
        cloud.ingest.retire(gone(None))
    del edge


def test_a_gateway_is_retired_with_all_its_devices(cloud: Cloud, edge: EdgeNode) -> None:
    edge.publish(edge.session.death(now_ms()))
    eventually(lambda: cloud.rows(device, online=True) == [])
    cloud.ingest.retire(gone(None))
    eventually(lambda: [row.state for row in cloud.rows(alert)] == ["resolved"])
    assert [row.birth for row in cloud.rows(device)] == [None, None]
    cloud.stop()
    cloud.start()
    assert cloud.ingest.status.nodes == 0
