"""The command `Frostline/Pauses`: which devices are not in service, and until when; kept over restarts in one file.

While a device is paused its local rules open nothing, so no output goes on because of them; hard limits do, and what
is on stays on until it is back in range. A pause ends by its own time, whether or not the cloud can be reached.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from frostline_core.errors import ConfigError
from frostline_core.reading import DataType
from frostline_core.rules.standstill import PAUSES, Span, unpack
from frostline_core.sparkplug import BirthMetric, Refused, WriteAsked
from frostline_gateway.commands import Commands
from frostline_gateway.devices import Devices
from frostline_gateway.local_rules.local import LocalRules

log = logging.getLogger("frostline.rules")

_MOST_REASON = 500


class Pausing:
    """Follows that command, and hands every other one on.

    Args:
        local: The rules.
        commands: Audits what became of a command.
        devices: Declares the version in births.
        then: Follows the others.
    """

    def __init__(
        self,
        local: LocalRules,
        commands: Commands,
        devices: Devices,
        then: Callable[[WriteAsked | Refused], Awaitable[None]],
    ) -> None:
        self._local, self._commands, self._devices, self._then = local, commands, devices, then
        self._kept = local.place.memory.with_name("pauses_sent.json")
        self.version = ""
        self._recall()
        self._declare()

    async def follow(self, command: WriteAsked | Refused) -> None:
        """Follows one command and returns when its outcome is known."""
        if not isinstance(command, WriteAsked) or command.device or command.metric != PAUSES:
            await self._then(command)
            return
        text = command.value if isinstance(command.value, str) else ""
        try:
            version, spans = unpack(text)
            if version == self.version:
                return
            await asyncio.to_thread(_write, self._kept, text)
        except (ConfigError, OSError) as error:
            self._commands.refuse(WriteAsked("", PAUSES, ""), str(error)[:_MOST_REASON])
            return
        self._use(version, spans)
        self._declare()
        self._commands.done(WriteAsked("", PAUSES, version))

    def _use(self, version: str, spans: tuple[Span, ...]) -> None:
        self.version = version
        self._local.pause(spans)

    def _recall(self) -> None:
        """Takes what came before the restart; without it nothing is paused, which is the safe side."""
        try:
            self._use(*unpack(self._kept.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return
        except (ConfigError, OSError, ValueError) as error:
            log.error("%s: nothing is paused until the cloud says so again: %s", self._kept, error)

    def _declare(self) -> None:
        self._devices.declare(BirthMetric(PAUSES, DataType.STRING, self.version, writable=True))


def _write(path: Path, text: str) -> None:
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
