"""The fault proxy does to a connection what it says."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
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


async def _round_trip(proxy: TcpProxy, data: bytes, timeout_s: float = 60) -> bytes:
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


async def test_a_black_hole_swallows_the_end_of_a_connection_too() -> None:
    async with _proxy() as proxy:
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        writer.write(b"x")
        await reader.readexactly(1)
        proxy.black_hole = True
        writer.write_eof()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(), 0.1)
        proxy.black_hole = False
        assert await asyncio.wait_for(reader.read(), 60) == b""
        writer.close()


async def test_a_connection_that_is_given_up_in_a_black_hole_is_never_made() -> None:
    async with _proxy() as proxy:
        proxy.black_hole = True
        _, writer = await asyncio.open_connection(proxy.host, proxy.port)
        writer.write(b"x")
        await asyncio.sleep(0.05)
        writer.close()
        await asyncio.sleep(0.05)
        proxy.black_hole = False
        await asyncio.sleep(0.05)
        assert (proxy.connections, proxy.forwarded_bytes) == (0, 0)


async def test_the_reset_of_one_side_is_seen_by_the_other() -> None:
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"never read")
        with contextlib.suppress(ConnectionError):
            await reader.read()
        ended.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, TcpProxy("127.0.0.1", server.sockets[0].getsockname()[1]) as proxy:
        with socket.create_connection((proxy.host, proxy.port)) as client:
            await asyncio.sleep(0.1)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await asyncio.wait_for(ended.wait(), 60)


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
        assert await asyncio.wait_for(reader.readexactly(6), 60) == b"before"
        proxy.abandon()
        writer.write(b"after")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.3)
        assert await _round_trip(proxy, b"new") == b"new"
        writer.transport.abort()
