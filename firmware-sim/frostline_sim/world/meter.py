"""An energy meter: three phases, and an energy that only grows."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass

from frostline_core.reading import Value
from frostline_sim.config import MeterConfig

_SHARES = (0.35, 0.33, 0.32)
_POWER_FACTOR = 0.92


@dataclass(slots=True)
class Meter:
    """The state of one meter.

    Attributes:
        power_w: Active power of all three phases.
        energy_wh: What has flowed since the meter was made.
    """

    config: MeterConfig
    rng: random.Random
    power_w: float = 0.0
    energy_wh: float = 0.0
    frequency_hz: float = 50.0
    _volts: tuple[float, float, float] = (230.0, 230.0, 230.0)

    def step(self, dt_s: float, power_w: float) -> None:
        """Counts the power that its equipment takes, with the base load on top."""
        self.power_w = self.config.base_kw * 1000.0 + power_w
        self.energy_wh += self.power_w * dt_s / 3600.0
        self.frequency_hz += 0.2 * (50.0 - self.frequency_hz) + self.rng.gauss(0.0, 0.008)
        first, second, third = (230.0 - self.power_w * 1e-4 + self.rng.gauss(0.0, 0.4) for _ in _SHARES)
        self._volts = (first, second, third)

    def values(self) -> Mapping[str, Value]:
        """Every metric of the meter, in the units of `METRICS`."""
        found: dict[str, Value] = {
            "power_total": self.power_w / 1000.0,
            "apparent_power_total": self.power_w / _POWER_FACTOR / 1000.0,
            "reactive_power_total": self.power_w * math.tan(math.acos(_POWER_FACTOR)) / 1000.0,
            "power_factor": _POWER_FACTOR,
            "energy_import": self.energy_wh / 1000.0,
            "energy_total": self.energy_wh / 1000.0,
            "frequency": self.frequency_hz,
        }
        for i, (volts, share) in enumerate(zip(self._volts, _SHARES, strict=True), start=1):
            found[f"power_factor_l{i}"] = _POWER_FACTOR
            found[f"voltage_l{i}"] = volts
            found[f"power_l{i}"] = self.power_w * share / 1000.0
            found[f"current_l{i}"] = self.power_w * share / _POWER_FACTOR / volts
        return found
