"""The metrics of the simulated world: which kind of device has which, and in which unit the world keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Kind = Literal["cold_room", "compressor_rack", "power_meter", "ambient"]

METRICS: Mapping[Kind, Mapping[str, str]] = {
    "cold_room": {
        "air_temperature": "Cel",
        "product_temperature": "Cel",
        "evaporator_temperature": "Cel",
        "setpoint": "Cel",
        "humidity": "%",
        "defrost_active": "",
        "door_open": "",
        "compressor_running": "",
        "fan_running": "",
        "alarm_active": "",
        # What controllers show besides, under the names of their profiles.
        "air_in_temperature": "Cel",
        "air_out_temperature": "Cel",
        "evaporating_temperature": "Cel",
        "alarm_air_temperature": "Cel",
        "food_temperature": "Cel",
        "regulation_setpoint": "Cel",
        "controller_state": "",
        "defrost_relay": "",
        "high_temperature_alarm": "",
    },
    "compressor_rack": {
        "suction_pressure": "bar",
        "discharge_pressure": "bar",
        "suction_temperature": "Cel",
        "discharge_temperature": "Cel",
        "condensing_temperature": "Cel",
        "capacity": "%",
        "capacity_setpoint": "%",
        "envelope_status": "",
        "motor_power": "kW",
        "alarm_active": "",
        **{f"compressor_{i}_running": "" for i in range(1, 13)},
    },
    "power_meter": {
        **{f"voltage_l{i}": "V" for i in (1, 2, 3)},
        **{f"current_l{i}": "A" for i in (1, 2, 3)},
        **{f"power_l{i}": "kW" for i in (1, 2, 3)},
        "power_total": "kW",
        "apparent_power_total": "kV.A",
        "reactive_power_total": "kvar",
        "power_factor": "1",
        **{f"power_factor_l{i}": "1" for i in (1, 2, 3)},
        "energy_import": "kW.h",
        "energy_total": "kW.h",
        "frequency": "Hz",
    },
    "ambient": {"temperature": "Cel", "humidity": "%"},
}
"""Kind -> metric -> UCUM unit; "" for flags."""

ALIASES: Mapping[str, str] = {"temperature": "air_temperature"}
"""What a free sensor calls a value of a cold room: sensor's word -> room's word."""
