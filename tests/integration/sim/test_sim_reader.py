"""The RFID reader of a world, read with an independent LLRP client."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from llrpkit import Reader

from frostline_core.epc import gtin14
from tests.integration.sim.served import GTIN, served

STOCK: dict[str, Any] = {
    "product": [{"gtin": GTIN}],
    "zone": [{"name": "dock", "items": {GTIN: 3}}, {"name": "shelf", "items": {GTIN: 5}}],
    "reader": [{"name": "reader", "antennas": {"1": "dock", "2": "shelf"}, "reads_per_s": 400.0}],
}


async def test_a_reader_hears_the_items_of_each_zone_on_its_antenna() -> None:
    async with served(**STOCK) as running:
        heard: dict[int, set[str]] = {1: set(), 2: set()}
        async with asyncio.timeout(60):
            async with Reader("127.0.0.1", running.ports["reader"]) as reader:
                async for tag in reader.inventory(antennas=(1, 2)):
                    heard[tag.antenna or 0].add(tag.epc_hex.upper())
                    if (len(heard[1]), len(heard[2])) == (3, 5):
                        break
        there = {
            zone: {item.epc.hex().upper() for item in running.world.stock.zone(zone)} for zone in ("dock", "shelf")
        }
        assert heard == {1: there["dock"], 2: there["shelf"]}
        assert {gtin14(epc) for epcs in heard.values() for epc in epcs} == {GTIN}
        assert running.truth.served["reader", "reads_antenna_2"].count >= 5


async def test_an_item_that_moved_is_heard_on_the_other_antenna() -> None:
    faults = [{"type": "stock_removed", "target": "dock", "at": "1m", "count": 3}]
    async with served(**STOCK, fault=faults) as running:
        async with asyncio.timeout(60), Reader("127.0.0.1", running.ports["reader"]) as reader:
            stream = reader.inventory(antennas=(1, 2))
            assert (await anext(stream)).antenna in (1, 2)
            running.world.step(120_000)
            await asyncio.sleep(0.5)
            late = [(await anext(stream)).antenna for _ in range(300)]
            await stream.aclose()
        assert set(late[-100:]) == {2}


async def test_a_deaf_antenna_hears_nothing_while_the_other_does() -> None:
    fault = [{"type": "reader_deaf", "target": "reader/1", "at": 0}]
    async with (
        served(**STOCK, fault=fault) as running,
        asyncio.timeout(60),
        Reader("127.0.0.1", running.ports["reader"]) as reader,
    ):
        stream = reader.inventory(antennas=(1, 2))
        heard = {(await anext(stream)).antenna for _ in range(50)}
        await stream.aclose()
    assert heard == {2}


async def test_a_silent_reader_keeps_the_connection_and_says_nothing() -> None:
    fault = [{"type": "device_silent", "target": "reader", "at": 0}]
    async with served(**STOCK, fault=fault) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.ports["reader"])
        try:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await reader.read(1)
        finally:
            writer.close()
