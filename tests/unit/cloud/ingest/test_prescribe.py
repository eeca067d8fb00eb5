"""Rules are sent to gateways that take them: once after a birth, and again when they change."""

from __future__ import annotations

from typing import Any

from frostline_cloud.ingest.prescribe import EVERY_MS, Prescriber
from frostline_core.reading import DataType
from frostline_core.rules import RuleSet, parse
from frostline_core.rules.bundle import RULES, unpack
from frostline_core.sparkplug import BirthMetric, EdgeSession, HostSession, WriteAsked

NOW_MS = 1_700_000_000_000
TAKES_RULES = BirthMetric(RULES, DataType.STRING, "", writable=True)


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

    def look(self, *rules: Any) -> int:
        self.now_ms += EVERY_MS
        return self.prescriber.look(RuleSet.of(rules), self.now_ms)

    def ids(self) -> list[str]:
        """What the gateway makes of the newest command."""
        (asked,) = [each for each in self.edge.receive(*self.sent[-1], self.now_ms) if isinstance(each, WriteAsked)]
        return [each.id for each in unpack(str(asked.value)).rules.rules]

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
