"""The fault proxy does to a connection what it says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.proxy import TcpProxy


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def _proxy() -> AsyncIterator[TcpProxy]:
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    async with server, TcpProxy("127.0.0.1", server.sockets[0].getsockname()[1]) as proxy:
        yield proxy


async def _round_trip(proxy: TcpProxy, data: bytes, timeout_s: float = 5) -> bytes:
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    try:
        writer.write(data)
        return await asyncio.wait_for(reader.readexactly(len(data)), timeout_s)
    finally:
        writer.transport.abort()


async def test_forwards_both_ways() -> None:
    async with _proxy() as proxy:
        assert await _round_trip(proxy, b"x" * 1_000_000) == b"x" * 1_000_000
        assert proxy.forwarded_bytes == 2_000_000


async def test_latency_counts_each_way() -> None:
    async with _proxy() as proxy:
        proxy.latency_s = 0.05
        start = time.monotonic()
        await _round_trip(proxy, b"x")
        assert time.monotonic() - start >= 0.1


async def test_black_hole_delays_and_loses_nothing() -> None:
    async with _proxy() as proxy:
        proxy.black_hole = True
        waiting = asyncio.create_task(_round_trip(proxy, b"later"))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        proxy.black_hole = False
        assert await waiting == b"later"


async def test_reset_and_refuse() -> None:
    async with _proxy() as proxy:
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        writer.write(b"x")
        await reader.readexactly(1)
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        writer.transport.abort()
        proxy.refuse = True
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await _round_trip(proxy, b"x")


async def test_a_half_open_connection_stays_and_carries_nothing_and_new_ones_work() -> None:
    async with _proxy() as proxy:
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        writer.write(b"before")
        assert await asyncio.wait_for(reader.readexactly(6), 5) == b"before"
        proxy.abandon()
        writer.write(b"after")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.3)
        assert await _round_trip(proxy, b"new") == b"new"
        writer.transport.abort()
