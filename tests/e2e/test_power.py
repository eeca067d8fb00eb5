"""The power of a gateway is cut: what had not reached the card is gone, and what that was is in the list of losses."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.audit import Evidence, Life, Listed, violations
from tests.support.power_cut import PowerCut
from tests.support.services import STALL_MS, eventually
from tests.support.stack import Counter, Settings, Stack, stored_points
from tests.support.stream import settle

NODE = "gw-1"
BOOT = ("clock",)
"""Holds for one start of the machine only; here the machine stays on."""
pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def power(tmp_path: Path) -> PowerCut:
    return PowerCut(tmp_path / NODE, tmp_path / "power")


@pytest.fixture
def settings(power: PowerCut) -> Settings:
    return Settings(environment=power.environment)


def cut(stack: Stack, power: PowerCut, dice: random.Random | None) -> float:
    """Returns when, UTC milliseconds."""
    stack.gateways[NODE].kill()
    killed_ms = time.time() * 1000
    power.cut(dice, BOOT)
    return killed_ms


@pytest.mark.parametrize("seed", [None, 1, 2])
def test_a_power_cut_costs_only_what_is_listed(
    stack: Stack, counter: Counter, power: PowerCut, seed: int | None
) -> None:
    dice = None if seed is None else random.Random(seed)  # noqa: S311  # a test's dice
    began_ms = time.time() * 1000
    stack.add_gateway(NODE, "[spool]\nflush_s = 0.5\n" + counter.driver)
    lives: list[Life] = []
    for turn in range(3):
        eventually(lambda: stack.born(NODE) and stack.hears(NODE, "local"), 60)
        if not turn:
            counter.start()
        before = stack.written(NODE)
        eventually(lambda before=before: stack.written(NODE) > before + 50, 60)  # type: ignore[misc]
        killed_ms = cut(stack, power, dice)
        lives.append(Life(began_ms, killed_ms))
        began_ms = time.time() * 1000
        stack.gateways[NODE].start()
    lives.append(Life(began_ms, 9e18))
    eventually(lambda: stack.born(NODE) and stack.hears(NODE, "local"), 60)
    eventually(lambda: stack.written(NODE) > 250, 60)
    settle(stack, counter)
    eventually(lambda: stack.written(NODE) == stack.status(NODE)["account"]["committed"])
    held = stack.status(NODE)["account"]
    assert (held["lost"], held["residue"]) == (0, {"sampler": 0, "spool": 0})
    assert stack.account(NODE)["residue"] == 0
    told = [Listed(*(each[key] for key in ("reason", "samples", "from_ms", "to_ms"))) for each in losses(stack)]
    stack.gateways[NODE].stop()
    stack.cloud.stop()
    found = [(at_ms, n) for at_ms, n in stored_points(stack.folder, NODE) if n]
    assert violations(Evidence(counter.sent_ms, found, lives, told, stall_ms=STALL_MS)) == []


def losses(stack: Stack) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stack.api("losses?limit=500")["items"]
    return found
