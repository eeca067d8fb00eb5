"""The MQTT driver: subscribes at one local broker and makes readings of the JSON that devices publish there."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from frostline_core.errors import FrostlineError
from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Reading
from frostline_edge.driver import Emit
from frostline_edge.drivers.mqtt.broker import Broker, connect
from frostline_edge.drivers.mqtt.config import Config
from frostline_edge.drivers.mqtt.devices import Devices
from frostline_edge.sampling import Sampling

KIND = "mqtt_broker"
_METRICS = ("messages", "refused", "retained", "dropped", "devices")
_CHECK_S = 1.0


def _utc_ms() -> int:
    return time.time_ns() // 1_000_000


class Driver:
    """One broker and the devices behind it."""

    def __init__(self, config: Config, clock: Callable[[], int] = _utc_ms) -> None:
        self._config = config
        self._clock = clock
        self._devices = Devices(config)
        self._dropped = 0

    def devices(self) -> Sequence[str]:
        """The broker itself; the devices behind it are known once they speak."""
        return [self._config.name]

    async def run(self, emit: Emit) -> None:
        """Listens for ever. Every device is dead while the broker is away.

        Raises:
            UnavailableError: The broker is absent, refuses, or has gone.
            ConfigError: The password or the certificate file cannot be read.
        """
        async with connect(self._config, self._devices.filters) as broker:
            reason = "the driver was stopped"
            try:
                emit.born(self._description(), {name: Sampling() for name in _METRICS})
                await self._listen(broker, emit)
            except FrostlineError as error:
                reason = str(error)
                raise
            finally:
                self._dropped += broker.dropped
                self._devices.lose(reason, emit)
                emit.died(self._config.name, reason)

    async def _listen(self, broker: Broker, emit: Emit) -> None:
        report_at = time.monotonic()
        check_at = report_at + _CHECK_S
        while True:
            for message in await broker.receive(_CHECK_S):
                self._devices.take(message, emit)
            now = time.monotonic()
            if now >= check_at:
                self._devices.check(now, emit)
                check_at = now + _CHECK_S
            if now >= report_at:
                emit.scan(self._config.name, self._report(broker.dropped))
                report_at = now + self._config.report_s

    def _report(self, dropped: int) -> list[Reading]:
        counts = self._devices.counts
        values = {
            "messages": sum(counts.values()),
            "refused": self._devices.refused,
            "retained": counts["retained"],
            "dropped": self._dropped + dropped,
            "devices": self._devices.alive,
        }
        return [Reading(self._config.name, metric, value, self._clock()) for metric, value in values.items()]

    def _description(self) -> DeviceDescription:
        metrics = tuple(MetricDescription(name, DataType.INT64, "{count}", low=0) for name in _METRICS)
        return DeviceDescription(self._config.name, KIND, metrics=metrics)
