"""What gateways say of the rules that they were sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from frostline_cloud.rules.taken import Taken, keep, parse, refusals, taken
from frostline_cloud.sql import migrate, open_engine

NOW = 1_790_000_000_000
KEY = ("berlin", "gw-1")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    engine = open_engine(f"sqlite:///{tmp_path}/a.db")
    migrate(engine)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def said(reason: str = "", at_ms: int = NOW, node: str = "gw-1") -> Taken:
    found = parse(
        "berlin", node, json.dumps({"version": "a1", "refused": "b2" * bool(reason), "reason": reason}), at_ms
    )
    assert found is not None
    return found


def test_a_refusal_is_kept_with_its_reason(connection: Connection) -> None:
    keep(connection, [said("rules: rule 'a': no output 'siren'")], NOW)

    assert refusals(connection) == [Taken(*KEY, "a1", "b2", "rules: rule 'a': no output 'siren'", NOW)]


def test_a_set_that_is_taken_ends_the_refusal(connection: Connection) -> None:
    keep(connection, [said("no"), said("", NOW + 1)], NOW)

    assert refusals(connection) == []
    assert [each.version for each in taken(connection, [KEY])] == ["a1"]


def test_a_word_that_comes_late_changes_nothing(connection: Connection) -> None:
    keep(connection, [said()], NOW)
    keep(connection, [said("no", NOW - 1)], NOW + 5)

    assert refusals(connection) == []


def test_a_word_counts_for_its_own_gateway(connection: Connection) -> None:
    keep(connection, [said("no"), said(node="gw-2")], NOW)

    assert [each.node for each in refusals(connection)] == ["gw-1"]


@given(st.one_of(st.text(), st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps)))
def test_what_nobody_understands_is_no_word(text: str) -> None:
    assert parse("berlin", "gw-1", text, NOW) is None
