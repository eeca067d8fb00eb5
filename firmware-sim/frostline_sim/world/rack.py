"""A compressor rack: pressures, temperatures and capacity that follow from what its rooms ask."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from frostline_core.reading import Value
from frostline_sim.config import RackConfig
from frostline_sim.world.cold_room import ColdRoom

_LAG_S = 20.0
_REST_C = -8.0
"""What the suction side drifts to when nothing runs."""


def saturation_bar(temperature_c: float) -> float:
    """Saturation pressure of R404A, bar absolute, at a temperature in degrees Celsius.

    Clausius-Clapeyron through two points of the refrigerant's saturation curve, 6.06 bar at 0 and 18.3 bar at 40
    degrees Celsius; a few percent off elsewhere, which is near enough for a simulation.
    """
    slope = math.log(18.3 / 6.06) / (1 / 273.15 - 1 / 313.15)
    return 6.06 * math.exp(slope * (1 / 273.15 - 1 / (temperature_c + 273.15)))


@dataclass(slots=True)
class Rack:
    """The state of one rack.

    Attributes:
        suction_bar: Suction pressure, bar absolute.
        discharge_bar: Discharge pressure, bar absolute.
        capacity: Share of its compressors' capacity in use, 0 to 1.
        power_w: Electric power.
    """

    config: RackConfig
    rng: random.Random
    suction_bar: float = 0.0
    discharge_bar: float = 0.0
    suction_c: float = 0.0
    discharge_c: float = 40.0
    condensing_c: float = 25.0
    capacity: float = 0.0
    power_w: float = 0.0
    broken: bool = False

    def __post_init__(self) -> None:
        self.suction_bar = saturation_bar(_REST_C)
        self.discharge_bar = saturation_bar(25.0)

    def step(self, dt_s: float, rooms: Sequence[ColdRoom], outside_c: float, broken: bool) -> None:
        """Follows its rooms, which have made their step before."""
        self.broken = broken
        asked = [room for room in rooms if room.running]
        whole_w = sum(room.config.cooling_kw for room in rooms) * 1000.0
        load_w = 0.0 if broken else sum(room.cooling_w for room in asked)
        self.capacity = min(1.0, load_w / whole_w)
        self.power_w = load_w / self.config.cop
        evaporating_c = min((room.coil_c for room in asked), default=_REST_C) - 3.0 if load_w else _REST_C
        self.condensing_c = max(25.0, outside_c + 8.0 + 6.0 * self.capacity) if load_w else max(15.0, outside_c)
        share = min(1.0, dt_s / _LAG_S)
        self.suction_bar += share * (saturation_bar(evaporating_c) - self.suction_bar)
        self.discharge_bar += share * (saturation_bar(self.condensing_c) - self.discharge_bar)
        self.suction_c += share * (evaporating_c + 8.0 + self.rng.gauss(0.0, 0.3) - self.suction_c)
        self.discharge_c += share * (self.condensing_c + (35.0 if load_w else 2.0) - self.discharge_c)

    def values(self) -> Mapping[str, Value]:
        """Every metric of the rack, in the units of `METRICS`."""
        on = math.ceil(self.capacity * self.config.compressors - 1e-9)
        return {
            "suction_pressure": self.suction_bar,
            "discharge_pressure": self.discharge_bar,
            "suction_temperature": self.suction_c,
            "discharge_temperature": self.discharge_c,
            "condensing_temperature": self.condensing_c,
            "capacity": self.capacity * 100.0,
            "capacity_setpoint": self.capacity * 100.0,
            # Bitzer CM-RC-01, IR 12005: 0 stopped, 2 running, 6 fault.
            "envelope_status": 6 if self.broken else 2 if self.capacity else 0,
            "motor_power": self.power_w / 1000.0,
            "alarm_active": self.broken,
            **{f"compressor_{i}_running": i <= on for i in range(1, 13)},
        }
