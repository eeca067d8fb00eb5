"""A span of time is asked for again: the gateway sends what it still keeps, and nothing becomes double."""

from __future__ import annotations

import time

import pytest

from tests.support.services import eventually
from tests.support.stack import Counter, Stack, stored
from tests.support.stream import settle

NODE = "gw-1"
pytestmark = pytest.mark.timeout(600)


def test_what_the_gateway_keeps_comes_again_and_overwrites_itself(stack: Stack, counter: Counter) -> None:
    stack.add_gateway(NODE, counter.driver)
    eventually(lambda: stack.born(NODE) and stack.hears(NODE, "local"))
    began = int(time.time() * 1000)
    counter.start()
    eventually(lambda: counter.sent > 50)
    settle(stack, counter)
    eventually(lambda: stack.written(NODE) == stack.status(NODE)["account"]["kept"])
    written = stack.account(NODE)["written"]
    span = {"from_ms": began - 1_000, "to_ms": int(time.time() * 1000) + 1_000}
    asked = stack.http.post(f"/api/v1/nodes/site-a/{NODE}/refetch", json=span)
    assert asked.status_code == 202, asked.text
    eventually(lambda: stack.account(NODE)["written"] >= written + counter.sent, 60)
    account = stack.account(NODE)
    assert account["residue"] == 0
    for gateway in stack.gateways.values():
        gateway.stop()
    stack.cloud.stop()
    values = [value for value in stored(stack.folder, NODE) if value]
    assert values == [float(n) for n in range(1, counter.sent + 1)]
