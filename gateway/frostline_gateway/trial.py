"""A trial of every driver: does each device answer, and what does it say? Nothing is stored or sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from frostline_core.errors import ConfigError, ProtocolError, UnavailableError
from frostline_core.reading import DeviceDescription, Reading
from frostline_edge.driver import Driver, DriverConfig
from frostline_edge.sampling import Sampling


@dataclass(slots=True)
class Found:
    """What one device said.

    Attributes:
        driver: The driver that has it.
        description: As it was born; None if it never was.
        readings: The newest of each metric.
        error: Why there are none; "" if there are.
    """

    driver: str
    description: DeviceDescription | None = None
    readings: dict[str, Reading] = field(default_factory=dict)
    error: str = ""


class _Listener:
    """Takes what one driver emits, until every device that its config names has answered once."""

    def __init__(self, driver: str, devices: Sequence[str]) -> None:
        self.found = {device: Found(driver) for device in devices}
        self.complete = asyncio.Event()
        self.closed = False
        self._driver = driver

    def born(self, device: DeviceDescription, sampling: Mapping[str, Sampling]) -> None:
        """A device answers."""
        del sampling
        if self.closed:
            return
        found = self.found.setdefault(device.id, Found(self._driver))
        found.description, found.error = device, ""

    def scan(self, device: str, readings: Sequence[Reading]) -> None:
        """One poll."""
        if self.closed:
            return  # what a driver says of its own stop is no answer
        found = self.found.setdefault(device, Found(self._driver))
        found.readings.update({reading.metric: reading for reading in readings})
        if all(each.readings for each in self.found.values()):
            self.complete.set()

    event = scan

    def died(self, device: str, reason: str) -> None:
        """A device does not answer."""
        if not self.closed:
            self.found.setdefault(device, Found(self._driver)).error = reason


async def trial(drivers: Sequence[tuple[DriverConfig, Driver]], timeout_s: float) -> dict[str, Found]:
    """Runs every driver until each of its devices has answered once, at most `timeout_s`; all at the same time."""
    found = await asyncio.gather(*(_one(config.name, driver, timeout_s) for config, driver in drivers))
    return {device: each for one in found for device, each in one.items()}


def unmatched(overrides: Iterable[tuple[str, str]], found: Mapping[str, Found]) -> list[tuple[str, str]]:
    """Overrides (device, metric) of devices that nobody has, or of metrics that a device does not have."""
    return [
        (device, metric)
        for device, metric in overrides
        if device not in found or ((born := found[device].description) is not None and born.metric(metric) is None)
    ]


async def _one(name: str, driver: Driver, timeout_s: float) -> dict[str, Found]:
    listener = _Listener(name, driver.devices())
    run = asyncio.create_task(driver.run(listener), name=name)
    complete = asyncio.create_task(listener.complete.wait(), name=f"{name}: complete")
    done, _ = await asyncio.wait({run, complete}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    listener.closed = True
    error = f"no answer within {timeout_s:g} s"
    for task in (run, complete):
        task.cancel()
    await asyncio.wait({run, complete}, timeout=timeout_s)
    if run in done and not run.cancelled():
        error = _reason(run.exception()) or error
    for each in listener.found.values():
        if not each.readings and not each.error:
            each.error = error
    return listener.found


def _reason(error: BaseException | None) -> str:
    """Why a driver ended; an error that nobody foresaw is raised."""
    if isinstance(error, BaseExceptionGroup):
        return _reason(error.exceptions[0])
    if error is not None and not isinstance(error, UnavailableError | ProtocolError | ConfigError):
        raise error
    return str(error or "")
