"""A standing order: what the cloud says in one text, in force until the next one; kept over restarts in one file.

A text is taken as a whole: with one fault all of it is refused, what was in force before goes on, and the audited event
says why. Births declare the version in force, so that the cloud knows whether to send its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from frostline_core.errors import ConfigError
from frostline_core.reading import DataType
from frostline_core.sparkplug import BirthMetric, Refused, WriteAsked
from frostline_gateway import whole_file
from frostline_gateway.commands import Commands
from frostline_gateway.devices import Devices

log = logging.getLogger("frostline.rules")

Content = TypeVar("Content")

_MOST_REASON = 500


@dataclass(frozen=True, slots=True)
class Order(Generic[Content]):
    """What one standing order is about.

    Attributes:
        metric: Of the node: the command, and what births declare the version as.
        kept: The file.
        read: Version and content of a text; raises ConfigError.
        fit: What of the content is for this gateway; raises ConfigError.
        use: Puts that in force.
        without: What it means that the file cannot be read, for the log.
        settled: Told, after each text, the version in force, the one that was refused ("" for none), and why.
    """

    metric: str
    kept: Path
    read: Callable[[str], tuple[str, Content]]
    fit: Callable[[Content], Content]
    use: Callable[[Content], None]
    without: str
    settled: Callable[[str, str, str], None]


class Standing(Generic[Content]):
    """Follows the command of one standing order, and hands every other command on.

    Args:
        order: Which one.
        commands: Audits what became of a command.
        devices: Declares the version in births.
        then: Follows the others.

    Attributes:
        version: In force; "" for none.
    """

    def __init__(
        self,
        order: Order[Content],
        commands: Commands,
        devices: Devices,
        then: Callable[[WriteAsked | Refused], Awaitable[None]],
    ) -> None:
        self._order, self._commands, self._devices, self._then = order, commands, devices, then
        self._refused = self.version = ""
        self._recall()
        self._declare()

    async def follow(self, command: WriteAsked | Refused) -> None:
        """Follows one command and returns when its outcome is known."""
        order = self._order
        if not isinstance(command, WriteAsked) or command.device or command.metric != order.metric:
            await self._then(command)
            return
        text, version = command.value if isinstance(command.value, str) else "", ""
        try:
            version, content = order.read(text)
            if version == self.version and not self._refused:
                return
            fitting = order.fit(content)
            await asyncio.to_thread(whole_file.write, order.kept, text)
        except (ConfigError, OSError) as error:
            self._refused = str(error)[:_MOST_REASON]
            self._commands.refuse(WriteAsked("", order.metric, version), self._refused)
            order.settled(self.version, version, self._refused)
            return
        self._refused, self.version = "", version
        order.use(fitting)
        self._declare()
        self._commands.done(WriteAsked("", order.metric, version))
        order.settled(version, "", "")

    def _recall(self) -> None:
        """Takes what came before the restart; a file that does not fit any more is as if nothing had come."""
        order = self._order
        try:
            version, content = order.read(order.kept.read_text(encoding="utf-8"))
            fitting = order.fit(content)
        except FileNotFoundError:
            return
        except (ConfigError, OSError, ValueError) as error:
            log.error("%s: %s: %s", order.kept, order.without, error)
            return
        self.version = version
        order.use(fitting)

    def _declare(self) -> None:
        self._devices.declare(BirthMetric(self._order.metric, DataType.STRING, self.version, writable=True))
