"""After an outage what is measured now reaches the store at once, while the backlog drains beside it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.services import SPARE_S, eventually
from tests.support.stack import Counter, Settings, Stack, stored
from tests.support.stream import settle

NODE = "gw-1"
BACKLOG = 5_000  # four minutes at the rate of the live part
LIVE_EVERY_S = 0.05
OUTAGE_S = 32.0  # what waited for less than 30 s is still live
PER_S = 100
UPLINK = f"backlog_messages_per_s = {PER_S}\n[spool]\nflush_rows = 40"  # too few to be put together
FRESH_S = 5.0
pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def settings() -> Settings:
    return Settings(links=True)


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Counter]:
    with Counter(tmp_path / "field", every_s=0.005) as device:
        yield device


def newest(stack: Stack) -> int:
    """The newest number in the store."""
    device = stack.api(f"devices/site-a/{NODE}/c-1")
    values = {each["metric"]: each["value"] for each in device["values"]}
    return int(values["n"] or 0)


def ages_of_live_numbers(stack: Stack, counter: Counter, since: int) -> list[float]:
    """Seconds from sending to being in the store, of each number above `since`, until the backlog is gone."""
    ages: list[float] = []
    seen = since
    while stack.status(NODE)["account"]["pending"] > 100:
        reached, now_ms = newest(stack), time.time() * 1000
        if reached > seen:
            ages += [(now_ms - sent_ms) / 1000 for sent_ms in counter.sent_ms[seen:reached]]
            seen = reached
        time.sleep(0.1)
    return ages


def test_what_is_measured_now_does_not_wait_for_the_backlog(stack: Stack, counter: Counter) -> None:
    stack.gateway_link.refuse(True)
    stack.add_gateway(NODE, counter.driver, UPLINK)
    eventually(lambda: stack.hears(NODE, "local"))
    counter.start()
    eventually(lambda: counter.sent >= BACKLOG and time.time() * 1000 - counter.sent_ms[0] > OUTAGE_S * 1000, 240)
    counter.every_s = LIVE_EVERY_S
    stack.gateway_link.refuse(False)
    eventually(lambda: stack.born(NODE), 60)
    eventually(lambda: stack.written(NODE) > 0)
    ages = sorted(ages_of_live_numbers(stack, counter, counter.sent))
    assert len(ages) > 20, "the backlog drains beside a stream of new numbers"
    assert ages[int(len(ages) * 0.95)] < FRESH_S + SPARE_S
    settle(stack, counter)
    stack.gateways[NODE].stop()
    stack.cloud.stop()
    assert stored(stack.folder, NODE) == [float(n) for n in range(1, counter.sent + 1)]
