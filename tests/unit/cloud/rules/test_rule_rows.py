"""Rules made over the API, as ingest sees them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
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
    retire_rule,
    versions,
)
from frostline_cloud.sql import open_engine
from frostline_cloud.sql.tables import metadata, rule_version
from frostline_core.errors import ConfigError
from frostline_core.rules import RuleSet, parse

A: dict[str, Any] = {"id": "a", "type": "threshold", "title": "A", "select": {"metric": "m"}, "above": 1.0}
B = A | {"id": "b"}
FILES = RuleSet.of([parse(A, "test")])


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_engine(f"sqlite:///{tmp_path}/frostline.db")
    metadata.create_all(made)
    yield made
    made.dispose()


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
