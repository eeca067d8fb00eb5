"""The physics of the simulated world is sane, and the same for the same seed."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frostline_core.config import parse
from frostline_core.epc import gtin14
from frostline_core.errors import ConfigError
from frostline_sim.config import FaultConfig, WorldConfig
from frostline_sim.world.rack import saturation_bar
from frostline_sim.world.world import Point, World

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
GTIN = "80614141123458"


def world(seed: int = 1, **more: Any) -> World:
    table: dict[str, Any] = {
        "cold_room": [
            {"name": "freezer", "setpoint_c": -20.0, "door_openings_per_h": 0.0},
            {"name": "chiller", "setpoint_c": 3.0, "product_kj_per_kgk": 3.5, "defrost_every": 0.0},
        ],
        "rack": [{"name": "rack", "rooms": ["freezer", "chiller"]}],
        "meter": [{"name": "meter", "racks": ["rack"]}],
        "product": [{"gtin": GTIN}],
        "zone": [{"name": "dock", "items": {GTIN: 5}}, {"name": "shelf", "items": {GTIN: 20}}],
        "flow": [
            {"from": "outside", "to": "dock", "per_h": 20.0},
            {"from": "dock", "to": "shelf", "per_h": 20.0},
            {"from": "shelf", "to": "outside", "per_h": 20.0},
        ],
    }
    return World(parse(table | more, WorldConfig, "test"), seed)


def number(at: World, device: str, metric: str) -> float:
    value = at.value(device, metric)
    assert isinstance(value, int | float)
    return float(value)


def everything(at: World) -> dict[str, Any]:
    values = {d: {m: at.value(d, m) for m in ("air_temperature", "capacity", "energy_import")} for d in at.kinds}
    return {"values": values, "stock": at.stock.counts(), "now": at.now_s}


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), pieces=st.lists(st.integers(1, 900_000), min_size=1, max_size=12))
def test_a_trajectory_depends_on_the_seed_and_the_time_not_on_how_it_was_cut(seed: int, pieces: list[int]) -> None:
    whole, cut = world(seed), world(seed)
    whole.step(sum(pieces))
    for piece in pieces:
        cut.step(piece)
        cut.value("freezer", "air_temperature")
    assert everything(whole) == everything(cut)


def test_another_seed_gives_another_world() -> None:
    first, second = world(1), world(2)
    for each in (first, second):
        each.step(HOUR_MS)
    assert everything(first) != everything(second)


def test_one_more_room_changes_nothing_in_the_others() -> None:
    small = World(parse({"cold_room": [{"name": "a", "setpoint_c": 3.0}]}, WorldConfig, "test"))
    large = World(
        parse({"cold_room": [{"name": "b", "setpoint_c": 3.0}, {"name": "a", "setpoint_c": 3.0}]}, WorldConfig, "t")
    )
    for each in (small, large):
        each.step(3 * HOUR_MS)
    assert small.value("a", "air_temperature") == large.value("a", "air_temperature")


def test_the_thermostat_holds_both_rooms_for_a_day() -> None:
    at = world(
        cold_room=[{"name": "freezer", "setpoint_c": -20.0, "defrost_every": 0.0, "door_openings_per_h": 0.0}],
        rack=[],
        meter=[],
    )
    seen = []
    for _ in range(24 * 12):
        at.step(5 * MINUTE_MS)
        seen.append(number(at, "freezer", "air_temperature"))
    assert min(seen) > -21.5
    assert max(seen) < -16.5


def test_an_open_door_warms_the_room_and_a_shut_one_lets_it_recover() -> None:
    fault = {"type": "door_open", "target": "freezer", "at": "1h", "for": "20m"}
    at = world(fault=[fault])
    at.step(HOUR_MS - MINUTE_MS)
    before = number(at, "freezer", "air_temperature")
    at.step(20 * MINUTE_MS)
    assert at.value("freezer", "door_open") is True
    assert number(at, "freezer", "air_temperature") > before + 5.0
    at.step(30 * MINUTE_MS)
    assert at.value("freezer", "door_open") is False
    assert number(at, "freezer", "air_temperature") < before + 3.0


def test_a_defrost_warms_the_coil_but_never_above_its_end_by_more_than_a_step() -> None:
    at = world()
    coil, active = [], []
    for _ in range(6 * 360):
        at.step(10_000)
        coil.append(number(at, "freezer", "evaporator_temperature"))
        active.append(at.value("freezer", "defrost_active"))
    assert any(active)
    assert 7.0 < max(coil) < 9.0


def test_the_compressor_rests_at_least_its_minimum() -> None:
    at = world()
    states = []
    for _ in range(6 * 1800):
        at.step(2_000)
        states.append(at.value("freezer", "compressor_running"))
    rests = [len(list(group)) * 2 for running, group in itertools.groupby(states) if not running]
    assert min(rests[1:-1]) >= 180


def test_energy_only_grows_and_is_the_integral_of_power() -> None:
    at = world()
    last, sum_kwh = 0.0, 0.0
    for _ in range(3 * 1800):
        at.step(2_000)
        now = number(at, "meter", "energy_import")
        assert now > last
        last, sum_kwh = now, sum_kwh + number(at, "meter", "power_total") * 2 / 3600
    assert last == pytest.approx(sum_kwh, rel=1e-9)


def test_a_broken_rack_lets_its_rooms_get_warm_while_they_call_for_cooling() -> None:
    at = world(fault=[{"type": "compressor_failure", "target": "rack", "at": "1h"}])
    at.step(3 * HOUR_MS)
    assert number(at, "freezer", "air_temperature") > -15.0
    assert at.value("freezer", "compressor_running") is True
    assert at.value("rack", "capacity") == 0.0
    assert at.value("rack", "alarm_active") is True


def test_a_colder_setpoint_makes_the_room_colder() -> None:
    at = world()
    at.step(HOUR_MS)
    assert at.write("freezer", "setpoint", -24.0)
    at.step(2 * HOUR_MS - 30 * MINUTE_MS)
    assert number(at, "freezer", "air_temperature") < -21.0


def test_only_a_setpoint_can_be_written() -> None:
    at = world()
    assert not at.write("freezer", "air_temperature", 0.0)
    assert not at.write("rack", "setpoint", 0.0)


def test_the_pressure_of_the_refrigerant_is_that_of_its_table() -> None:
    # R404A, bar absolute at bubble point: -30 C 2.1, -10 C 4.3, 0 C 6.1.
    assert saturation_bar(-30.0) == pytest.approx(2.1, rel=0.03)
    assert saturation_bar(-10.0) == pytest.approx(4.34, rel=0.03)
    assert saturation_bar(0.0) == pytest.approx(6.06)


def test_goods_move_in_working_hours_only() -> None:
    at = world(start_at="20:00")
    at.step(9 * HOUR_MS)
    assert not at.stock.moves
    at.step(3 * HOUR_MS)
    assert at.stock.moves


def test_no_item_is_made_or_lost_on_the_way() -> None:
    at = world()
    at.step(8 * HOUR_MS)
    came = sum(move.source == "outside" for move in at.stock.moves)
    left = sum(move.to == "outside" for move in at.stock.moves)
    assert sum(sum(zone.values()) for zone in at.stock.counts().values()) == 25 + came - left


def test_each_tag_is_unique_and_says_its_article() -> None:
    at = world()
    at.step(4 * HOUR_MS)
    epcs = [item.epc for zone in ("dock", "shelf") for item in at.stock.zone(zone)]
    assert len(set(epcs)) == len(epcs)
    assert {gtin14(epc) for epc in epcs} == {GTIN}


def test_removed_stock_comes_back_when_the_fault_ends() -> None:
    fault = {"type": "stock_removed", "target": "shelf", "at": "10m", "for": "10m", "count": 8}
    at = world(flow=[], fault=[fault])
    at.step(15 * MINUTE_MS)
    assert at.stock.counts()["shelf"] == {GTIN: 12}
    at.step(10 * MINUTE_MS)
    assert at.stock.counts()["shelf"] == {GTIN: 20}


SENSOR = {"sensor": [{"name": "28-0316a2795bff", "kind": "w1", "device": "freezer"}]}
PROBE = Point("28-0316a2795bff", "temperature", "freezer")


def test_a_stuck_sensor_shows_what_it_showed_when_it_got_stuck() -> None:
    fault = {"type": "sensor_stuck", "target": PROBE.name, "at": "10m", "for": "1h"}
    at = world(fault=[fault], sysfs=SENSOR)
    at.step(10 * MINUTE_MS)
    stuck = at.sense(PROBE)
    at.step(20 * MINUTE_MS)
    assert at.sense(PROBE) == stuck != at.value("freezer", "air_temperature")
    at.step(50 * MINUTE_MS)
    assert at.sense(PROBE) == at.value("freezer", "air_temperature")


def test_an_unplugged_sensor_shows_nothing() -> None:
    at = world(fault=[{"type": "sensor_unplugged", "target": PROBE.name, "at": "10m"}], sysfs=SENSOR)
    assert at.sense(PROBE) is not None
    at.step(10 * MINUTE_MS)
    assert at.sense(PROBE) is None


def test_the_weather_is_warmest_when_it_should_be() -> None:
    at = world(start_at="03:00")
    cold = number(at, "ambient", "temperature")
    at.step(12 * HOUR_MS)
    assert [cold, number(at, "ambient", "temperature")] == pytest.approx([12.0, 24.0])


def test_an_injected_fault_counts_from_now() -> None:
    at = world()
    at.step(HOUR_MS)
    at.inject(FaultConfig.model_validate({"type": "door_open", "target": "freezer", "at": "1m", "for": "1m"}))
    assert at.value("freezer", "door_open") is False
    at.step(MINUTE_MS)
    assert at.value("freezer", "door_open") is True
    at.step(2 * MINUTE_MS)
    assert at.value("freezer", "door_open") is False


def test_an_injected_fault_needs_a_target() -> None:
    with pytest.raises(ConfigError, match="door_open: target: there is no 'cellar'"):
        world().inject(FaultConfig(type="door_open", target="cellar", at=0.0))
