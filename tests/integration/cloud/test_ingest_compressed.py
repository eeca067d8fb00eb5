"""A gateway that compresses: ingest stores and commits what is inside, and names what it cannot inflate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from frostline_cloud.sql.tables import dead_letter
from frostline_core.rules import RuleSet
from frostline_core.sparkplug import Outgoing, Payload, encode
from frostline_core.sparkplug.compressed import COMPRESSED
from tests.support.edge_node import EdgeNode, mark, now_ms, room
from tests.support.ingest_cloud import PLACE, RUN, Cloud
from tests.support.services import Mosquitto, eventually

METRICS = tuple(f"temperature_{n}" for n in range(30))
MESSAGES = 40


@pytest.fixture
def cloud(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Cloud]:
    with Cloud(tmp_path, mosquitto, RuleSet.of([])).running() as started:
        yield started


class CountingNode(EdgeNode):
    """Compresses, and counts what it sent compressed."""

    compressed = 0

    def publish(self, outgoing: Outgoing) -> None:
        self.compressed += COMPRESSED in outgoing.payload
        super().publish(outgoing)


@pytest.fixture
def edge(cloud: Cloud) -> Iterator[CountingNode]:
    with CountingNode(cloud.broker.host, cloud.broker.port, "gw-1") as node:
        node.session.deflates = True
        node.wait_for_host()
        node.birth([room(metrics=METRICS)])
        yield node


def test_what_is_inside_is_stored_and_committed_in_order(cloud: Cloud, edge: CountingNode) -> None:
    began_ms = now_ms()
    for n in range(1, MESSAGES + 1):
        values = {name: float(n) for name in METRICS}
        edge.data("freezer-1", values, began_ms - 10_000 + n, mark(RUN, n))
        edge.data("freezer-1", {METRICS[0]: n + 0.5}, began_ms - 5_000 + n, mark(RUN + 1, n))  # too few to compress
    eventually(lambda: edge.committed(RUN) == edge.committed(RUN + 1) == MESSAGES)
    assert edge.compressed == MESSAGES
    assert edge.rebirths == 0
    assert [cloud.count(PLACE, name) for name in METRICS] == [2 * MESSAGES] + [MESSAGES] * (len(METRICS) - 1)


def test_what_cannot_be_inflated_is_a_dead_letter_with_its_bytes(cloud: Cloud, edge: CountingNode) -> None:
    raw = encode(Payload(now_ms(), 2, (), COMPRESSED.decode(), b"no zlib"))
    edge.publish(Outgoing("spBv1.0/site-a/DDATA/gw-1/freezer-1", raw, 0, False))
    eventually(lambda: cloud.rows(dead_letter))
    (row,) = cloud.rows(dead_letter)
    assert row.raw == raw
    assert "compressed payload" in row.reason
