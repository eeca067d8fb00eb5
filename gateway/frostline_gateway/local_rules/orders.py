"""The command `Frostline/Rules`: the cloud says which rules this gateway evaluates; kept over restarts in one file.

A set is taken as a whole: with one fault, or an output that is not declared here, all of it is refused, the rules of
before go on, and the audited event says why. Which set is in use, and what was refused, is an event of the gateway too
(metric `local_rules`), so that its newest value says how things stand:

    {"version": "0123456789abcdef", "refused": "fedcba9876543210", "reason": "rules: rule 'a': ..."}
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from frostline_core.errors import ConfigError
from frostline_core.reading import DataType
from frostline_core.rules.bundle import RULES, Bundle, unpack
from frostline_core.sparkplug import BirthMetric, Refused, WriteAsked
from frostline_gateway.commands import Commands
from frostline_gateway.devices import Devices
from frostline_gateway.local_rules.choose import choose
from frostline_gateway.local_rules.local import LocalRules

log = logging.getLogger("frostline.rules")

_MOST_REASON = 500


class Orders:
    """Follows that command, and hands every other one on.

    Args:
        local: The rules.
        commands: Audits what became of a command.
        devices: Declares the version in births.
        then: Follows the others.
        tell: Told which set is in use, and why one is not.
    """

    def __init__(
        self,
        local: LocalRules,
        commands: Commands,
        devices: Devices,
        then: Callable[[WriteAsked | Refused], Awaitable[None]],
        tell: Callable[[Mapping[str, object]], None],
    ) -> None:
        self._tell = tell
        self._said: Mapping[str, object] = {}
        self._local, self._commands, self._devices, self._then = local, commands, devices, then
        self._kept = local.place.memory.with_name("rules_sent.json")
        self.version = ""
        self._recall()
        self._declare()

    async def follow(self, command: WriteAsked | Refused) -> None:
        """Follows one command and returns when its outcome is known."""
        if not isinstance(command, WriteAsked) or command.device or command.metric != RULES:
            await self._then(command)
            return
        text = command.value if isinstance(command.value, str) else ""
        told = WriteAsked("", RULES, "")
        try:
            bundle = unpack(text)
            told = WriteAsked("", RULES, bundle.version)
            if bundle.version == self.version and not self._local.refused:
                return
            chosen = self._checked(bundle)
            await asyncio.to_thread(_write, self._kept, text)
        except (ConfigError, OSError) as error:
            self._local.refused = str(error)[:_MOST_REASON]
            self._commands.refuse(told, self._local.refused)
            self._say(str(told.value))
            return
        self._local.refused = ""
        self._local.use(chosen.rules)
        self.version = chosen.version
        self._declare()
        self._commands.done(told)
        self._say()

    def _say(self, refused: str = "") -> None:
        now = {"version": self.version, "refused": refused, "reason": self._local.refused}
        if now != self._said:
            self._said = now
            self._tell(now)

    def _checked(self, bundle: Bundle) -> Bundle:
        place = self._local.place
        return Bundle(bundle.version, choose(bundle.rules, place.site, place.node, self._local.outputs, "rules"))

    def _recall(self) -> None:
        """Takes what came before the restart; a file that does not fit any more is as if nothing had come."""
        try:
            found = self._checked(unpack(self._kept.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return
        except (ConfigError, OSError, ValueError) as error:
            log.error("%s: local rules do not work until the cloud sends them again: %s", self._kept, error)
            return
        self._local.use(found.rules)
        self.version = found.version

    def _declare(self) -> None:
        self._devices.declare(BirthMetric(RULES, DataType.STRING, self.version, writable=True))


def _write(path: Path, text: str) -> None:
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
