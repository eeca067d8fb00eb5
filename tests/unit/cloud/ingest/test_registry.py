"""Births in SQL: many in one transaction, only what changed, and all of it there again after a restart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, event, insert, select, text, update

from frostline_cloud.ingest.refusal import RefusedDataError
from frostline_cloud.ingest.registry import Registry
from frostline_cloud.ingest.series import SeriesTable
from frostline_cloud.sql import open_engine
from frostline_cloud.sql.tables import device, metric, node, rule_state, run, site
from frostline_core.commit import COMMIT, RUNS, Commit, Runs, pack_runs, run_text
from frostline_core.errors import UnavailableError
from frostline_core.reading import DataType, DeviceDescription, MetricDescription
from frostline_core.rules import Evaluator, RuleSet, parse
from frostline_core.sparkplug import (
    BirthMetric,
    DeviceBirth,
    DeviceBorn,
    DeviceDied,
    EdgeSession,
    HostSession,
    NodeBack,
    NodeBorn,
    NodeDied,
    Outgoing,
)

ROOM = DeviceDescription("room-1", "cold_room", "f", (MetricDescription("t", DataType.DOUBLE, "Cel"),), {"a": "b"})
DOOR = DeviceDescription("door-1", "door", "f", (MetricDescription("open", DataType.BOOLEAN),))
RUN = 7
SILENT = {
    "id": "silent",
    "title": "Silent",
    "type": "absence",
    "severity": "critical",
    "max_silence": "5m",
    "select": {"metric": ["t", "open"]},
}


class Host:
    """A session and the registry behind it, as ingest runs them."""

    def __init__(self, engine: Engine, rules: Sequence[dict[str, Any]] = ()) -> None:
        self.session = HostSession("frostline")
        self.evaluator = Evaluator(RuleSet.of([parse(rule, "test") for rule in rules]))
        self.registry = Registry(engine, SeriesTable(self.evaluator))

    def hear(self, *messages: Outgoing, at_ms: int = 1_000) -> None:
        for each in messages:
            for came in self.session.receive(each.topic, each.payload, at_ms):
                self.take(came, at_ms)

    def take(self, came: object, at_ms: int) -> None:
        match came:
            case NodeBorn():
                self.registry.node_born(came, at_ms)
            case DeviceBorn():
                self.registry.device_born(came, at_ms)
            case NodeBack():
                self.registry.back(came)
            case NodeDied() | DeviceDied():
                self.registry.died(came)


def edge_node(name: str = "gw", bd_seq: int = 0) -> EdgeSession:
    return EdgeSession("s", name, bd_seq, "frostline")


def births(edge: EdgeSession, *devices: DeviceDescription, runs: bytes | None = None) -> list[Outgoing]:
    said = pack_runs(Runs(9, {RUN: 3}, False)) if runs is None else runs
    extra = [BirthMetric(RUNS, DataType.BYTES, said, 500), BirthMetric(COMMIT, DataType.BYTES)]
    return edge.birth(500, extra, [DeviceBirth(each) for each in devices])


def rows(engine: Engine, table: Any) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(select(table).order_by(*table.primary_key.columns)))


def counted(engine: Engine) -> list[str]:
    """From now on the statements that write, but for BEGIN."""
    found: list[str] = []

    def note(_c: object, _k: object, statement: str, *_rest: object) -> None:
        if not statement.startswith(("SELECT", "BEGIN")):
            found.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    return found


def test_births_of_a_burst_are_one_transaction_and_a_few_statements(engine: Engine) -> None:
    host = Host(engine)
    for number in range(50):
        host.hear(*births(edge_node(f"gw-{number}"), ROOM, DOOR, runs=pack_runs(Runs(9, {number + 1: 1}, False))))
    begun: list[object] = []
    event.listen(engine, "begin", begun.append)
    statements = counted(engine)
    host.registry.write(2_000)
    assert len(begun) == 1
    assert len(statements) <= 10
    assert (len(rows(engine, node)), len(rows(engine, device)), len(rows(engine, run))) == (50, 100, 50)


def test_nothing_is_pending_after_a_write(engine: Engine) -> None:
    host = Host(engine)
    host.hear(*births(edge_node(), ROOM))
    assert host.registry.pending
    host.registry.write(2_000)
    assert not host.registry.pending
    statements = counted(engine)
    host.registry.write(2_001)
    assert statements == []


def test_a_birth_says_what_the_device_is(engine: Engine) -> None:
    host = Host(engine)
    host.hear(*births(edge_node(), ROOM))
    host.registry.write(2_000)
    (found,) = rows(engine, device)
    assert (found.site, found.node, found.device, found.kind, found.zone) == ("s", "gw", "room-1", "cold_room", "f")
    assert (found.labels, found.online, found.birth_ms) == ({"a": "b"}, True, 1_000)
    assert [each.site for each in rows(engine, site)] == ["s"]
    (known,) = rows(engine, metric)
    assert (known.metric, known.datatype, known.unit) == ("t", 10, "Cel")


def test_an_unchanged_birth_writes_no_metrics(engine: Engine) -> None:
    host, edge = Host(engine), edge_node()
    host.hear(*births(edge, ROOM))
    host.registry.write(2_000)
    statements = counted(engine)
    host.hear(*births(edge, ROOM), at_ms=3_000)
    host.registry.write(3_000)
    assert not [each for each in statements if " metric " in each]
    assert rows(engine, device)[0].birth_ms == 3_000


def test_metrics_that_changed_or_went_are_written(engine: Engine) -> None:
    host, edge = Host(engine), edge_node()
    host.hear(*births(edge, ROOM))
    host.registry.write(2_000)
    host.hear(*births(edge, replace(ROOM, metrics=(MetricDescription("u", DataType.INT32),))))
    host.registry.write(3_000)
    assert [(each.metric, each.datatype) for each in rows(engine, metric)] == [("u", 3)]


def test_what_another_version_left_of_a_device_is_replaced(engine: Engine) -> None:
    with engine.begin() as connection:
        old = {"site": "s", "node": "gw", "device": "room-1", "datatype": 10, "unit": "", "writable": False}
        connection.execute(metric.insert(), [old | {"metric": "old"}])
    host = Host(engine)
    host.hear(*births(edge_node(), ROOM))
    host.registry.write(2_000)
    assert [each.metric for each in rows(engine, metric)] == ["t"]


def test_a_birth_answers_what_is_committed_and_notes_what_is_announced(engine: Engine) -> None:
    host, edge = Host(engine), edge_node()
    host.hear(*births(edge, ROOM))
    assert host.registry.write(2_000).answers == {("s", "gw"): [Commit(RUN, 0)]}
    with engine.begin() as connection:
        connection.execute(update(run).values(committed=2))
    host.hear(*births(edge, ROOM, runs=pack_runs(Runs(9, {RUN: 5}, False))))
    assert host.registry.write(3_000).answers == {("s", "gw"): [Commit(RUN, 2)]}
    (found,) = rows(engine, run)
    assert (found.announced, found.committed) == (5, 2)
    host.hear(*births(edge, ROOM, runs=pack_runs(Runs(9, {RUN: 4}, False))))
    host.registry.write(4_000)
    assert rows(engine, run)[0].announced == 5
    (known,) = rows(engine, node)
    assert (known.spool, known.held) == (f"{9:016x}", [run_text(RUN)])


def test_runs_that_cannot_be_read_are_refused_and_the_node_is_known(engine: Engine) -> None:
    host = Host(engine)
    with pytest.raises(RefusedDataError, match="Runs"):
        host.hear(*births(edge_node(), runs=b"\xff"))
    host.registry.write(2_000)
    assert [(each.node, each.held) for each in rows(engine, node)] == [("gw", None)]


def test_a_birth_that_sql_refuses_is_named_and_the_others_are_written(engine: Engine) -> None:
    host = Host(engine)
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE TRIGGER t BEFORE INSERT ON device WHEN new.device = 'bad' BEGIN SELECT RAISE(ABORT, 'no'); END"
            )
        )
    host.hear(*births(edge_node(), replace(ROOM, id="bad"), ROOM))
    done = host.registry.write(2_000)
    ((topic, raw, reason),) = done.refused
    assert topic == "spBv1.0/s/DBIRTH/gw/bad"
    assert raw
    assert "no" in reason
    assert done.answers == {("s", "gw"): [Commit(RUN, 0)]}
    assert [each.device for each in rows(engine, device)] == ["room-1"]
    assert not host.registry.pending


def test_while_sql_is_away_only_the_newest_of_each_is_kept(engine: Engine) -> None:
    host, edge = Host(engine), edge_node()
    host.hear(*births(edge, ROOM))
    other = open_engine(str(engine.url))
    with engine.connect() as fast:
        fast.exec_driver_sql("PRAGMA busy_timeout = 1")
    with other.begin() as connection:
        connection.execute(update(site).values(first_seen_ms=0))
        with pytest.raises(UnavailableError):
            host.registry.write(2_000)
    assert host.registry.pending
    host.hear(*births(edge, replace(ROOM, zone="g")), at_ms=3_000)
    host.registry.write(3_000)
    assert [(each.zone, each.birth_ms) for each in rows(engine, device)] == [("g", 3_000)]
    other.dispose()


def test_a_dead_node_takes_its_devices_along(engine: Engine) -> None:
    host, edge = Host(engine), edge_node()
    host.hear(*births(edge, ROOM, DOOR))
    host.registry.write(2_000)
    host.hear(edge.will(), at_ms=5_000)
    host.registry.write(5_000)
    assert [(each.online, each.death_ms) for each in rows(engine, node)] == [(False, 5_000)]
    assert [(each.online, each.death_ms) for each in rows(engine, device)] == [(False, 5_000)] * 2


def test_birth_and_death_in_one_burst_leave_the_last_of_them(engine: Engine) -> None:
    host, edge = Host(engine), edge_node()
    host.hear(*births(edge, ROOM, DOOR))
    host.hear(edge.device_death(600, "door-1"), at_ms=1_100)
    host.registry.write(2_000)
    assert [(each.device, each.online) for each in rows(engine, device)] == [("door-1", False), ("room-1", True)]
    host.hear(edge.will(), at_ms=3_000)
    host.hear(*births(edge_node(bd_seq=1), ROOM), at_ms=4_000)
    host.registry.write(4_000)
    assert [(each.online, each.death_ms) for each in rows(engine, node)] == [(True, None)]
    assert [(each.device, each.online) for each in rows(engine, device)] == [("door-1", False), ("room-1", True)]


def test_a_device_that_is_not_born_again_with_its_node_is_offline(engine: Engine) -> None:
    host, edge = Host(engine), edge_node()
    host.hear(*births(edge, ROOM, DOOR))
    host.registry.write(2_000)
    host.hear(*births(edge, ROOM), at_ms=3_000)
    host.registry.write(3_000)
    found = [(each.device, each.online, each.death_ms) for each in rows(engine, device)]
    assert found == [("door-1", False, 3_000), ("room-1", True, None)]


def test_after_a_restart_everybody_is_offline_until_heard(engine: Engine) -> None:
    host, edge = Host(engine), edge_node()
    host.hear(*births(edge, ROOM, DOOR))
    host.hear(edge.device_death(600, "door-1"), at_ms=1_100)
    host.registry.write(2_000)
    again = Host(engine)
    assert again.registry.restore(again.session, 9_000) == 1
    assert [each.online for each in rows(engine, node)] == [False]
    view = again.session.node("s", "gw")
    assert view is not None
    assert view.living == {"room-1"}
    view.revive()
    again.take(NodeBack(view), 9_500)
    again.registry.write(9_500)
    assert [each.online for each in rows(engine, node)] == [True]
    assert [(each.device, each.online) for each in rows(engine, device)] == [("door-1", False), ("room-1", True)]


def test_who_died_with_its_node_comes_back_with_it_after_a_second_restart(engine: Engine) -> None:
    host = Host(engine)
    host.hear(*births(edge_node(), ROOM, DOOR))
    host.registry.write(2_000)
    for each in host.session.connection_lost(3_000):
        host.take(each, 3_000)
    host.registry.write(3_000)
    again = Host(engine)
    again.registry.restore(again.session, 9_000)
    view = again.session.node("s", "gw")
    assert view is not None
    assert view.living == {"room-1", "door-1"}


def test_a_device_that_is_gone_does_not_stop_the_restart_and_its_silence_still_counts(engine: Engine) -> None:
    """Each session gives its aliases anew, so that the kept birth of a device that is gone clashes with newer ones."""
    host = Host(engine)
    host.hear(*births(edge_node(), DOOR))
    host.hear(*births(edge_node(bd_seq=1), ROOM), at_ms=2_000)
    host.registry.write(2_000)
    again = Host(engine, [SILENT])
    again.registry.restore(again.session, 9_000)
    view = again.session.node("s", "gw")
    assert view is not None
    assert set(view.devices) == {"room-1"}
    again.evaluator.listen(9_000)
    again.evaluator.advance(9_000 + 600_000)
    assert {each.series.device for each in again.evaluator.staged().transitions} >= {"room-1", "door-1"}


def test_a_kept_birth_that_cannot_be_read_is_asked_for_anew(engine: Engine) -> None:
    host = Host(engine)
    host.hear(*births(edge_node(), ROOM))
    host.registry.write(2_000)
    with engine.begin() as connection:
        connection.execute(update(node).values(birth=b"\xff\xff"))
    again = Host(engine)
    assert again.registry.restore(again.session, 9_000) == 1
    assert again.session.node("s", "gw") is None


def test_a_device_that_comes_back_finds_its_rule_state(engine: Engine) -> None:
    first = Host(engine, [SILENT])
    first.hear(*births(edge_node(), ROOM))
    first.evaluator.listen(1_000)
    first.evaluator.advance(1_000_000)
    ((_, series, state),) = [each for each in first.evaluator.staged().states if each[1].device == "room-1"]
    key = {name: getattr(series, name) for name in ("site", "node", "device", "metric")}
    with engine.begin() as connection:
        connection.execute(rule_state.insert().values(rule="silent", state=state, at_ms=0, **key))
    second = Host(engine, [SILENT])
    second.registry.restore(second.session, 9_000)
    second.hear(*births(edge_node(), ROOM))
    second.evaluator.listen(1_000)
    second.evaluator.advance(1_000_000)
    assert not [each for each in second.evaluator.staged().transitions if each.series.device == "room-1"]


def test_a_retired_device_is_not_awaited_after_a_restart(engine: Engine) -> None:
    host, edge = Host(engine, [SILENT]), edge_node()
    host.hear(*births(edge, ROOM, DOOR))
    host.hear(*births(edge, ROOM), at_ms=2_000)
    host.registry.write(2_000)
    host.registry.retire(("s", "gw"), "door-1")
    host.registry.write(3_000)
    again = Host(engine, [SILENT])
    again.registry.restore(again.session, 9_000)
    for each in (host, again):
        each.evaluator.listen(9_000)
        each.evaluator.advance(9_000 + 600_000)
        assert {found.series.device for found in each.evaluator.staged().transitions} == {"room-1"}
    assert [each.device for each in rows(engine, device)] == ["door-1", "room-1"]
    assert [each.metric for each in rows(engine, metric)] == ["open", "t"]


def test_a_birth_brings_a_retired_device_back(engine: Engine) -> None:
    host, edge = Host(engine, [SILENT]), edge_node()
    host.hear(*births(edge, ROOM))
    host.registry.write(2_000)
    host.registry.retire(("s", "gw"), None)
    host.registry.write(3_000)
    host.hear(*births(edge, ROOM), at_ms=4_000)
    host.registry.write(4_000)
    host.evaluator.listen(9_000)
    host.evaluator.advance(9_000 + 600_000)
    assert {each.series.device for each in host.evaluator.staged().transitions} == {"room-1"}
    assert [each.birth is None for each in (*rows(engine, node), *rows(engine, device))] == [False, False]


@pytest.mark.parametrize("content", ["{", '"\\ud800', "[" * 100_000])
def test_what_sql_keeps_and_nobody_can_read_is_an_outage_until_it_is_mended(engine: Engine, content: str) -> None:
    """Going on without it would rule otherwise; nothing is lost meanwhile, since nothing is committed."""
    host = Host(engine, [SILENT])
    host.hear(*births(edge_node(), ROOM))
    host.registry.write(2_000)
    kept = {"rule": "silent", "site": "s", "node": "gw", "device": "room-1", "metric": "t", "at_ms": 1}
    with engine.begin() as connection:
        connection.execute(insert(rule_state).values(kept | {"state": {}}))
        connection.execute(text("UPDATE rule_state SET state = :content"), {"content": content})

    for reading in (lambda: host.registry.renew(), lambda: Host(engine).registry.restore(host.session, 3_000)):
        with pytest.raises(UnavailableError, match="cannot be read"):
            reading()

    with engine.begin() as connection:
        connection.execute(text("UPDATE rule_state SET state = '{}'"))
    host.registry.renew()
