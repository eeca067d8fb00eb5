"""The pages that say what is proved where name only tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
DOCS = TESTS.parent / "docs"
PAGE = (DOCS / "alerts-proof.md").read_text(encoding="utf-8")
PROOFS = PAGE + (DOCS / "chaos.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(test_\w+)`", PROOFS)))
FILES = sorted(set(re.findall(r"`(?:tests/)?((?:unit|integration|e2e|support|chaos|bench)/[\w/]+\.\w+)`", PROOFS)))
SHORT = sorted(set(re.findall(r"`(test_\w+\.py)`", PROOFS)))
PARTS = sorted(set(re.findall(r"`\.\.\.(\w+)\.\.\.`", PROOFS)))
"""Parts of names, where the whole would be too long for a table."""

STEPS = re.findall(r"^\|[^|]+\| (?:gateway|cloud|gateway, broker, cloud) \| (.+) \|$", PAGE, re.MULTILINE)
DEFINED = {name for path in TESTS.rglob("test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text())}


@pytest.mark.parametrize("path", FILES)
def test_a_file_that_is_named_is_there(path: str) -> None:
    assert (TESTS / path).is_file()


def test_every_test_that_is_named_is_there() -> None:
    assert [name for name in NAMED if name not in DEFINED] == []


def test_every_file_that_is_named_without_its_folder_is_there() -> None:
    assert [name for name in SHORT if not list(TESTS.rglob(name))] == []


def test_every_part_of_a_name_is_one_of_a_test() -> None:
    assert [part for part in PARTS if not any(part in name for name in DEFINED)] == []


def test_every_step_of_the_table_is_killed() -> None:
    killed = (TESTS / "e2e" / "test_alert_crashes.py").read_text(encoding="utf-8")

    steps = [step for line in STEPS for step in re.findall(r"`([^`]+)`", line)]

    assert len(steps) == 14
    assert [step for step in steps if f'"{step}"' not in killed and f"def {step}(" not in killed] == []


def test_every_thread_that_has_a_test_is_on_the_page() -> None:
    numbered = {
        name
        for name in DEFINED
        if re.match(r"test_(\w+_)?(grafana|prometheus|thingsboard|sparkplug|influxdb|alertmanager|umh|plus)_\d", name)
    }
    listed = set(re.findall(r"\d{2,}", PAGE))

    assert {name for name in numbered if not listed & set(re.findall(r"\d{2,}", name))} == set()
