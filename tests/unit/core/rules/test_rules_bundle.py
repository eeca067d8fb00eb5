"""Bundles: the rules of one gateway as one text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from frostline_core.errors import ConfigError
from frostline_core.rules import RuleSet, parse
from frostline_core.rules.bundle import MOST_BYTES, MOST_RULES, pack, rules_for, unpack, unsendable


def rule(id_: str = "r", **keys: Any) -> Any:
    table = {"type": "threshold", "id": id_, "title": "R", "above": 1.0, "where": "gateway", "output": "siren"}
    return parse({**table, "select": {"metric": "m"}, **keys}, "test")


def test_what_is_packed_is_unpacked() -> None:
    rules = [rule("a", **{"for": "10m", "hysteresis": 0.5}), rule("b", suppress_while=["door_open"])]
    bundle = unpack(pack(rules))
    assert bundle.rules == RuleSet.of(rules)
    assert bundle.version == bundle.rules.version


def test_only_rules_that_may_select_something_of_the_gateway_are_for_it() -> None:
    rules = [rule("a", select={"metric": "m", "node": "gw-*"}), rule("b", select={"metric": "m", "site": "x"})]
    assert [each.id for each in rules_for(rules, "site", "gw-1")] == ["a"]


def test_too_many_or_too_long_is_not_packed() -> None:
    with pytest.raises(ConfigError, match="the most is"):
        pack([rule(f"r{number}") for number in range(MOST_RULES + 1)])
    with pytest.raises(ConfigError, match="the most is"):
        pack([rule(f"r{number}", select={"metric": ["m" * 200] * 10}) for number in range(MOST_RULES)])


def test_which_gateways_cannot_be_sent_their_rules_and_what_to_do() -> None:
    many = [rule(f"r{number}", select={"metric": "m", "site": "big"}) for number in range(MOST_RULES)]
    rules = [*many, rule("all")]

    found = unsendable(rules, [("big", "gw-1"), ("small", "gw-1")])

    assert found.keys() == {("big", "gw-1")}
    assert "201 rules for one gateway; the most is 200" in found["big", "gw-1"]
    assert "select its site" in found["big", "gw-1"]


def test_rules_of_the_cloud_are_not_sent_however_many() -> None:
    many = [rule(f"r{number}", where="cloud", output=None) for number in range(MOST_RULES + 1)]

    assert unsendable(many, [("site", "gw-1")]) == {}


VERSION = "0123456789abcdef"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        json.dumps({"version": "1", "rules": []}),
        json.dumps({"version": VERSION, "rules": {}}),
        json.dumps({"version": VERSION, "rules": [1]}),
        json.dumps({"version": VERSION, "rules": [], "more": 1}),
        json.dumps({"version": VERSION, "rules": [{"type": "threshold", "id": "r"}]}),
        "[" * 100_000,
        " " * (MOST_BYTES + 1),
        "\ud800",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        unpack(text)


def test_every_fault_is_named() -> None:
    tables = [{"type": "threshold", "id": name, "abowe": 1} for name in ("one", "two")]
    with pytest.raises(ConfigError) as error:
        unpack(json.dumps({"version": VERSION, "rules": tables}))
    assert "rule 'one'" in str(error.value)
    assert "rule 'two'" in str(error.value)
