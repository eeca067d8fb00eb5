"""Messages that need a birth: a plain node's wait for it, a proved node's come again, and nobody waits for ever."""

from __future__ import annotations

from sqlalchemy import text

from frostline_cloud.sql.tables import account, dead_letter, loss, run
from frostline_core.commit import run_text
from frostline_core.sparkplug import Metric, Outgoing
from frostline_core.sparkplug import parse as parse_payload
from tests.support.edge_node import EdgeNode, mark, now_ms, room
from tests.support.ingest_cloud import RUN, Cloud
from tests.support.services import eventually


def test_what_a_plain_node_sends_before_its_birth_is_heard_is_stored_after_it(cloud: Cloud) -> None:
    with EdgeNode(cloud.broker.host, cloud.broker.port, "gw-1", proved=False) as edge:
        edge.wait_for_host()
        edge.birth([room()])
        eventually(lambda: cloud.ingest.status.messages >= 2)
        cloud.restart(edge)
        began = now_ms()
        for n in range(3):
            edge.data("freezer-1", {"air_temperature": -20.0 - n}, began + n)
        eventually(lambda: cloud.ingest.status.unresolved == 3 and edge.rebirths)
        assert cloud.count() == 0
        edge.birth([room()])
        eventually(lambda: cloud.count() == 3)
    eventually(lambda: cloud.rows(account)[0].written == 3)
    assert cloud.rows(loss) == []


def unreadable(edge: EdgeNode, n: int) -> Outgoing:
    """A batch whose one measurement has an alias that no birth declared."""
    from frostline_core.commit import BATCH, pack_batch

    value = pack_batch(mark(RUN, n))
    metrics = [
        Metric("air_temperature", None, now_ms(), None, -20.0),
        Metric(BATCH, None, now_ms(), None, value, is_transient=True),
    ]
    made = edge.session.data(now_ms(), "freezer-1", metrics)
    message = parse_payload(made.payload)
    message.metrics[0].alias = 9_999
    return Outgoing(made.topic, message.SerializeToString(), made.qos, made.retain)


def test_a_batch_that_three_births_do_not_make_readable_is_given_up_with_its_bytes(cloud: Cloud) -> None:
    with EdgeNode(cloud.broker.host, cloud.broker.port, "gw-1") as edge:
        edge.wait_for_host()
        edge.birth([room()])
        for births in range(4):
            assert edge.committed(RUN) == 0, f"after {births} further births"
            seen = cloud.ingest.status.unresolved
            edge.publish(unreadable(edge, 1))
            eventually(lambda seen=seen: cloud.ingest.status.unresolved > seen)  # type: ignore[misc]
            if births < 3:
                edge.birth([room()])
        eventually(lambda: edge.committed(RUN) == 1)
        edge.data("freezer-1", {"air_temperature": -20.0}, now_ms(), mark(RUN, 2))
        eventually(lambda: edge.committed(RUN) == 2)
    (lost,) = cloud.rows(loss)
    assert (lost.run, lost.first, lost.last) == (run_text(RUN), 1, 1)
    assert "three births" in lost.reason
    (letter,) = cloud.rows(dead_letter)
    assert letter.topic == "spBv1.0/site-a/DDATA/gw-1/freezer-1"
    (row,) = cloud.rows(run)
    assert row.committed == 2
    assert cloud.count() == 1


def test_a_birth_that_sql_refuses_is_a_dead_letter_and_ingest_lives(cloud: Cloud) -> None:
    refuse = (
        "CREATE TRIGGER refuse BEFORE INSERT ON metric WHEN NEW.metric = 'cursed' "
        "BEGIN SELECT RAISE(ABORT, 'not this metric'); END"
    )
    with cloud.engine.begin() as connection:
        connection.execute(text(refuse))
    with EdgeNode(cloud.broker.host, cloud.broker.port, "gw-1") as edge:
        edge.wait_for_host()
        edge.birth([room("freezer-2", ["cursed"]), room()])
        edge.data("freezer-1", {"air_temperature": -20.0}, now_ms(), mark(RUN, 1))
        eventually(lambda: edge.committed(RUN) == 1)
        eventually(lambda: cloud.rows(dead_letter))
    (letter,) = cloud.rows(dead_letter)
    assert letter.topic == "spBv1.0/site-a/DBIRTH/gw-1/freezer-2"
    assert "not this metric" in letter.reason
    assert cloud.ingest.alive
