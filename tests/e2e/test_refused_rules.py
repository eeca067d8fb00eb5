"""Rules that a gateway refuses: the cloud says so, with the reason, until a set comes that fits."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support.services import eventually
from tests.support.stack import Settings, Stack

NODE = "gw-1"
RULE = """
[[rule]]
id = "room-warm"
type = "threshold"
title = "Room too warm"
above = 30.0
where = "gateway"
output = "bell"
select = { metric = "temperature" }
"""
GATEWAY = """
[[output]]
name = "siren"
file = "{folder}/siren"
"""
pytestmark = pytest.mark.timeout(600)


def said(stack: Stack) -> Any:
    found = [each for each in stack.api("nodes")["items"] if each["node"] == NODE]
    return found[0]["local_rules"] if found else None


async def test_a_set_of_rules_that_the_gateway_refuses_is_seen_in_the_cloud(tmp_path: Path) -> None:
    with Stack(tmp_path, RULE, Settings()) as stack:
        await asyncio.to_thread(stack.add_gateway, NODE, GATEWAY.format(folder=tmp_path))
        await asyncio.to_thread(eventually, lambda: said(stack), 60)
        refused = said(stack)
        assert "bell" in refused["reason"]
        assert refused["refused"] != refused["version"]
