"""A counter's stream through the whole system: how a story about faults begins, and how it ends with all there once."""

from __future__ import annotations

import os

from tests.support.services import PATIENCE_S, eventually
from tests.support.stack import Counter, Stack, stored

NODE = "gw-1"
KEEPALIVE_S = int(os.environ.get("FROSTLINE_KEEPALIVE_S", "5"))
"""Of the gateway's session; 60 is the product's, and makes stories of ten keep-alives last ten minutes."""
UPLINK = f"keepalive_s = {KEEPALIVE_S}"


def begin(stack: Stack, counter: Counter) -> None:
    """Starts the gateway and the device, and waits until numbers arrive."""
    stack.add_gateway(NODE, counter.driver, UPLINK)
    eventually(lambda: stack.born(NODE) and stack.hears(NODE, "local"))
    counter.start()
    eventually(lambda: stack.written(NODE) > 50)


def settle(stack: Stack, counter: Counter) -> None:
    """Stops the device once the gateway hears it, and waits until all that it sent is read and committed."""
    sent = counter.sent
    eventually(lambda: counter.stopped or stack.counted(NODE) > sent)
    counter.stop()
    eventually(lambda: stack.counted(NODE) == counter.sent, 2 * PATIENCE_S)
    eventually(lambda: stack.drained(NODE), 3 * PATIENCE_S)


def finish(stack: Stack, counter: Counter) -> dict[str, int]:
    """Comes to rest, checks that all is there once, and returns the cloud's account."""
    settle(stack, counter)
    eventually(lambda: stack.written(NODE) == stack.status(NODE)["account"]["kept"])
    account = stack.account(NODE)
    assert (account["residue"], account["dead_lettered"]) == (0, 0)
    stack.gateways[NODE].stop()
    stack.cloud.stop()
    assert stored(stack.folder, NODE) == [float(n) for n in range(1, counter.sent + 1)]
    return account
