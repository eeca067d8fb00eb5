"""The command `Frostline/Refetch`: send what was measured in a span of time again, out of the ring.

A String, JSON: {"from_ms": .., "to_ms": .., "device": ..}, from `from_ms` on and before `to_ms` in UTC milliseconds;
`device` is optional. The samples come as new batches in the backlog lane, marked historical: the store writes the same
values over the same instants, and rules see them as late.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

from frostline_core.errors import UnavailableError
from frostline_core.reading import Value
from frostline_core.sparkplug import Refused, WriteAsked
from frostline_gateway.commands import Commands
from frostline_gateway.spool.ring import REFETCHES_MAX, Refetch

REFETCH = "Frostline/Refetch"
"""Node metric (String, writable), declared in NBIRTH."""
_MOST_TEXT = 1_000


class Refetches:
    """Follows refetch commands, and hands every other one on.

    Args:
        refetch: Of the spool; called in a thread.
        commands: Follows the others, and audits all of them.
    """

    def __init__(self, refetch: Callable[[Refetch], bool], commands: Commands) -> None:
        self._refetch, self._commands = refetch, commands
        self._next: Callable[[WriteAsked | Refused], Awaitable[None]] = commands.follow

    async def follow(self, command: WriteAsked | Refused) -> None:
        """Follows one command and returns when its outcome is known."""
        if not isinstance(command, WriteAsked) or command.device or command.metric != REFETCH:
            await self._next(command)
            return
        try:
            span = parse(command.value)
            taken = await asyncio.to_thread(self._refetch, span)
        except (ValueError, UnavailableError) as error:
            self._commands.refuse(command, str(error))
            return
        if taken:
            self._commands.done(command)
        else:
            self._commands.refuse(command, f"{REFETCHES_MAX} spans wait to be sent already")


def parse(value: Value) -> Refetch:
    """The span that a command asks for.

    Raises:
        ValueError: It is no such JSON, or the span is empty.
    """
    if not isinstance(value, str) or len(value) > _MOST_TEXT:
        raise ValueError("a refetch is a JSON text of at most 1000 characters")
    try:
        table = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"a refetch is JSON: {error}") from error
    if not isinstance(table, dict) or not {"from_ms", "to_ms"} <= table.keys() <= {"from_ms", "to_ms", "device"}:
        raise ValueError("a refetch has from_ms, to_ms and perhaps device")
    from_ms, to_ms, device = table["from_ms"], table["to_ms"], table.get("device")
    if not all(type(each) is int and 0 <= each < 1 << 53 for each in (from_ms, to_ms)):
        raise ValueError("from_ms and to_ms are UTC milliseconds")
    if from_ms >= to_ms:
        raise ValueError("from_ms must lie before to_ms")
    if device is not None and not isinstance(device, str):
        raise ValueError("device is a text")
    return Refetch(from_ms, to_ms, device or None)
