"""What carries requests: one connection, over TCP or a serial line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from frostline_edge.drivers.modbus.config import Config
from frostline_edge.drivers.modbus.pdu import Answer, Request
from frostline_edge.drivers.modbus.tcp import TcpLine


class Line(Protocol):
    """One connection, used once: connect, ask, close."""

    received: int
    """Bytes that came since the last request, as far as is known."""
    last_received_s: float

    @property
    def transaction(self) -> int:
        """The transaction id of the last request; 0 where there are none."""

    @property
    def unread(self) -> int:
        """Bytes that came and made no frame."""

    async def connect(self) -> bool:
        """Whether the connection was made, within the configured time-out."""

    def close(self) -> None:
        """Ends the connection."""

    async def ask(self, request: Request) -> Answer:
        """Sends one request and waits for an answer; LineLostError, NoAnswerError."""


def line_for(config: Config, clock: Callable[[], float]) -> Line:
    """A connection as the config describes it, not made yet."""
    if config.transport == "tcp":
        return TcpLine(config, clock)
    from frostline_edge.drivers.modbus.rtu import RtuLine  # a library that only serial lines need

    return RtuLine(config, clock)
