"""The weather around the building: a daily curve of temperature and humidity."""

from __future__ import annotations

import math

from frostline_sim.config import AmbientConfig

_DAY_S = 86_400.0


def temperature(config: AmbientConfig, time_of_day_s: float) -> float:
    """Outside temperature in degrees Celsius at a time of day (seconds since midnight)."""
    return config.mean_c + config.swing_k * _curve(config, time_of_day_s)


def humidity(config: AmbientConfig, time_of_day_s: float) -> float:
    """Relative humidity outside, %: the same water in warmer air is drier, 3 % relative a kelvin."""
    return min(100.0, max(5.0, config.humidity - 3.0 * config.swing_k * _curve(config, time_of_day_s)))


def _curve(config: AmbientConfig, time_of_day_s: float) -> float:
    return math.cos(2 * math.pi * (time_of_day_s - config.warmest_at) / _DAY_S)
