"""The demo as a script runs it: a freezer left open, a shelf emptied, webhooks verified, every reading accounted."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.demo import run_demo

pytestmark = pytest.mark.timeout(600)
KEYS = {"readings", "filtered", "rejected", "kept", "committed", "written", "lost", "residue", "alerts", "webhooks"}


@pytest.fixture(scope="module")
def result() -> tuple[int, dict[str, Any]]:
    return run_demo(duration_s=50, speed=60)


def test_it_prints_one_object_with_every_key(result: tuple[int, dict[str, Any]]) -> None:
    assert result[1].keys() == KEYS


def test_every_reading_is_accounted_for_and_the_exit_code_says_so(result: tuple[int, dict[str, Any]]) -> None:
    code, found = result
    assert (code, found["residue"], found["lost"]) == (0, 0, 0)
    assert found["kept"] == found["committed"] == found["written"] > 100


def test_the_freezer_door_left_open_raises_and_ends_a_cold_chain_alert(result: tuple[int, dict[str, Any]]) -> None:
    states = [each["state"] for each in result[1]["alerts"] if each["rule"] == "freezer-too-warm"]
    assert states[0] == "firing"
    assert {each["device"] for each in result[1]["alerts"] if each["rule"] == "freezer-too-warm"} == {"freezer-1"}


def test_the_emptied_shelf_raises_a_stock_alert(result: tuple[int, dict[str, Any]]) -> None:
    fired = [each for each in result[1]["alerts"] if each["rule"] == "fish-below-minimum"]
    assert [(each["device"], each["state"]) for each in fired] == [("shelf", "firing")]


def test_nothing_else_alarms(result: tuple[int, dict[str, Any]]) -> None:
    assert {each["rule"] for each in result[1]["alerts"]} == {"freezer-too-warm", "fish-below-minimum"}


def test_every_firing_was_told_by_a_webhook_with_a_good_signature(result: tuple[int, dict[str, Any]]) -> None:
    hooks = result[1]["webhooks"]
    assert all(each["verified"] for each in hooks)
    firing = [each for each in result[1]["alerts"] if each["state"] == "firing"]
    assert len([each for each in hooks if each["type"] == "alert.firing"]) == len(firing)
    assert len({each["id"] for each in hooks}) == len(hooks), "a webhook was received twice"
