"""The level of a door contact: from a GPIO line, or from a file."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from frostline_core.errors import ConfigError, ProtocolError, UnavailableError
from frostline_edge.drivers.sensors.config import DoorConfig


class Contact(Protocol):
    """Something that is open or closed."""

    def is_open(self) -> bool:
        """Reads it now. Blocking, and quick.

        Raises:
            UnavailableError: It cannot be read.
            ProtocolError: What is there is neither 0 nor 1.
        """

    def close(self) -> None:
        """Gives it back."""


def require_gpio(doors: Iterable[DoorConfig]) -> None:
    """Makes sure that the library for GPIO is there, where a door needs it.

    Raises:
        ConfigError: It is not installed; the message says how to.
    """
    wants = next((door.name for door in doors if door.chip), None)
    if wants is not None and importlib.util.find_spec("gpiod") is None:
        raise ConfigError(
            f"door '{wants}': GPIO needs the package gpiod; install it with: pip install 'frostline[gpio]'"
        )


def contact(config: DoorConfig) -> Contact:
    """The contact of a config, opened.

    Raises:
        UnavailableError: There is no such chip or line, or another program holds it.
    """
    return FileContact(config) if config.path else GpioContact(config)


class FileContact:
    """A file that holds 0 or 1."""

    def __init__(self, config: DoorConfig) -> None:
        self._path = Path(config.path)
        self._open_when = str(config.open_when)

    def is_open(self) -> bool:
        """Whether the file holds the level that means open."""
        try:
            text = self._path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UnavailableError(f"{self._path}: cannot be read: {error}") from error
        if text not in ("0", "1"):
            raise ProtocolError(f"{self._path} holds {text[:20]!r}, neither 0 nor 1")
        return text == self._open_when

    def close(self) -> None:
        """Nothing is held."""


class GpioContact:
    """A line of a GPIO character device (Linux 5.10 or later)."""

    def __init__(self, config: DoorConfig) -> None:
        import gpiod  # an extra: only gateways with contacts of their own have it
        from gpiod.line import Bias, Direction, Value

        bias = {"up": Bias.PULL_UP, "down": Bias.PULL_DOWN, "none": Bias.DISABLED}[config.pull]
        settings = gpiod.LineSettings(direction=Direction.INPUT, bias=bias)
        try:
            self._request = gpiod.request_lines(config.chip, {config.line: settings}, consumer="frostline")
        except (OSError, ValueError) as error:
            raise UnavailableError(f"{config.chip} line {config.line}: {error}") from error
        self._where = f"{config.chip} line {config.line}"
        self._line = config.line
        self._open = Value.ACTIVE if config.open_when == 1 else Value.INACTIVE

    def is_open(self) -> bool:
        """Whether the line has the level that means open."""
        try:
            return self._request.get_value(self._line) == self._open
        except OSError as error:
            raise UnavailableError(f"{self._where}: {error}") from error

    def close(self) -> None:
        """Releases the line for others."""
        self._request.release()
