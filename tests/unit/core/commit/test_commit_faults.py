"""The fault model: random histories over the protocol's classes, and the mistakes that its checker must catch.

`FROSTLINE_HISTORIES=20000 pytest tests/unit/core/commit/test_commit_faults.py` runs the long version (make chaos).
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tests.unit.core.commit.seeded_bugs import BUGS, Bug
from tests.unit.core.commit.world import Violation, World

HISTORIES = int(os.environ.get("FROSTLINE_HISTORIES", "500"))
PARTS = 10
MOST_TO_CATCH = 400


@pytest.mark.chaos
@pytest.mark.parametrize("part", range(PARTS))
def test_every_measurement_is_evaluated_once_or_listed_as_lost(part: int) -> None:
    total: Counter[str] = Counter()
    for seed in range(part, HISTORIES, PARTS):
        try:
            total += World(seed).run()
        except Violation as violation:
            pytest.fail(f"history {seed}: {violation}")
    assert total["evaluated"] > 5 * total["histories"]


def test_histories_contain_every_fault() -> None:
    total: Counter[str] = Counter()
    for seed in range(60):
        total += World(seed).run()
    assert {"restore", "clone", "replace", "sql_restore", "listed", "disk gone, run in doubt", "whole"} <= set(total)


@pytest.mark.parametrize("name", BUGS)
def test_the_checker_catches(name: str) -> None:
    assert caught_after(BUGS[name]) is not None, f"not caught in {MOST_TO_CATCH} histories"


def caught_after(bug: Bug) -> int | None:
    for seed in range(MOST_TO_CATCH):
        try:
            bug.world(seed).run()
        except Violation:
            return seed + 1
    return None
