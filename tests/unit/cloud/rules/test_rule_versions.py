"""Versions of rules: numbered, dated, never changed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, create_engine

from frostline_cloud.rules import adopt, numbers, versions
from frostline_cloud.sql.tables import metadata
from frostline_core.rules import RuleSet, parse


def rules(**limits: float) -> RuleSet:
    table = {"type": "threshold", "title": "T", "select": {"metric": "m"}}
    return RuleSet.of([parse({**table, "id": id_, "above": limit}, "test") for id_, limit in limits.items()])


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_the_first_start_makes_first_versions(connection: Connection) -> None:
    assert adopt(connection, rules(a=1.0, b=2.0), 100) == ["a", "b"]

    assert numbers(connection, ["a", "b", "c"], 100) == {"a": 1, "b": 1}
    (version,) = versions(connection, "a")
    assert (version.effective_ms, version.retired_ms, version.content["above"]) == (100, None, 1.0)


def test_a_restart_with_the_same_rules_changes_nothing(connection: Connection) -> None:
    adopt(connection, rules(a=1.0), 100)

    assert adopt(connection, rules(a=1.0), 200) == []


def test_a_new_limit_is_a_new_version_and_the_old_one_is_kept(connection: Connection) -> None:
    adopt(connection, rules(a=1.0, b=2.0), 100)

    assert adopt(connection, rules(a=1.5, b=2.0), 200, "anna") == ["a"]

    new, old = versions(connection, "a")
    assert (new.number, new.content["above"], new.effective_ms, new.author) == (2, 1.5, 200, "anna")
    assert (old.number, old.content["above"], old.retired_ms, old.author) == (1, 1.0, 200, "")


def test_a_rule_that_comes_back_has_the_next_number(connection: Connection) -> None:
    adopt(connection, rules(a=1.0), 100)
    adopt(connection, rules(b=1.0), 200)
    gone = numbers(connection, ["a"], 200)

    adopt(connection, rules(a=1.0, b=1.0), 300)

    assert (gone, numbers(connection, ["a"], 300)) == ({}, {"a": 2})
    assert [each.retired_ms for each in versions(connection, "a")] == [None, 200]


def test_a_version_reads_back_as_the_rule_that_it_was(connection: Connection) -> None:
    before = rules(a=1.0)
    adopt(connection, before, 100)

    (version,) = versions(connection, "a")

    assert parse(version.content, "sql") == before.rules[0]
