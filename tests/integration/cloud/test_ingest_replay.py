"""Dead letters taken in after all, and spans asked for again: on a real ingest."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import update

from frostline_cloud.ingest.errands import REFETCH, NotPossibleError, Refetch
from frostline_cloud.replay import replay, waiting
from frostline_cloud.sql.ledger import Span
from frostline_cloud.sql.tables import account, alert, dead_letter, device
from frostline_core.errors import UnavailableError
from frostline_core.reading import DataType
from frostline_core.sparkplug import BirthMetric, DeviceBirth, WriteAsked
from tests.support.edge_node import EdgeNode, mark, now_ms, room
from tests.support.ingest_cloud import PLACE, RUN, Cloud
from tests.support.services import eventually

HOUR_MS = 3_600_000


@pytest.fixture
def edge(cloud: Cloud) -> Iterator[EdgeNode]:
    with EdgeNode(cloud.broker.host, cloud.broker.port, "gw-1") as node:
        node.wait_for_host()
        node.birth([room(metrics=("air_temperature", "setpoint"))])
        yield node


def from_the_future(cloud: Cloud, edge: EdgeNode) -> int:
    """Sends a sample an hour ahead of its time, and waits until it is a dead letter."""
    edge.data("freezer-1", {"air_temperature": -5.0}, now_ms() + HOUR_MS, mark(RUN, 1))
    eventually(lambda: edge.committed(RUN) == 1)
    (letter,) = cloud.rows(dead_letter)
    return int(letter.id)


def take_in(cloud: Cloud, letter_id: int, at_ms: int) -> tuple[int, str]:
    done = replay(cloud.engine, cloud.store, letter_id, at_ms)
    assert done is not None
    return done.samples, done.reason


def test_a_letter_stays_while_its_cause_lasts(cloud: Cloud, edge: EdgeNode) -> None:
    samples, reason = take_in(cloud, from_the_future(cloud, edge), now_ms())
    assert samples == 0
    assert "stamped in the future" in reason
    assert cloud.rows(dead_letter)[0].replayed_ms is None


def test_a_letter_is_stored_and_moves_in_the_account_and_no_rule_sees_it(cloud: Cloud, edge: EdgeNode) -> None:
    letter = from_the_future(cloud, edge)
    later = now_ms() + 2 * HOUR_MS
    assert take_in(cloud, letter, later) == (1, "")
    (bucket,) = cloud.store.series(PLACE, "air_temperature", 0, later, 1)
    assert bucket.mean == -5.0
    (row,) = cloud.rows(account)
    assert (row.received, row.written, row.dead_lettered, row.duplicate) == (1, 1, 0, 0)
    assert cloud.rows(dead_letter)[0].replayed_ms == later
    assert cloud.rows(alert) == []


def test_a_letter_is_taken_in_once(cloud: Cloud, edge: EdgeNode) -> None:
    letter = from_the_future(cloud, edge)
    later = now_ms() + 2 * HOUR_MS
    take_in(cloud, letter, later)
    assert take_in(cloud, letter, later) == (0, "it was taken in before")
    assert cloud.rows(account)[0].written == 1
    assert waiting(cloud.engine, Span()) == []


def test_a_birth_that_deals_the_aliases_anew_changes_no_name(cloud: Cloud, edge: EdgeNode) -> None:
    letter = from_the_future(cloud, edge)
    edge.birth([room(metrics=("defrost", "setpoint", "air_temperature"))])
    edge.data("freezer-1", {"setpoint": -18.0}, now_ms(), mark(RUN, 2))
    eventually(lambda: edge.committed(RUN) == 2)
    later = now_ms() + 2 * HOUR_MS
    assert take_in(cloud, letter, later) == (1, "")
    found = {each.field: each.value for each in cloud.store.latest(PLACE)}
    assert found == {"air_temperature": -5.0, "setpoint": -18.0}


def test_a_letter_whose_aliases_nobody_knows_stays_after_another_birth(cloud: Cloud, edge: EdgeNode) -> None:
    letter = from_the_future(cloud, edge)
    with cloud.engine.begin() as connection:
        connection.execute(update(dead_letter).values(names=None, at_ms=now_ms() - HOUR_MS))
    samples, reason = take_in(cloud, letter, now_ms() + 2 * HOUR_MS)
    assert samples == 0
    assert "nobody knows what the alias" in reason


def test_bytes_that_are_no_sparkplug_stay(cloud: Cloud, edge: EdgeNode) -> None:
    from frostline_core.sparkplug import Outgoing

    edge.publish(Outgoing("spBv1.0/site-a/DDATA/gw-1/freezer-1", b"\xff\xfe not protobuf", 0, False))
    eventually(lambda: cloud.rows(dead_letter))
    samples, reason = take_in(cloud, cloud.rows(dead_letter)[0].id, now_ms())
    assert samples == 0
    assert "no Sparkplug B" in reason
    assert replay(cloud.engine, cloud.store, 999, now_ms()) is None


# ---- refetch ---------------------------------------------------------------------------------------------------------
def test_a_gateway_that_offers_it_is_asked_for_a_span(cloud: Cloud) -> None:
    with EdgeNode(cloud.broker.host, cloud.broker.port, "gw-9", proved=False) as edge:
        edge.wait_for_host()
        offer = [BirthMetric(REFETCH, DataType.STRING)]
        for outgoing in edge.session.birth(now_ms(), offer, [DeviceBirth(room(), {})]):
            edge.publish(outgoing)
        eventually(lambda: cloud.rows(device, node="gw-9", online=True))
        cloud.ingest.refetch(Refetch("site-a", "gw-9", 1000, 2000, "freezer-1"))
        wanted = WriteAsked("", REFETCH, json.dumps({"from_ms": 1000, "to_ms": 2000, "device": "freezer-1"}))
        eventually(lambda: wanted in edge.commands)


def test_a_gateway_that_does_not_offer_it_is_not_asked(cloud: Cloud, edge: EdgeNode) -> None:
    eventually(lambda: cloud.rows(device, online=True))
    with pytest.raises(NotPossibleError, match="does not offer"):
        cloud.ingest.refetch(Refetch("site-a", "gw-1", 1000, 2000))
    with pytest.raises(NotPossibleError, match="not online"):
        cloud.ingest.refetch(Refetch("site-a", "gw-7", 1000, 2000))


def test_an_ingest_that_does_not_answer_has_sent_nothing(cloud: Cloud) -> None:
    cloud.ingest.stop()
    with pytest.raises(UnavailableError, match="nothing was sent"):
        cloud.ingest._errands.ask(lambda: None, 0.05)
