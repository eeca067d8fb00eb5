"""What the sessions of one uplink share: time, signals from others, and the parts that outlive a session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from frostline_core.commit import GatewayCommit
from frostline_core.sparkplug import Refused, WriteAsked
from frostline_gateway.spool import Spool
from frostline_gateway.uplink_births import Births
from frostline_gateway.uplink_config import UplinkConfig

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Clocks:
    """Time as arguments: of day (UTC milliseconds), and one that only goes forward (milliseconds)."""

    utc_ms: Callable[[], int]
    steady_ms: Callable[[], int]


@dataclass(slots=True)
class Signals:
    """What others tell a session; kept by the uplink over sessions.

    Attributes:
        commands: Where writes and refusals go; never blocks.
        born: Called when births are out.
        copied: Called with a run that the host has more of than this disk ever had.
        wake: Something came: a message, a row, a device.
        changed: Devices that were born or died since the session looked.
        rebirth: Somebody wants all births again.
    """

    commands: Callable[[WriteAsked | Refused], None]
    born: Callable[[], None]
    copied: Callable[[int], None]
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    changed: set[str] = field(default_factory=set)
    rebirth: bool = False


@dataclass(frozen=True, slots=True)
class Parts:
    """What every session of one uplink works with."""

    config: UplinkConfig
    spool: Spool
    commit: GatewayCommit
    births: Births
    clocks: Clocks
    signals: Signals
    chance: Callable[[], float]


async def in_thread(call: Callable[[], Result]) -> Result:
    """Runs what touches the disk off the event loop; a cancellation waits for it, so that nothing overlaps."""
    running = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise
