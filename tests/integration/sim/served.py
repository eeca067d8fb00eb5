"""A world that is served, and points of its profiles read by an independent client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient

from frostline_core.config import parse
from frostline_edge.profiles import load
from frostline_edge.profiles.registers import decode, width
from frostline_sim.config import WorldConfig
from frostline_sim.run import RunningWorld, serve

GTIN = "80614141123458"
FREEZER = {"unit": 1, "device": "freezer", "profile": "danfoss_ekc202b"}
METER = {"unit": 20, "device": "meter", "profile": "eastron_sdm630"}
SLOWEST = 0.01
"""A speed at which the world stands still for the length of a test."""


@asynccontextmanager
async def served(speed: float = SLOWEST, **table: Any) -> AsyncIterator[RunningWorld]:
    rooms = [{"name": "freezer", "setpoint_c": -20.0}]
    base = {"cold_room": rooms, "rack": [{"name": "rack", "rooms": ["freezer"]}], "meter": [{"name": "meter"}]}
    async with serve(parse(base | table, WorldConfig, "test"), speed=speed) as running:
        yield running


async def point(client: AsyncModbusTcpClient | AsyncModbusSerialClient, unit: dict[str, Any], name: str) -> Any:
    each = next(point for point in load(str(unit["profile"])).points if point.name == name)
    read = {
        "holding": client.read_holding_registers,
        "input": client.read_input_registers,
        "coil": client.read_coils,
        "discrete": client.read_discrete_inputs,
    }[each.table.value]
    answer = await read(each.address, count=width(each), device_id=int(unit["unit"]))
    assert not answer.isError(), answer
    found = answer.registers or [int(bit) for bit in answer.bits]
    return decode(each, found[: width(each)])


@asynccontextmanager
async def tcp(port: int, timeout_s: float = 30.0) -> AsyncIterator[AsyncModbusTcpClient]:
    client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=timeout_s, retries=0, reconnect_delay=0)
    assert await client.connect()
    try:
        yield client
    finally:
        client.close()
