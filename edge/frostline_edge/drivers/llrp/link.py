"""The connection to one reader: the thin shell between a TCP socket and the pure protocol modules."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

from frostline_core.errors import ProtocolError, UnavailableError
from frostline_edge.drivers.llrp.messages import SUCCESS, Kind, notice, rospec_id, status
from frostline_edge.drivers.llrp.wire import Framer, Message, message

_READ_BYTES = 65536
_MOST_WAITING = 10_000
_CLOSE_S = 1.0
_ACK = message(Kind.KEEPALIVE_ACK, 0)


@dataclass(frozen=True, slots=True)
class Waits:
    """How long to wait for what.

    Attributes:
        connect_s: TCP connection and the reader's greeting.
        answer_s: An answer to a request.
        silence_s: Without any byte for so long, the link is dead.
    """

    connect_s: float
    answer_s: float
    silence_s: float


class Link:
    """One LLRP session. Answers keepalives by itself; holds no queue: what is not received waits in TCP."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, waits: Waits) -> None:
        self._reader = reader
        self._writer = writer
        self._waits = waits
        self._framer = Framer()
        self._waiting: deque[Message] = deque()
        self._number = 0
        self._clock = asyncio.get_running_loop().time
        self._heard = self._clock()

    async def greet(self) -> None:
        """Waits for the reader to accept the connection (ConnectionAttemptEvent, LLRP 1.0.1, section 13).

        Raises:
            UnavailableError: It refuses, since it serves another client, or stays silent.
            ProtocolError: It says something else first.
        """
        first = await self._next(self._waits.connect_s)
        found = notice(first.body).connection if first.type == Kind.READER_EVENT_NOTIFICATION else None
        if found is None:
            raise ProtocolError(f"the reader began with message {first.type}, not with a connection event")
        if found != SUCCESS:
            raise UnavailableError(f"the reader refuses the connection (status {found}); does another client use it?")

    async def request(self, kind: Kind, answer: Kind, body: bytes = b"") -> bytes:
        """Sends a message and returns the body of its answer, whatever status that has.

        Raises:
            UnavailableError: No answer in time, or the connection is gone.
            ProtocolError: The reader answers with an error message or breaks the protocol.
        """
        number = await self.send(kind, body)
        aside: deque[Message] = deque()
        deadline = self._clock() + self._waits.answer_s
        while True:
            found = await self._next(deadline - self._clock())
            if found.id == number and found.type == answer:
                self._waiting.extendleft(reversed(aside))
                return found.body
            if found.id == number and found.type == Kind.ERROR_MESSAGE:
                raise ProtocolError(f"the reader does not understand {kind.name}: {status(found.body).text}")
            aside.append(found)
            if len(aside) > _MOST_WAITING:
                raise ProtocolError(f"{_MOST_WAITING} messages and still no answer to {kind.name}")

    async def command(self, kind: Kind, answer: Kind, body: bytes = b"") -> None:
        """Sends a message whose answer must be success.

        Raises:
            UnavailableError: As `request`.
            ProtocolError: As `request`, or the reader refuses; the message has its code and words.
        """
        found = status(await self.request(kind, answer, body))
        if found.code != SUCCESS:
            raise ProtocolError(f"the reader refuses {kind.name}: {found.code} {found.text}".rstrip())

    async def send(self, kind: Kind, body: bytes = b"") -> int:
        """Sends a message and returns its id.

        Raises:
            UnavailableError: The connection is gone, or the reader does not read.
        """
        self._number += 1
        self._writer.write(message(kind, self._number, body))
        try:
            async with asyncio.timeout(self._waits.answer_s):
                await self._writer.drain()
        except OSError as error:  # TimeoutError is one
            raise UnavailableError(f"the reader takes no messages: {error or 'time-out'}") from error
        return self._number

    async def receive(self, wait_s: float) -> list[Message]:
        """The messages that are there; waits up to wait_s for the first. Keepalives are answered and left out.

        Raises:
            UnavailableError: The reader closed the connection or has been silent for too long.
            ProtocolError: What came is no LLRP.
        """
        if self._waiting:
            found = list(self._waiting)
            self._waiting.clear()
            return found
        silent_at = self._heard + self._waits.silence_s
        try:
            async with asyncio.timeout(max(0.0, min(wait_s, silent_at - self._clock()))):
                received = await self._reader.read(_READ_BYTES)
        except TimeoutError as error:
            if self._clock() >= silent_at:
                raise UnavailableError(f"nothing heard from the reader for {self._waits.silence_s:g} s") from error
            return []
        except OSError as error:
            raise UnavailableError(f"connection to the reader lost: {error}") from error
        if not received:
            raise UnavailableError("the reader closed the connection")
        self._heard = self._clock()
        return [each for each in self._framer.feed(received) if not self._answered(each)]

    def _answered(self, found: Message) -> bool:
        if found.type != Kind.KEEPALIVE:
            return False
        self._writer.write(_ACK)
        return True

    async def _next(self, wait_s: float) -> Message:
        deadline = self._clock() + wait_s
        while not self._waiting:
            left = deadline - self._clock()
            if left <= 0:
                raise UnavailableError(f"no answer from the reader within {wait_s:.1f} s")
            self._waiting.extend(await self.receive(left))
        return self._waiting.popleft()

    async def close(self) -> None:
        """Ends the scan and the session politely, as far as that works within a second."""
        with contextlib.suppress(OSError):
            self._writer.write(message(Kind.DELETE_ROSPEC, self._number + 1, rospec_id(0)))
            self._writer.write(message(Kind.CLOSE_CONNECTION, self._number + 2))
            async with asyncio.timeout(_CLOSE_S):
                await self._writer.drain()
                self._writer.close()
                await self._writer.wait_closed()
        self._writer.transport.abort()


@contextlib.asynccontextmanager
async def connect(host: str, port: int, waits: Waits) -> AsyncIterator[Link]:
    """A greeted session with a reader.

    Raises:
        UnavailableError: Nobody there, or busy with another client.
        ProtocolError: Whoever is there does not speak LLRP.
    """
    try:
        async with asyncio.timeout(waits.connect_s):
            reader, writer = await asyncio.open_connection(host, port)
    except OSError as error:  # TimeoutError is one
        raise UnavailableError(f"no connection to the reader at {host}:{port}: {error or 'time-out'}") from error
    link = Link(reader, writer, waits)
    try:
        await link.greet()
        yield link
    finally:
        await link.close()
