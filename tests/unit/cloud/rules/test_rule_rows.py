"""Rules made over the API, as ingest sees them."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, update

from frostline_cloud.rules import (
    Change,
    Rulebook,
    RuleConflictError,
    adopt,
    change_rule,
    create_rule,
    in_force,
    numbers,
    retire_rule,
    upcoming,
    versions,
)
from frostline_cloud.rules.rows import AHEAD_MS, LOOK_BACK_MS
from frostline_cloud.sql.tables import rule_version
from frostline_core.errors import ConfigError
from frostline_core.rules import RuleSet, parse

A: dict[str, Any] = {"id": "a", "type": "threshold", "title": "A", "select": {"metric": "m"}, "above": 1.0}
B = A | {"id": "b"}
FILES = RuleSet.of([parse(A, "test")])


@pytest.fixture
def book(engine: Engine) -> Rulebook:
    made = Rulebook(engine, FILES)
    made.refresh()
    return made


def ids(book: Rulebook) -> list[str]:
    return [rule.id for rule in book.rules.rules]


def test_each_change_is_seen_once(engine: Engine, book: Rulebook) -> None:
    seen = [book.refresh()]
    with engine.begin() as connection:
        create_rule(connection, FILES, B, Change(100, "anna"))
    seen += [book.refresh(), book.refresh()]
    with engine.begin() as connection:
        change_rule(connection, B | {"above": 2.0}, 1, Change(100, "anna"))
    seen += [book.refresh(), book.refresh()]
    with engine.begin() as connection:
        retire_rule(connection, "b", 2, 100)
    seen += [book.refresh(), book.refresh()]

    assert seen == [False, True, False, True, False, True, False]
    assert ids(book) == ["a"]


def test_the_same_content_again_is_no_new_version(engine: Engine) -> None:
    with engine.begin() as connection:
        create_rule(connection, FILES, B, Change(100, "anna"))
        change_rule(connection, B, 1, Change(200, "ben"))
        assert [(each.number, each.author) for each in versions(connection, "b")] == [(1, "anna")]


def test_a_rule_that_comes_back_counts_on(engine: Engine) -> None:
    with engine.begin() as connection:
        create_rule(connection, FILES, B, Change(100, "anna"))
        retire_rule(connection, "b", 1, 200)
        assert create_rule(connection, FILES, B, Change(300, "anna")).number == 2


def test_a_rule_that_is_put_into_a_file_is_the_files(engine: Engine, book: Rulebook) -> None:
    with engine.begin() as connection:
        create_rule(connection, RuleSet.of([]), A | {"above": 5.0}, Change(100, "anna"))
    book.refresh()
    assert book.rules == FILES
    with engine.begin() as connection:
        adopt(connection, book.rules, 200)
        with pytest.raises(RuleConflictError, match="in a file"):
            retire_rule(connection, "a", 2, 300)


def test_a_row_that_cannot_be_read_takes_no_other_out_of_force(
    engine: Engine, book: Rulebook, caplog: pytest.LogCaptureFixture
) -> None:
    with engine.begin() as connection:
        for rule_id in ("b", "c"):
            create_rule(connection, FILES, A | {"id": rule_id}, Change(100, "anna"))
        connection.execute(update(rule_version).where(rule_version.c.rule == "b").values(content={"id": "b"}))
    book.refresh()
    assert ids(book) == ["a", "c"]
    assert "rule 'b'" in caplog.text


def test_a_row_that_cannot_be_read_is_said_when_it_changes_and_not_each_time_somebody_looks(
    engine: Engine, book: Rulebook, caplog: pytest.LogCaptureFixture
) -> None:
    with engine.begin() as connection:
        create_rule(connection, FILES, B, Change(100, "anna"))
        connection.execute(update(rule_version).values(content={"id": "b", "type": "gone"}))
    for _ in range(3):
        book.refresh()
        with engine.begin() as connection:
            in_force(connection, FILES, 200)

    assert [each.levelname for each in caplog.records].count("ERROR") == 1


def test_while_sql_is_away_what_was_known_counts(engine: Engine, book: Rulebook) -> None:
    with engine.begin() as connection:
        create_rule(connection, FILES, B, Change(100, "anna"))
    book.refresh()
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE rule_version RENAME TO elsewhere")
    assert (book.refresh(), ids(book)) == (False, ["a", "b"])
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO rule_version")
        retire_rule(connection, "b", 1, 200)
    assert (book.refresh(), ids(book)) == (True, ["a"])


def test_what_does_not_fit_leaves_nothing(engine: Engine) -> None:
    with engine.begin() as connection:
        with pytest.raises(ConfigError, match="did you mean 'above'"):
            create_rule(connection, FILES, B | {"abov": 1.0}, Change(100, "anna"))
        assert versions(connection, "b") == []


class Clock:
    """A clock that the test turns."""

    def __init__(self, at_ms: int) -> None:
        self.at_ms = at_ms

    def __call__(self) -> int:
        return self.at_ms


def test_a_version_that_is_to_come_takes_effect_at_its_time(engine: Engine) -> None:
    clock = Clock(200)
    book = Rulebook(engine, FILES, clock)
    with engine.begin() as connection:
        create_rule(connection, FILES, B, Change(100, "anna"))
        made = change_rule(connection, B | {"above": 2.0}, 1, Change(200, "ben", from_ms=500))
        assert [each.number for each in upcoming(connection, FILES, 200)] == [2]
    assert (made.number, made.effective_ms) == (2, 500)
    seen = [book.refresh()]
    limits = [book.rules.rule("b").above]  # type: ignore[union-attr] # it is there, and a threshold
    for clock.at_ms in (499, 500, 501):
        seen.append(book.refresh())
        limits.append(book.rules.rule("b").above)  # type: ignore[union-attr] # likewise
    assert (seen, limits) == ([True, False, True, False], [1.0, 1.0, 2.0, 2.0])


def test_its_history_says_what_counts_when(engine: Engine) -> None:
    with engine.begin() as connection:
        create_rule(connection, FILES, B, Change(100, "anna"))
        change_rule(connection, B | {"above": 2.0}, 1, Change(200, "ben", from_ms=500))
        rules = in_force(connection, FILES, 300)
        assert numbers(connection, ["b"], 499) == {"b": 1}
        assert numbers(connection, ["b"], 500) == {"b": 2}
    found = [(each.from_ms, each.rule and each.rule.content_hash) for each in rules.histories["b"].versions]
    first, second = (parse(B | {"above": limit}, "test").content_hash for limit in (1.0, 2.0))
    assert found == [(100, first), (500, second)]


def test_a_rule_that_is_yet_to_come_is_not_in_force(engine: Engine) -> None:
    with engine.begin() as connection:
        create_rule(connection, FILES, B, Change(100, "anna", from_ms=500))
        early, late = in_force(connection, FILES, 499), in_force(connection, FILES, 500)
    assert [rule.id for rule in early.rules] == ["a"]
    assert "b" in early.histories
    assert [rule.id for rule in late.rules] == ["a", "b"]


def test_what_changed_long_ago_needs_no_history(engine: Engine) -> None:
    with engine.begin() as connection:
        create_rule(connection, FILES, B, Change(100, "anna"))
        change_rule(connection, B | {"above": 2.0}, 1, Change(200, "anna"))
        assert in_force(connection, FILES, 201 + LOOK_BACK_MS).histories == {}


def test_a_version_that_is_to_come_can_be_withdrawn(engine: Engine) -> None:
    book = Rulebook(engine, FILES, Clock(300))
    with engine.begin() as connection:
        create_rule(connection, FILES, B, Change(100, "anna"))
        change_rule(connection, B | {"above": 2.0}, 1, Change(200, "ben", from_ms=500))
    book.refresh()
    with engine.begin() as connection:
        retire_rule(connection, "b", 2, 300)
        assert upcoming(connection, FILES, 300) == []
        assert [(each.number, each.retired_ms) for each in versions(connection, "b")] == [(2, 500), (1, None)]
        assert numbers(connection, ["b"], 600) == {"b": 1}
    assert book.refresh()
    assert ids(book) == ["a", "b"]


def test_a_rule_that_is_yet_to_come_can_be_withdrawn_altogether(engine: Engine) -> None:
    with engine.begin() as connection:
        create_rule(connection, FILES, B, Change(100, "anna", from_ms=500))
        retire_rule(connection, "b", 1, 200)
        assert in_force(connection, FILES, 600) == FILES


def test_a_change_waits_until_what_is_to_come_is_withdrawn(engine: Engine) -> None:
    with engine.begin() as connection:
        create_rule(connection, FILES, B, Change(100, "anna"))
        change_rule(connection, B | {"above": 2.0}, 1, Change(200, "ben", from_ms=500))
        with pytest.raises(RuleConflictError, match="at version 2, which is yet to come, not 1"):
            change_rule(connection, B | {"above": 3.0}, 1, Change(300, "ben"))
        with pytest.raises(RuleConflictError, match="version 2 is yet to come; withdraw it first"):
            change_rule(connection, B | {"above": 3.0}, 2, Change(300, "ben"))


@pytest.mark.parametrize(("from_ms", "why"), [(99, "lies in the past"), (100 + AHEAD_MS + 1, "400 days ahead")])
def test_a_beginning_in_the_past_or_too_far_ahead_is_refused(engine: Engine, from_ms: int, why: str) -> None:
    with engine.begin() as connection, pytest.raises(ConfigError, match=why):
        create_rule(connection, FILES, B, Change(100, "anna", from_ms))


def test_a_file_that_takes_a_rule_over_withdraws_what_is_to_come(engine: Engine) -> None:
    with engine.begin() as connection:
        create_rule(connection, FILES, B, Change(100, "anna"))
        change_rule(connection, B | {"above": 2.0}, 1, Change(200, "ben", from_ms=500))
        both = RuleSet.of([*FILES.rules, parse(B | {"above": 7.0}, "test")])
        adopt(connection, in_force(connection, both, 300), 300)
        adopt(connection, in_force(connection, both, 600), 600)
        assert [(each.number, each.author) for each in versions(connection, "b") if each.is_in_force(600)] == [(3, "")]
