"""A TCP gate: what a client connects to, so that the way behind it can be cut, frozen or slowed.

Down, the port refuses connections, and those that were open are reset. The port stays reserved all the time by a
second socket that is bound and does not listen, so that nobody else can take it while the gate is down.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress

_CHUNK = 65_536
_MOST_CONNECTIONS = 256
_CONNECT_S = 5.0


class Gate:
    """Listens on one port and passes bytes to another and back.

    Attributes:
        delay_s: Added to each chunk, each way.
        port: The port that it listens on.
    """

    def __init__(self, listen: str, port: int, target: Callable[[], tuple[str, int]]) -> None:
        """Prepares a gate; nothing is opened.

        Args:
            listen: Address to listen on.
            port: 0 takes a free one at `start`.
            target: Where to connect to, asked for each connection.
        """
        self.delay_s = 0.0
        self.port = port
        self._listen = listen
        self._target = target
        self._reserve: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def start(self) -> None:
        """Takes the port and opens.

        Raises:
            OSError: The port is taken.
        """
        self._reserve = self._bound(self.port)
        self.port = self._reserve.getsockname()[1]
        await self.up()

    async def stop(self) -> None:
        """Closes everything and gives the port back."""
        await self.down()
        if self._reserve is not None:
            self._reserve.close()
            self._reserve = None

    async def up(self) -> None:
        """Listens; does nothing when it already does."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, sock=self._bound(self.port))

    async def down(self) -> None:
        """Stops listening and resets all connections; does nothing when it is down."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for writer in list(self._open):
            _reset(writer)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def turn(self, *, down: bool) -> None:
        """Opens or closes."""
        await (self.down() if down else self.up())

    def freeze(self) -> None:
        """From now on nothing passes, and nobody is told: a link that died without a word."""
        self._flowing.clear()

    def thaw(self) -> None:
        """What was held passes on."""
        self._flowing.set()

    def _bound(self, port: int) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            sock.bind((self._listen, port))
        except OSError:
            sock.close()
            raise
        return sock

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._tasks) >= _MOST_CONNECTIONS:
            _reset(writer)
            return
        task = asyncio.create_task(self._serve(reader, writer), name=f"gate-{self.port}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            await self._join(reader, writer)
        except OSError:
            _reset(writer)
        finally:
            self._open.discard(writer)
            writer.close()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(_CONNECT_S):
            far_reader, far_writer = await asyncio.open_connection(*self._target())
        self._open.add(far_writer)
        try:
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        finally:
            self._open.discard(far_writer)
            far_writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                await self._flowing.wait()
                writer.write(chunk)
                await writer.drain()
        # The one side has finished: so is the connection.
        writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Closes with RST: SO_LINGER of no seconds throws away what was not sent."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
