"""Rules and pauses are sent to gateways that take them: once after a birth, and again when they change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from frostline_cloud.ingest.prescribe import EVERY_MS, Prescriber
from frostline_cloud.rules import AssetState, Pause, Pauses, add_pause, end_pause
from frostline_cloud.sql import migrate, open_engine
from frostline_core.reading import DataType
from frostline_core.rules import Evaluator, RuleSet, parse, standstill
from frostline_core.rules.bundle import RULES, unpack
from frostline_core.rules.standstill import PAUSES, Span
from frostline_core.sparkplug import BirthMetric, EdgeSession, HostSession, WriteAsked

NOW_MS = 1_700_000_000_000
TAKES_RULES = BirthMetric(RULES, DataType.STRING, "", writable=True)
HEEDS_PAUSES = BirthMetric(PAUSES, DataType.STRING, "", writable=True)
HOUR_MS = 3_600_000


def rule(id_: str = "r", **keys: Any) -> Any:
    table = {"type": "threshold", "id": id_, "title": "R", "above": 1.0, "where": "gateway", "output": "siren"}
    return parse({**table, "select": {"metric": "m"}, **keys}, "test")


class Fleet:
    """One gateway and the cloud that tells it."""

    def __init__(self, *metrics: BirthMetric) -> None:
        self.metrics = metrics
        self.session = HostSession("frostline")
        self.session.will(NOW_MS)
        self.connected = True
        self.sent: list[tuple[str, bytes]] = []
        self.prescriber = Prescriber(self.session, self._publish)
        self.now_ms = NOW_MS
        self.be_born()

    def be_born(self, bd_seq: int = 0) -> None:
        self.edge = EdgeSession("site", "gw", bd_seq, "frostline", proved=True)
        for each in self.edge.birth(self.now_ms, self.metrics, ()):
            self.session.receive(each.topic, each.payload, self.now_ms)

    def look(self, *rules: Any, pauses: Pauses | None = None) -> int:
        self.now_ms += EVERY_MS
        if pauses is not None:
            pauses.refresh(Evaluator(()), self.now_ms)
        return self.prescriber.look(RuleSet.of(rules), self.now_ms, pauses)

    def ids(self) -> list[str]:
        """What the gateway makes of the newest command."""
        return [each.id for each in unpack(self._said()).rules.rules]

    def spans(self) -> list[Span]:
        """The same, of pauses."""
        return list(standstill.unpack(self._said())[1])

    def _said(self) -> str:
        (asked,) = [each for each in self.edge.receive(*self.sent[-1], self.now_ms) if isinstance(each, WriteAsked)]
        return str(asked.value)

    def _publish(self, topic: str, payload: bytes) -> bool:
        if self.connected:
            self.sent.append((topic, payload))
        return self.connected


def test_a_gateway_gets_the_rules_that_are_for_it_once() -> None:
    fleet = Fleet(TAKES_RULES)
    rules = (rule("here"), rule("there", select={"metric": "m", "node": "other"}))
    assert [fleet.look(*rules), fleet.look(*rules)] == [1, 0]
    assert fleet.ids() == ["here"]


def test_one_that_does_not_take_rules_is_left_alone() -> None:
    assert Fleet().look(rule()) == 0


def test_changed_rules_are_sent_again() -> None:
    fleet = Fleet(TAKES_RULES)
    assert [fleet.look(rule()), fleet.look(rule(above=2.0)), fleet.look()] == [1, 1, 1]
    assert fleet.ids() == []


def test_after_a_new_birth_they_are_sent_again() -> None:
    fleet = Fleet(TAKES_RULES)
    fleet.look(rule())
    fleet.be_born(bd_seq=1)
    assert fleet.look(rule()) == 1


def test_without_a_broker_they_are_sent_later() -> None:
    fleet = Fleet(TAKES_RULES)
    fleet.connected = False
    assert fleet.look(rule()) == 0
    fleet.connected = True
    assert fleet.look(rule()) == 1


def test_too_many_rules_are_not_sent_and_stop_nothing() -> None:
    fleet = Fleet(TAKES_RULES)
    assert fleet.look(*(rule(f"r{number}") for number in range(201))) == 1
    assert fleet.sent == []


def pause(engine: Engine, node: str = "", device: str = "", from_ms: int = NOW_MS) -> int:
    wanted = Pause(
        0, AssetState.MAINTENANCE, "site", node, device, from_ms, from_ms + HOUR_MS, "new door", "ann"
    )  # fmt: skip
    with engine.begin() as connection:
        return add_pause(connection, wanted, NOW_MS)


def database(tmp_path: Path) -> Engine:
    engine = open_engine(f"sqlite:///{tmp_path}/frostline.db")
    migrate(engine)
    return engine


def test_a_gateway_hears_of_its_pauses_and_of_their_ends(tmp_path: Path) -> None:
    engine, fleet = database(tmp_path), Fleet(HEEDS_PAUSES)
    number, pauses = pause(engine, "gw", "room-1"), Pauses(engine)
    pause(engine, "other")
    assert [fleet.look(pauses=pauses), fleet.look(pauses=pauses)] == [1, 0]
    assert fleet.spans() == [Span("room-1", NOW_MS, NOW_MS + HOUR_MS)]
    with engine.begin() as connection:
        end_pause(connection, number, fleet.now_ms)
    assert fleet.look(pauses=pauses) == 1
    assert fleet.spans() == []
    engine.dispose()


def test_a_pause_of_a_site_is_one_of_each_gateway(tmp_path: Path) -> None:
    engine, fleet = database(tmp_path), Fleet(HEEDS_PAUSES)
    pause(engine)
    fleet.look(pauses=Pauses(engine))
    assert fleet.spans() == [Span("", NOW_MS, NOW_MS + HOUR_MS)]
    engine.dispose()


def test_pauses_go_before_rules(tmp_path: Path) -> None:
    engine, fleet = database(tmp_path), Fleet(TAKES_RULES, HEEDS_PAUSES)
    pause(engine, "gw")
    assert fleet.look(rule(), pauses=Pauses(engine)) == 2
    assert fleet.ids() == ["r"]
    engine.dispose()


def test_what_changes_elsewhere_is_no_news(tmp_path: Path) -> None:
    engine, fleet = database(tmp_path), Fleet(TAKES_RULES, HEEDS_PAUSES)
    pauses = Pauses(engine)
    here, there = rule("here"), rule("there", select={"metric": "m", "node": "other"})
    assert fleet.look(here, pauses=pauses) == 2
    pause(engine, "other")
    assert fleet.look(here, there, pauses=pauses) == 0
    engine.dispose()
