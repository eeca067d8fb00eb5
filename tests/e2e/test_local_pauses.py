"""Maintenance reaches a gateway's local rules, and ends there by itself."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from frostline_cloud.rules import AssetState, Pause, add_pause
from frostline_cloud.sql import open_engine
from tests.e2e.test_local_rules import NODE, RULE, WARM, add_gateway, hold, room, warms, within
from tests.support.services import SPARE_S
from tests.support.stack import Settings, Stack

LASTS_S = 40.0
pytestmark = pytest.mark.timeout(600)


def pause(stack: Stack, seconds: float) -> None:
    """Maintenance of the room, written as the API writes it."""
    now_ms = time.time_ns() // 1_000_000
    wanted = Pause(
        0, AssetState.MAINTENANCE, "site-a", NODE, "room-1", now_ms, now_ms + round(seconds * 1000), "new fan", "anna"
    )  # fmt: skip
    engine = open_engine(f"sqlite:///{stack.folder}/frostline.db")
    with engine.begin() as connection:
        add_pause(connection, wanted, now_ms)
    engine.dispose()


async def test_in_a_pause_an_output_stays_off_and_the_pause_ends_without_the_cloud(tmp_path: Path) -> None:
    with Stack(tmp_path, RULE, Settings(links=True)) as stack:
        async with room() as (port, client):
            await asyncio.to_thread(add_gateway, stack, tmp_path, port, sent=True)
            await hold(lambda: stack.born(NODE) and stack.hears(NODE, "room-1") and stack.written(NODE) > 0)
            await hold(lambda: stack.status(NODE)["rules"]["rules"] == ["freezer-warm"])
            began = time.monotonic()
            pause(stack, LASTS_S)
            await hold(lambda: len(stack.status(NODE)["rules"]["pauses"]) == 1)
            stack.gateway_link.refuse(True)
            stack.gateway_link.reset()
            await warms(client, WARM)
            await within(LASTS_S + 10 + SPARE_S, client, True)
            assert time.monotonic() > began + LASTS_S - 2, "it stayed off as long as the pause lasted"
