"""The demo's processes: started with their log in a file, stopped in order, their end noticed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frostline_core.errors import UnavailableError

_STOP_S = 15.0
_LOG_TAIL_LINES = 12
_LINE_MOST = 1 << 20


@dataclass(slots=True)
class Running:
    """A process of the demo."""

    name: str
    process: Process
    log: Path

    def failed(self) -> UnavailableError:
        """What to say when it has ended by itself: with the end of its log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_TAIL_LINES:]
        tail = "\n    ".join(lines) or "(nothing)"
        code = self.process.returncode
        return UnavailableError(f"'{self.name}' has ended with code {code}; the end of {self.log}:\n    {tail}")

    async def first_line(self, timeout_s: float) -> dict[str, Any]:
        """The JSON object of its first line of output: it is ready.

        Raises:
            UnavailableError: It ended, or said nothing in time.
        """
        assert self.process.stdout is not None  # noqa: S101 - always started with a pipe
        try:
            line = await asyncio.wait_for(self.process.stdout.readline(), timeout_s)
        except TimeoutError as error:
            raise UnavailableError(f"'{self.name}' was not ready within {timeout_s:.0f} s; see {self.log}") from error
        if not line:
            await self.process.wait()
            raise self.failed()
        ready: dict[str, Any] = json.loads(line)
        return ready

    async def lines(self) -> AsyncIterator[dict[str, Any]]:
        """Every further JSON line of its output, until it ends."""
        assert self.process.stdout is not None  # noqa: S101 - always started with a pipe
        while line := await self.process.stdout.readline():
            with contextlib.suppress(ValueError):
                yield json.loads(line)

    async def stop(self) -> int:
        """SIGTERM, then after 15 s SIGKILL; returns the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self.process.wait(), _STOP_S)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()
        return self.process.returncode or 0


class Processes:
    """Starts them, and stops them all in the opposite order."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.running: list[Running] = []

    async def start(self, name: str, arguments: Sequence[str], env: Mapping[str, str]) -> Running:
        """`frostline ARGUMENTS`, by this very Python; standard error goes to NAME.log."""
        log = self._folder / f"{name}.log"
        with log.open("ab") as sink:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                "from frostline_core.cli import main; main()",
                *arguments,
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=sink,
                env=dict(env),
                start_new_session=True,  # Ctrl-C reaches the demo only, which stops the others in order
                limit=_LINE_MOST,
            )
        running = Running(name, process, log)
        self.running.append(running)
        return running

    def check(self) -> None:
        """Raises UnavailableError when one has ended by itself."""
        for each in self.running:
            if each.process.returncode is not None:
                raise each.failed()

    async def stop(self, running: Running) -> int:
        """Stops one; it counts no longer as running."""
        self.running.remove(running)
        return await running.stop()

    async def stop_all(self) -> None:
        """Stops every one that is left, the last started first."""
        while self.running:
            await self.running.pop().stop()


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
