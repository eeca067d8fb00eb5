"""The fault proxy for tests without an event loop: it runs in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from tests.support.proxy import TcpProxy
from tests.support.services import free_port

_WAIT_S = 60.0


class Link:
    """A way from 127.0.0.1:`port` to (host, port), spoiled on command from any thread.

    Attributes:
        host: Where it listens.
        port: Known before it listens, so that configs can be written.
    """

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = "127.0.0.1", free_port()
        self._proxy = TcpProxy(host, port, self.port)

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"link-{self.port}")
        self._thread.start()
        with ExitStack() as started:
            started.callback(self._end)
            asyncio.run_coroutine_threadsafe(self._proxy.__aenter__(), self._loop).result(_WAIT_S)
            started.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with ExitStack() as ends:
            ends.callback(self._end)
            asyncio.run_coroutine_threadsafe(self._proxy.__aexit__(None, None, None), self._loop).result(_WAIT_S)

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def connections(self) -> int:
        """How many connections were ever forwarded."""
        return self._proxy.connections

    @property
    def tried(self) -> int:
        """How many connections were ever tried."""
        return self._proxy.tried

    def reset(self) -> None:
        """RST on every connection."""
        self._do(self._proxy.reset)

    def tear(self, *, upward: bool, reset: bool) -> None:
        """See `TcpProxy.tear`."""
        self._do(lambda: self._proxy.tear(upward, reset))

    def abandon(self) -> None:
        """Every connection of now is half open for ever; new ones work."""
        self._do(self._proxy.abandon)

    def black_hole(self, on: bool) -> None:
        """Nothing comes across, nobody is told; what was under way comes across afterwards."""
        self._set("black_hole", on)

    def refuse(self, on: bool) -> None:
        """New connections are reset."""
        self._set("refuse", on)

    def latency(self, seconds: float) -> None:
        """Delay of every chunk, each way."""
        self._set("latency_s", seconds)

    def bandwidth(self, bytes_per_s: float | None) -> None:
        """Bandwidth each way; None is unlimited."""
        self._set("bytes_per_s", bytes_per_s)

    def thin(self, make: Callable[[], Callable[[bytes], bytes]] | None) -> None:
        """What is done, in each connection from now on, to the bytes that the server sends."""
        self._proxy.thin = make

    def _set(self, name: str, value: object) -> None:
        self._do(lambda: setattr(self._proxy, name, value))

    def _do(self, call: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(call)
