"""A cold room: air, goods and coil as three heat stores, a thermostat, defrosts and a door.

Heat flows (W) between the stores are explicit Euler steps of at most 5 s; the fastest store, the coil, has a time
constant of about 30 s. Numbers without a source are ours, chosen so that a 60 m3 freezer behaves like one: about a
quarter of the time cooling, pull-down of an opened door in minutes, a defrost of five to ten minutes.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from frostline_core.reading import Value
from frostline_sim.config import ColdRoomConfig

_AIR_J_PER_M3K = 6_500.0
"""Air (1,300) with shelves and the inner skin of the walls."""
_GOODS_W_PER_KGK = 0.08
_COIL_J_PER_K = 25_000.0
_COIL_FAN_W_PER_K = 900.0
_COIL_STILL_W_PER_K = 40.0
_DOOR_W_PER_K = 300.0
_ICE_J_PER_KG = 334_000.0
"""Heat of fusion of water."""
_FROST_KG_PER_H = 0.25
_FROST_DOOR_KG_PER_H = 9.0
_MOST_FROST_KG = 6.0
_DRIP_S = 120.0
_PROBE_LAG_S = 45.0
_NOISE_K = 0.03


class Coil(Enum):
    """What the evaporator is doing."""

    COOL = "cool"
    HEAT = "heat"
    DRIP = "drip"


@dataclass(frozen=True, slots=True)
class Around:
    """What a room feels from outside during one step.

    Attributes:
        now_s: World seconds since the start.
        outside_c: Temperature around the room, degrees Celsius.
        working: Whether it is the working day.
        supply: Share of the cooling that the rack can give, 0 to 1.
        door_held: Whether somebody keeps the door open (a fault).
        compressor_broken: Whether it cannot start (a fault).
    """

    now_s: float
    outside_c: float
    working: bool
    supply: float = 1.0
    door_held: bool = False
    compressor_broken: bool = False


@dataclass(slots=True)
class ColdRoom:
    """The state of one room; `step` moves it on.

    Attributes:
        air_c: Air temperature, degrees Celsius.
        goods_c: Core temperature of the goods.
        coil_c: Surface temperature of the evaporator.
        probe_c: What the thermostat's probe shows: the air, later, with noise.
        cooling_w: Heat that the evaporator takes out now.
        heater_w: Electric power of the defrost heater now.
    """

    config: ColdRoomConfig
    rng: random.Random
    setpoint_c: float = 0.0
    air_c: float = 0.0
    goods_c: float = 0.0
    coil_c: float = 0.0
    probe_c: float = 0.0
    humidity: float = 80.0
    frost_kg: float = 0.5
    coil: Coil = Coil.COOL
    running: bool = False
    door_open: bool = False
    cooling_w: float = 0.0
    heater_w: float = 0.0
    alarm: bool = False
    _lagged_c: float = 0.0
    _off_since_s: float = -1e9
    _coil_since_s: float = 0.0
    _next_defrost_s: float = 0.0
    _door_shuts_s: float = 0.0
    _warm_since_s: float | None = None
    _area_m2: float = field(default=0.0)

    def __post_init__(self) -> None:
        self.setpoint_c = self.config.setpoint_c
        start = self.setpoint_c + self.rng.uniform(0.2, 0.8) * self.config.differential_k
        self.air_c = self.probe_c = self._lagged_c = start
        self.goods_c = self.setpoint_c + self.config.differential_k / 2
        self.coil_c = start
        self._next_defrost_s = self.config.defrost_first
        self._area_m2 = 6.0 * float(self.config.volume_m3 ** (2 / 3))

    def step(self, dt_s: float, around: Around) -> None:
        """Moves the room on by `dt_s` seconds (at most 5)."""
        self._door(dt_s, around)
        self._defrost(around)
        self._thermostat(around)
        self._heat(dt_s, around)
        self._measure(dt_s, around)

    @property
    def fan_running(self) -> bool:
        """Whether the fans blow: always, except in a defrost."""
        return self.coil is Coil.COOL

    @property
    def power_w(self) -> float:
        """Electric power of fans and heater; the compressor is the rack's."""
        return self.heater_w + (self.config.fan_kw * 1000.0 if self.fan_running else 0.0)

    def values(self) -> Mapping[str, Value]:
        """Every metric of the room, in the units of `METRICS`."""
        return {
            "air_temperature": self.probe_c,
            "product_temperature": self.goods_c,
            "evaporator_temperature": self.coil_c,
            "setpoint": self.setpoint_c,
            "humidity": self.humidity,
            "defrost_active": self.coil is not Coil.COOL,
            "door_open": self.door_open,
            "compressor_running": self.running,
            "fan_running": self.fan_running,
            "alarm_active": self.alarm,
            "air_in_temperature": self.probe_c + 0.4,
            "air_out_temperature": self.probe_c + 0.3 * (self.coil_c - self.air_c) if self.running else self.probe_c,
            "evaporating_temperature": self.coil_c - 3.0 if self.running else self.coil_c,
            "alarm_air_temperature": self.probe_c,
            "food_temperature": self.goods_c,
            "regulation_setpoint": self.setpoint_c,
            "controller_state": self._state(),
            "defrost_relay": self.coil is Coil.HEAT,
            "high_temperature_alarm": self.alarm,
        }

    def _state(self) -> int:
        """Readout u00 of Danfoss case controllers: 0 normal, 14 defrost, 15 fan delay, 17 door open."""
        if self.coil is not Coil.COOL:
            return 14 if self.coil is Coil.HEAT else 15
        return 17 if self.door_open else 0

    def _door(self, dt_s: float, around: Around) -> None:
        if self.door_open and around.now_s >= self._door_shuts_s and not around.door_held:
            self.door_open = False
        if around.door_held:
            self.door_open = True
            return
        per_h = self.config.door_openings_per_h * (1.0 if around.working else 0.1)
        # Drawn in every step, open or shut, so that a held door does not shift the openings that follow.
        opens, lasts = self.rng.random(), self.rng.expovariate(1.0)
        if not self.door_open and opens < per_h * dt_s / 3600.0:
            self.door_open = True
            self._door_shuts_s = around.now_s + max(5.0, lasts * self.config.door_open_for)

    def _defrost(self, around: Around) -> None:
        age_s = around.now_s - self._coil_since_s
        if self.coil is Coil.COOL:
            if self.config.defrost_every and around.now_s >= self._next_defrost_s:
                self._next_defrost_s += self.config.defrost_every
                self._turn(Coil.HEAT, around)
        elif self.coil is Coil.HEAT:
            if self.coil_c >= self.config.defrost_end_c or age_s >= self.config.defrost_most:
                self._turn(Coil.DRIP, around)
        elif age_s >= _DRIP_S:
            self._turn(Coil.COOL, around)

    def _turn(self, coil: Coil, around: Around) -> None:
        self.coil, self._coil_since_s = coil, around.now_s

    def _thermostat(self, around: Around) -> None:
        possible = self.coil is Coil.COOL and not around.compressor_broken
        rested = around.now_s - self._off_since_s >= self.config.min_off
        if self.running and (not possible or self.probe_c <= self.setpoint_c):
            self.running, self._off_since_s = False, around.now_s
        elif not self.running and possible and rested:
            self.running = self.probe_c > self.setpoint_c + self.config.differential_k

    def _heat(self, dt_s: float, around: Around) -> None:
        walls = self.config.wall_w_per_m2k * self._area_m2 * (around.outside_c - self.air_c)
        door = _DOOR_W_PER_K * (around.outside_c - self.air_c) if self.door_open else 0.0
        goods = _GOODS_W_PER_KGK * self.config.product_kg * (self.goods_c - self.air_c)
        fans = self.config.fan_kw * 1000.0 if self.fan_running else 0.0
        blown = 1.0 - 0.6 * self.frost_kg / _MOST_FROST_KG
        coil = (_COIL_FAN_W_PER_K * blown if self.fan_running else _COIL_STILL_W_PER_K) * (self.air_c - self.coil_c)
        self.cooling_w = self._cooling(around)
        self.heater_w = self.config.heater_kw * 1000.0 if self.coil is Coil.HEAT else 0.0
        self.air_c += dt_s * (walls + door + goods + fans - coil) / (_AIR_J_PER_M3K * self.config.volume_m3)
        self.goods_c -= dt_s * goods / (self.config.product_kg * self.config.product_kj_per_kgk * 1000.0)
        self._coil_step(dt_s, coil + self.heater_w - self.cooling_w)

    def _cooling(self, around: Around) -> float:
        """Less as the coil gets colder (3 % a kelvin, as a compressor's data sheet shows), never negative."""
        if not self.running:
            return 0.0
        share = 1.0 + 0.03 * (self.coil_c - (self.setpoint_c - 7.0))
        return self.config.cooling_kw * 1000.0 * around.supply * min(1.4, max(0.0, share))

    def _coil_step(self, dt_s: float, heat_w: float) -> None:
        next_c = self.coil_c + dt_s * heat_w / _COIL_J_PER_K
        if next_c > 0.0 and self.frost_kg > 0.0:
            melted = min(self.frost_kg, next_c * _COIL_J_PER_K / _ICE_J_PER_KG)
            self.frost_kg -= melted
            next_c -= melted * _ICE_J_PER_KG / _COIL_J_PER_K
        if self.running:
            per_h = _FROST_KG_PER_H + (_FROST_DOOR_KG_PER_H if self.door_open else 0.0)
            self.frost_kg = min(_MOST_FROST_KG, self.frost_kg + per_h * dt_s / 3600.0)
        self.coil_c = next_c

    def _measure(self, dt_s: float, around: Around) -> None:
        self._lagged_c += (self.air_c - self._lagged_c) * min(1.0, dt_s / _PROBE_LAG_S)
        self.probe_c = self._lagged_c + self.rng.gauss(0.0, _NOISE_K)
        target = (70.0 if self.running else 85.0) + (10.0 if self.door_open else 0.0)
        self.humidity += (target - self.humidity) * min(1.0, dt_s / 300.0)
        if self.probe_c <= self.setpoint_c + self.config.alarm_k:
            self._warm_since_s = None
        elif self._warm_since_s is None:
            self._warm_since_s = around.now_s
        self.alarm = around.compressor_broken or (
            self._warm_since_s is not None and around.now_s - self._warm_since_s >= self.config.alarm_delay
        )
