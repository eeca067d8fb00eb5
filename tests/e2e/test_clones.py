"""A copied card: two gateways run with one identity, one disk's past and two presents. Nothing of either is lost."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from frostline_cloud.store import Place, open_store
from frostline_cloud.store.config import StoreConfig
from tests.chaos.audit import Evidence, Life, Listed, violations
from tests.support.services import STALL_MS, eventually, free_port
from tests.support.stack import Counter, Program, Stack
from tests.support.stream import NODE

ENDLESS = 9e18
pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def other_field(tmp_path: Path) -> Iterator[Counter]:
    with Counter(tmp_path / "other-field") as device:
        yield device


class Clone:
    """A second gateway from a copy of the first one's disk, in a building with a device of its own."""

    def __init__(self, stack: Stack, field: Counter) -> None:
        folder = stack.folder
        shutil.copytree(folder / NODE, folder / "clone")
        whole = (folder / f"{NODE}.toml").read_text(encoding="utf-8")
        self._port, http = free_port(), port_of(whole)
        config = whole.partition("\n[[driver]]")[0] + field.driver.replace("counter/{device}", "{device}/c-1")
        config = config.replace(str(folder / NODE), str(folder / "clone")).replace(f":{http}", f":{self._port}")
        (folder / "clone.toml").write_text(config, encoding="utf-8")
        self.program = Program("clone", ["gateway", "run", "-c", str(folder / "clone.toml")], folder)

    def status(self) -> dict[str, Any]:
        """What it says of itself."""
        found: dict[str, Any] = httpx.get(f"http://127.0.0.1:{self._port}/status", timeout=60).json()
        return found

    def counted(self) -> float:
        """The newest number of its device that it has read."""
        found = [each["values"] for each in self.status()["devices"] if each["id"] == "counter"]
        return float(found[0]["n"]["value"]) if found and "n" in found[0] else 0


def port_of(config: str) -> str:
    """Where the gateway serves its status."""
    return config.partition('listen = "127.0.0.1:')[2].partition('"')[0]


def test_two_gateways_from_one_card_are_told_and_nothing_of_either_is_lost_or_doubled(
    stack: Stack, counter: Counter, other_field: Counter
) -> None:
    first_ms = now_ms()
    stack.add_gateway(NODE, "[spool]\nflush_s = 0.5\n" + counter.driver)
    eventually(lambda: stack.born(NODE) and stack.hears(NODE, "local"), 60)
    counter.start()
    eventually(lambda: stack.written(NODE) > 50, 60)
    stack.broker.kill()
    eventually(lambda: stack.status(NODE)["account"]["pending"] > 100, 60)
    stack.gateways[NODE].kill()
    killed_ms = now_ms()
    clone = Clone(stack, other_field)
    stack.broker.start()
    try:
        stack.gateways[NODE].start()
        clone.program.start()
        lives = [Life(first_ms, killed_ms), Life(now_ms(), ENDLESS)]
        other_field.start()
        eventually(lambda: {each["metric"] for each in conflicts(stack)} == {"births_of_two", "identity_conflict"}, 180)
        counter.stop()
        other_field.stop()
        eventually(lambda: stack.counted(NODE) == counter.sent and clone.counted() == other_field.sent)
        eventually(lambda: stack.drained(NODE) and clone.status()["account"]["pending"] == 0, 180)
        sides = [stack.status(NODE)["account"], clone.status()["account"]]
        told = [Listed(*(each[key] for key in _LISTED)) for each in stack.api("losses?limit=500")["items"]]
        cloud = stack.account(NODE)
    finally:
        clone.program.stop()
    assert {each["severity"] for each in conflicts(stack)} == {"critical", "warning"}
    for side in sides:
        assert (side["kept"], side["residue"]) == (side["committed"], {"sampler": 0, "spool": 0})
    copied = sum(side["committed"] for side in sides) - cloud["written"]
    assert copied > 100, "rows that both had from the card were sent by both"
    assert (cloud["residue"], cloud["dead_lettered"]) == (0, 0)
    stack.gateways[NODE].stop()
    stack.cloud.stop()
    assert violations(Evidence(counter.sent_ms, points(stack, "c-1"), lives, told, stall_ms=STALL_MS)) == []
    assert violations(Evidence(other_field.sent_ms, points(stack, "counter"), lives[1:], (), stall_ms=STALL_MS)) == []


_LISTED = ("reason", "samples", "from_ms", "to_ms")


def conflicts(stack: Stack) -> list[dict[str, Any]]:
    """Alerts about the gateway's identity."""
    return [each for each in stack.api("alerts")["items"] if each["rule"] == "frostline-identity"]


def points(stack: Stack, device: str) -> list[tuple[int, float]]:
    """Instant and number of everything in the store."""
    store = open_store(StoreConfig(path=stack.folder / "history.duckdb"))
    try:
        return list(store.samples(Place("counter", "site-a", NODE, device), "n", 0, now_ms() + 60_000))
    finally:
        store.close()


def now_ms() -> int:
    """UTC milliseconds."""
    return time.time_ns() // 1_000_000
