"""Rules that change while ingest runs: in force without a restart, and what did not change goes on as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from frostline_cloud.rules import Change, change_rule, create_rule, retire_rule
from frostline_cloud.sql.tables import alert, alert_event
from tests.support.edge_node import EdgeNode, mark, now_ms, room
from tests.support.ingest_cloud import RUN, TOO_WARM, Cloud
from tests.support.services import eventually

WARMISH = TOO_WARM | {"id": "warmish", "title": "Warmish", "severity": "warning", "above": -20.0}


@pytest.fixture
def edge(cloud: Cloud) -> Iterator[EdgeNode]:
    """A freezer that is too warm by the rule of the file."""
    with EdgeNode(cloud.broker.host, cloud.broker.port, "gw-1") as made:
        made.wait_for_host()
        made.birth([room()])
        made.data("freezer-1", {"air_temperature": -5.0}, now_ms(), mark(RUN, 1))
        eventually(lambda: states(cloud) == {"too-warm": "firing"})
        yield made


def states(cloud: Cloud) -> dict[str, str]:
    return {row.rule: row.state for row in cloud.rows(alert)}


def test_a_new_rule_fires_without_a_restart_and_what_fired_fires_on(cloud: Cloud, edge: EdgeNode) -> None:
    with cloud.engine.begin() as connection:
        create_rule(connection, cloud.rules, WARMISH, Change(now_ms(), "anna"))
    eventually(lambda: cloud.ingest._parts.evaluator.rules.rule("warmish") is not None)
    edge.data("freezer-1", {"air_temperature": -5.0}, now_ms(), mark(RUN, 2))

    eventually(lambda: states(cloud) == {"too-warm": "firing", "warmish": "firing"})
    assert [row.after for row in cloud.rows(alert_event, alert=cloud.rows(alert, rule="too-warm")[0].id)] == ["firing"]


def test_a_new_limit_counts_from_the_next_sample_on(cloud: Cloud, edge: EdgeNode) -> None:
    with cloud.engine.begin() as connection:
        create_rule(connection, cloud.rules, WARMISH, Change(now_ms(), "anna"))
    eventually(lambda: cloud.ingest._parts.evaluator.rules.rule("warmish") is not None)
    edge.data("freezer-1", {"air_temperature": -5.0}, now_ms(), mark(RUN, 2))
    eventually(lambda: states(cloud).get("warmish") == "firing")
    before = cloud.ingest._parts.evaluator
    with cloud.engine.begin() as connection:
        change_rule(connection, WARMISH | {"above": 0.0}, 1, Change(now_ms(), "anna"))
    eventually(lambda: cloud.ingest._parts.evaluator is not before)
    edge.data("freezer-1", {"air_temperature": -5.0}, now_ms(), mark(RUN, 3))

    eventually(lambda: states(cloud) == {"too-warm": "firing", "warmish": "resolved"})


def test_the_alerts_of_a_rule_that_is_taken_out_of_force_resolve(cloud: Cloud, edge: EdgeNode) -> None:
    with cloud.engine.begin() as connection:
        create_rule(connection, cloud.rules, WARMISH, Change(now_ms(), "anna"))
    eventually(lambda: cloud.ingest._parts.evaluator.rules.rule("warmish") is not None)
    edge.data("freezer-1", {"air_temperature": -5.0}, now_ms(), mark(RUN, 2))
    eventually(lambda: states(cloud).get("warmish") == "firing")
    with cloud.engine.begin() as connection:
        retire_rule(connection, "warmish", 1, now_ms())

    eventually(lambda: states(cloud) == {"too-warm": "firing", "warmish": "resolved"})


def test_a_restart_goes_on_with_rules_made_over_the_api(cloud: Cloud, edge: EdgeNode) -> None:
    with cloud.engine.begin() as connection:
        create_rule(connection, cloud.rules, WARMISH, Change(now_ms(), "anna"))
    cloud.restart(edge)
    edge.data("freezer-1", {"air_temperature": -5.0}, now_ms(), mark(RUN, 2))

    eventually(lambda: states(cloud) == {"too-warm": "firing", "warmish": "firing"})
