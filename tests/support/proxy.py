"""A TCP proxy that spoils connections on purpose: latency, silence, resets, refusal, little bandwidth."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from types import TracebackType
from typing import Self

_CHUNK = 65536


class TcpProxy:
    """Forwards 127.0.0.1:`port` to (host, port); the attributes may be changed at any time.

    Attributes:
        latency_s: Delay of every chunk, each way.
        bytes_per_s: Bandwidth each way; None is unlimited.
        black_hole: True keeps connections open and forwards nothing, no end of a connection either, until it is False
            again; then what was held back comes. A connection that is tried meanwhile is made when it is False again,
            unless whoever tried has given up.
        refuse: True resets every new connection at once.
        thin: Makes, for each new connection, what is done to the bytes that the server sends; None changes nothing.
        tried: How many connections were made to us.
        connections: Of them, those that were forwarded.
        forwarded_bytes: Both directions together.
    """

    def __init__(self, host: str, port: int, listen_port: int = 0) -> None:
        self.latency_s = 0.0
        self.bytes_per_s: float | None = None
        self.refuse = False
        self.thin: Callable[[], Callable[[bytes], bytes]] | None = None
        self.tried = self.connections = 0
        self.forwarded_bytes = 0
        self.host = "127.0.0.1"
        self.port = listen_port
        self._upstream = (host, port)
        self._open = asyncio.Event()
        self._open.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._upward: set[asyncio.StreamWriter] = set()
        self._torn: dict[asyncio.StreamWriter, bool] = {}
        self._age = 0

    @property
    def black_hole(self) -> bool:
        """Whether nothing is forwarded now."""
        return not self._open.is_set()

    @black_hole.setter
    def black_hole(self, on: bool) -> None:
        if on:
            self._open.clear()
        else:
            self._open.set()

    def reset(self) -> None:
        """Ends every connection now with RST, both sides."""
        for writer in list(self._writers):
            _reset(writer)

    def tear(self, upward: bool, reset: bool) -> None:
        """Of what comes next in each connection of now its last byte is missing, and there the connection ends.

        Args:
            upward: In what goes to the server; else in what comes from it.
            reset: It ends with RST; else with FIN.
        """
        torn = self._upward if upward else self._writers - self._upward
        self._torn.update(dict.fromkeys(torn, reset))

    def abandon(self) -> None:
        """Leaves every connection half open: both sides stay connected, and no byte, not even a FIN, comes across."""
        self._age += 1

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, self.host, self.port)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.reset()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._forward(reader, writer)
        except asyncio.CancelledError:
            pass  # only __aexit__ cancels, and a cancelled accept callback would be logged as an error
        finally:
            self._tasks.discard(task)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tried += 1
        if self.refuse:
            _reset(writer)
            return
        held = await self._held_back(reader)
        if held is None:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._upstream)
        except OSError:
            _reset(writer)
            return
        far_writer.write(held)
        self.connections += 1
        pair = {writer, far_writer}
        self._writers |= pair
        self._upward.add(far_writer)
        try:
            age = self._age
            thin = self.thin() if self.thin else bytes
            await asyncio.gather(self._pump(reader, far_writer, age), self._pump(far_reader, writer, age, thin))
        finally:
            self._writers -= pair
            self._upward -= pair
            for each in pair:
                self._torn.pop(each, None)
                each.transport.abort()

    async def _held_back(self, reader: asyncio.StreamReader) -> bytes | None:
        """What a new connection says until nothing is swallowed any more; None if it ends before."""
        held = b""
        while self.black_hole:
            said = asyncio.ensure_future(reader.read(_CHUNK))
            opened = asyncio.ensure_future(self._open.wait())
            try:
                await asyncio.wait({said, opened}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                opened.cancel()
                if not said.done():
                    said.cancel()
            if not said.done():
                break
            try:
                chunk = said.result()
            except OSError:
                return None
            if not chunk:
                return None
            held += chunk
        return held

    async def _pump(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        age: int,
        thin: Callable[[bytes], bytes] = bytes,
    ) -> None:
        try:
            while chunk := await source.read(_CHUNK):
                await asyncio.sleep(self.latency_s)
                if self.bytes_per_s:
                    await asyncio.sleep(len(chunk) / self.bytes_per_s)
                await self._open.wait()
                if age != self._age:
                    continue
                self.forwarded_bytes += len(chunk)
                if target in self._torn:
                    target.write(chunk[:-1])
                    await target.drain()
                    if self._torn[target]:
                        _reset(target)
                    break
                target.write(thin(chunk))
                await target.drain()
            await self._open.wait()
            if age == self._age and not target.is_closing():
                target.write_eof()
        except OSError:  # whoever is killed with bytes unread resets his connection
            await self._open.wait()
            if age == self._age:
                _reset(target)


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
