"""How outputs are reached: a writable point of a device, through its driver, or a file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from frostline_core.errors import ConfigError, ProtocolError, UnavailableError
from frostline_edge.driver import Writer
from frostline_gateway.commands import fitting
from frostline_gateway.devices import Devices
from frostline_gateway.local_rules.config import Level, OutputConfig
from frostline_gateway.local_rules.drive import Way


def way_of(config: OutputConfig, devices: Devices, writer_of: Callable[[str], Writer | None]) -> Way:
    """The way to an output.

    Raises:
        ConfigError: No driver that can write has the device.
    """
    if config.file is not None:
        return Way(_File(config.file).write, lambda _: None)
    writer = writer_of(config.device)
    if writer is None:
        raise ConfigError(f"output '{config.name}': device: no driver that can write has the device '{config.device}'")
    point = _Point(config, devices, writer)
    return Way(point.write, point.stands)


class _Point:
    """A writable point of a device."""

    def __init__(self, config: OutputConfig, devices: Devices, writer: Writer) -> None:
        self._config, self._devices, self._writer = config, devices, writer

    async def write(self, level: Level) -> None:
        """Writes one level, under the same conditions as a command from the cloud."""
        device, name = self._config.device, self._config.metric
        birth = self._devices.get(device)
        if birth is None:
            raise UnavailableError(f"'{device}' does not answer")
        metric = birth.description.metric(name)
        if metric is None or not metric.writable:
            raise ProtocolError(f"'{name}' is not a writable point of '{device}'")
        try:
            value = fitting(metric, level)
        except ValueError as error:
            raise ProtocolError(str(error)) from error
        await self._writer.write(device, name, value)

    def stands(self, since_ms: int) -> bool | None:
        """What was read back after that instant."""
        birth = self._devices.get(self._config.device)
        found = birth.values.get(self._config.metric) if birth is not None else None
        if found is None or found.value is None or found.at_ms <= since_ms:
            return None
        if found.value == self._config.on:
            return True
        return False if found.value == self._config.off else None


class _File:
    """A file that something else watches: a GPIO's value, or a path unit of systemd."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def write(self, level: Level) -> None:
        """Writes the level and a line's end, over what was there."""
        text = str(int(level)) if isinstance(level, bool) else str(level)
        try:
            await asyncio.to_thread(self._path.write_text, f"{text}\n", encoding="utf-8")
        except OSError as error:
            raise UnavailableError(f"{self._path}: {error.strerror or error}") from error
