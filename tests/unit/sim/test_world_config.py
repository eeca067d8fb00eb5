"""A world file that is wrong says where, and what would be right."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from frostline_core.config import parse
from frostline_core.errors import ConfigError
from frostline_edge.profiles import load
from frostline_sim.config import WorldConfig
from frostline_sim.references import check, load_world

ROOM = {"name": "freezer", "setpoint_c": -20.0}
UNIT = {"unit": 1, "device": "freezer", "profile": "danfoss_ekc202b"}
BUS = {"name": "bus", "unit": [UNIT]}


def fault_of(**table: Any) -> str:
    with pytest.raises(ConfigError) as error:
        check(parse(table, WorldConfig, "world.toml"), "world.toml")
    return str(error.value)


def test_the_sample_world_is_correct_and_its_profiles_exist() -> None:
    config = load_world(Path(str(files("frostline_sim") / "sample_world.toml")))
    assert [load(unit.profile).id for bus in config.modbus for unit in bus.unit]


def test_an_unknown_key_is_named_with_the_nearest() -> None:
    assert "cold_room.0.setpoint: unknown key (did you mean 'setpoint_c'?)" in fault_of(
        cold_room=[ROOM | {"setpoint": 3}]
    )


def test_a_fault_with_an_unknown_target_is_named_with_the_nearest() -> None:
    text = fault_of(cold_room=[ROOM], fault=[{"type": "door_open", "target": "frezer", "at": "1h"}])
    assert text == ("world.toml: fault.0.target: there is no 'frezer' (did you mean 'freezer'?); it can be: freezer")


def test_a_fault_that_cannot_hit_its_target_is_an_error() -> None:
    text = fault_of(cold_room=[ROOM], modbus=[BUS], fault=[{"type": "link_down", "target": "freezer", "at": 1}])
    assert "it can be: bus" in text


@pytest.mark.parametrize(
    ("type_", "target"),
    [
        ("sensor_stuck", "freezer/air_temperature"),
        ("device_silent", "freezer"),
        ("link_down", "bus"),
        ("compressor_failure", "freezer"),
    ],
)
def test_a_fault_with_a_good_target_is_accepted(type_: str, target: str) -> None:
    table = {"cold_room": [ROOM], "modbus": [BUS], "fault": [{"type": type_, "target": target, "at": "1h30m"}]}
    config = parse(table, WorldConfig, "world.toml")
    check(config, "world.toml")
    assert config.fault[0].at == 5400.0


def test_a_name_may_stand_only_once() -> None:
    assert fault_of(cold_room=[ROOM, ROOM]) == "world.toml: the name 'freezer' is used twice"


def test_a_device_may_not_take_the_name_of_the_weather() -> None:
    assert "'ambient' is used twice" in fault_of(cold_room=[ROOM | {"name": "ambient"}])


def test_two_racks_cannot_feed_one_room() -> None:
    racks = [{"name": name, "rooms": ["freezer"]} for name in ("one", "two")]
    assert "room 'freezer' is fed by two racks" in fault_of(cold_room=[ROOM], rack=racks)


def test_every_reference_is_checked() -> None:
    text = fault_of(
        rack=[{"name": "rack", "rooms": ["nowhere"]}],
        meter=[{"name": "meter", "racks": ["norack"]}],
        zone=[{"name": "dock", "items": {"80614141123458": 1}}],
        flow=[{"from": "dock", "to": "nozone", "per_h": 1}],
        modbus=[BUS],
        reader=[{"name": "reader", "antennas": {"1": "nozone"}}],
        mqtt={"sensor": [{"name": "door", "kind": "contact", "device": "ambient"}]},
    )
    keys = ("rack.0.rooms", "meter.0.racks", "zone.0.items", "flow.0.to", "modbus.0.unit.0", "reader.0", "'door'")
    assert [key for key in keys if key not in text] == []


def test_a_wrong_check_digit_is_told() -> None:
    assert "should be 8" in fault_of(product=[{"gtin": "80614141123457"}])


@pytest.mark.parametrize("text", ["", "10", "5 minutes", "1d", "m"])
def test_a_duration_that_nobody_can_read_is_an_error(text: str) -> None:
    assert "a duration is written like 90s, 15m or 1h30m" in fault_of(
        cold_room=[ROOM], fault=[{"type": "door_open", "target": "freezer", "at": text}]
    )


def test_a_serial_bus_needs_a_path() -> None:
    assert "transport rtu needs path" in fault_of(cold_room=[ROOM], modbus=[BUS | {"transport": "rtu"}])


def test_a_link_to_the_broker_needs_one() -> None:
    assert "there is no [mqtt]" in fault_of(link=[{"name": "uplink", "to": "mqtt"}])


def test_every_key_is_described() -> None:
    missing = [f"{model.__name__}.{name}" for model, name, text in _fields(WorldConfig) if not text]
    assert missing == []


def _fields(model: type[BaseModel]) -> Iterator[tuple[type[BaseModel], str, str | None]]:
    for name, field in model.model_fields.items():
        yield model, name, field.description
        for inner in _models(field.annotation):
            yield from _fields(inner)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)
