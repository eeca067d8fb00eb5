"""What networks do to a connection, on the whole system: none of it costs or doubles a sample."""

from __future__ import annotations

import time

import pytest

from tests.support.link import Link
from tests.support.services import SPARE_S, eventually
from tests.support.stack import Counter, Settings, Stack
from tests.support.stream import KEEPALIVE_S, NODE, UPLINK, begin, finish

pytestmark = pytest.mark.timeout(400 + 40 * KEEPALIVE_S)


@pytest.fixture
def settings() -> Settings:
    return Settings(broker=UPLINK, links=True)


@pytest.mark.parametrize("side", ["gateway_link", "cloud_link"])
def test_a_network_that_swallows_everything_and_says_nothing_costs_nothing(
    stack: Stack, counter: Counter, side: str
) -> None:
    begin(stack, counter)
    link: Link = getattr(stack, side)
    connections, tried = link.connections, link.tried
    link.black_hole(True)
    time.sleep(2.5 * KEEPALIVE_S)  # noticed after 1.5: what was sent before that is sent again
    eventually(lambda: link.tried > tried, 60 + KEEPALIVE_S)
    link.black_hole(False)
    eventually(lambda: link.connections > connections, 60)
    finish(stack, counter)


def test_a_site_that_nothing_reaches_for_ten_keep_alives_notices_in_time_and_loses_nothing(
    stack: Stack, counter: Counter
) -> None:
    begin(stack, counter)
    before, began = counter.sent, time.monotonic()
    for link in (stack.gateway_link, stack.cloud_link):
        link.black_hole(True)
    eventually(lambda: not stack.status(NODE)["uplink"]["connected"], 60 + 3 * KEEPALIVE_S)
    assert time.monotonic() - began < 1.5 * KEEPALIVE_S + SPARE_S, "1.5 keep-alives go undetected, not more"
    assert counter.sent > before, "meanwhile rows were published into a dead connection"
    time.sleep(max(0, 10 * KEEPALIVE_S - (time.monotonic() - began)))
    for link in (stack.gateway_link, stack.cloud_link):
        link.black_hole(False)
    eventually(lambda: stack.born(NODE), 90)
    counter.stop()
    eventually(lambda: stack.drained(NODE), 60 + 20 * KEEPALIVE_S)  # the backlog has a rate of its own
    account = finish(stack, counter)
    assert account["written"] > counter.sent


@pytest.mark.parametrize("side", ["gateway_link", "cloud_link"])
def test_a_connection_that_only_one_side_still_believes_in_is_replaced(
    stack: Stack, counter: Counter, side: str
) -> None:
    begin(stack, counter)
    link: Link = getattr(stack, side)
    connections = link.connections
    link.abandon()
    eventually(lambda: link.connections > connections)
    finish(stack, counter)


def test_a_slow_and_narrow_way_costs_nothing(stack: Stack, counter: Counter) -> None:
    begin(stack, counter)
    stack.gateway_link.latency(0.3)
    stack.cloud_link.bandwidth(20_000)
    time.sleep(8)
    stack.gateway_link.latency(0)
    stack.cloud_link.bandwidth(None)
    finish(stack, counter)
