"""Two ptys joined like a null modem cable, so that a serial server and a serial client meet without hardware."""

from __future__ import annotations

import asyncio
import os
import tty
from contextlib import suppress
from pathlib import Path

_CHUNK = 4_096


class NullModem:
    """A pair of ptys; the far end is reachable through a symbolic link of a chosen name.

    Attributes:
        cut: While true, bytes are thrown away: a broken cable.
    """

    def __init__(self, path: str) -> None:
        """Prepares a pair; nothing is opened.

        Args:
            path: Where the link to the far end is put; an old link there is replaced.
        """
        self.cut = False
        self._path = Path(path)
        self._open: list[int] = []

    def start(self) -> str:
        """Opens the pair and returns the near end's device name.

        Raises:
            OSError: No pty is left, or the link cannot be made.
        """
        near, near_name = self._pty()
        far, far_name = self._pty()
        if self._path.is_symlink():
            self._path.unlink()
        self._path.symlink_to(far_name)
        loop = asyncio.get_running_loop()
        loop.add_reader(near, self._pass_on, near, far)
        loop.add_reader(far, self._pass_on, far, near)
        return near_name

    def stop(self) -> None:
        """Closes both ends and removes the link."""
        loop = asyncio.get_running_loop()
        for fd in self._open:
            loop.remove_reader(fd)
            os.close(fd)
        self._open.clear()
        with suppress(FileNotFoundError):
            self._path.unlink()

    def _pty(self) -> tuple[int, str]:
        """A pty whose slave end stays open here too, so that a client's leaving is no error to the master."""
        master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        self._open += [master, slave]
        return master, os.ttyname(slave)

    def _pass_on(self, source: int, to: int) -> None:
        with suppress(BlockingIOError):
            data = os.read(source, _CHUNK)
            if not self.cut:
                # A full buffer drops bytes, as a serial line without flow control does.
                os.write(to, data)
