"""Nothing is missing and nothing is double, whatever is killed: counted against what a device sent."""

from __future__ import annotations

import time

import pytest

from tests.support.services import eventually
from tests.support.stack import Counter, Stack, stored
from tests.support.stream import settle

NODE = "gw-1"
pytestmark = pytest.mark.timeout(600)


def reads_more(stack: Stack) -> None:
    """Until the gateway has read as many as in a second and a half."""
    before = stack.counted(NODE)
    eventually(lambda: stack.counted(NODE) > before + 75)


def count_after_stop(stack: Stack) -> list[float]:
    for gateway in stack.gateways.values():
        gateway.stop()
    stack.cloud.stop()
    return stored(stack.folder, NODE)


def test_a_broker_that_is_away_for_a_while_costs_nothing(stack: Stack, counter: Counter) -> None:
    stack.add_gateway(NODE, counter.driver)
    eventually(lambda: stack.born(NODE) and stack.hears(NODE, "local"))
    counter.start()
    eventually(lambda: stack.written(NODE) > 50)
    stack.broker.kill()
    time.sleep(4)
    stack.broker.start()
    eventually(lambda: stack.born(NODE))
    settle(stack, counter)
    written = stack.account(NODE)["written"]
    values = [value for value in count_after_stop(stack) if value]
    assert values == [float(n) for n in range(1, counter.sent + 1)]
    assert written >= counter.sent, "the gateway's and the driver's own samples are in the account too"


def test_a_cloud_killed_three_times_mid_stream_costs_nothing(stack: Stack, counter: Counter) -> None:
    stack.add_gateway(NODE, counter.driver)
    eventually(lambda: stack.born(NODE) and stack.hears(NODE, "local"))
    counter.start()
    for _ in range(3):
        reads_more(stack)
        stack.cloud.kill()
        time.sleep(0.5)
        stack.start_cloud()
    settle(stack, counter)
    eventually(lambda: stack.written(NODE) == stack.status(NODE)["account"]["kept"])
    account, gateway = stack.account(NODE), stack.status(NODE)["account"]
    values = count_after_stop(stack)
    assert values == [float(n) for n in range(1, counter.sent + 1)]
    assert account["written"] == gateway["committed"] == gateway["kept"], "each sample was ruled exactly once"
    assert account["residue"] == 0


def test_a_gateway_killed_three_times_mid_stream_loses_nothing_that_it_kept(stack: Stack, counter: Counter) -> None:
    gateway = stack.add_gateway(NODE, counter.driver)
    eventually(lambda: stack.born(NODE) and stack.hears(NODE, "local"))
    counter.start()
    for _ in range(3):
        reads_more(stack)
        gateway.kill()
        gateway.start()
        eventually(lambda: stack.born(NODE))
    settle(stack, counter)
    eventually(lambda: stack.written(NODE) == stack.status(NODE)["account"]["kept"])
    account, held = stack.account(NODE), stack.status(NODE)["account"]
    values = count_after_stop(stack)
    assert account["written"] == held["kept"] == held["committed"]
    assert held["lost"] == 0
    assert len(values) == len(set(values)), "a value is there twice"
    assert values == sorted(values), "a value is out of order"
    assert counter.sent > len(values) > 100, "what was sent while the gateway was down was never read"


def test_broker_cloud_and_gateway_killed_together_lose_nothing_that_was_kept(stack: Stack, counter: Counter) -> None:
    gateway = stack.add_gateway(NODE, counter.driver)
    eventually(lambda: stack.born(NODE) and stack.hears(NODE, "local"))
    counter.start()
    reads_more(stack)
    for program in (gateway, stack.cloud, stack.broker):
        program.kill()
    stack.broker.start()
    gateway.start()
    stack.start_cloud()
    eventually(lambda: stack.born(NODE))
    settle(stack, counter)
    eventually(lambda: stack.written(NODE) == stack.status(NODE)["account"]["kept"])
    account, held = stack.account(NODE), stack.status(NODE)["account"]
    values = count_after_stop(stack)
    assert account["written"] == held["kept"] == held["committed"]
    assert len(values) == len(set(values))
