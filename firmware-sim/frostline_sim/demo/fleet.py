"""The demo's fleet: its files, with ports, paths and durations put in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

_HOLE = re.compile(r"@([a-z0-9_]+)@")
_MINUTES = re.compile(r"(\d+)m")


class Fleet:
    """Writes the files of `files/` into a folder; `@name@` stands for a value.

    Args:
        folder: Where everything of this demo lies.
        speed: World seconds per second; `@5m@` is five minutes of the world in seconds of the clock.
    """

    def __init__(self, folder: Path, speed: float) -> None:
        self.folder, self._speed = folder, speed

    def write(self, name: str, values: Mapping[str, object]) -> Path:
        """Writes one file and returns where it is.

        Raises:
            KeyError: The file needs a value that is not given.
        """
        text = (files("frostline_sim.demo") / "files" / name).read_text(encoding="utf-8")

        def fill(match: re.Match[str]) -> str:
            minutes = _MINUTES.fullmatch(match[1])
            if minutes:
                return f"{int(minutes[1]) * 60 / self._speed:g}"
            return str(values[match[1]])

        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_HOLE.sub(fill, text), encoding="utf-8")
        return path
