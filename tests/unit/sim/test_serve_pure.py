"""What the servers put on the wire and into files, without opening anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_core.config import parse
from frostline_core.errors import ConfigError
from frostline_edge.profiles import Profile, Table, load
from frostline_edge.profiles.registers import decode, encode, width
from frostline_sim.config import WorldConfig
from frostline_sim.serve.image import Image, RefusedError
from frostline_sim.serve.sysfs import SysfsTree, crc8, w1_text
from frostline_sim.serve.truth import Truth
from frostline_sim.world.world import World

TABLE: dict[str, Any] = {
    "cold_room": [{"name": "freezer", "setpoint_c": -20.0}],
    "rack": [{"name": "rack", "rooms": ["freezer"]}],
    "meter": [{"name": "meter", "racks": ["rack"]}],
    "modbus": [{"name": "bus", "unit": [{"unit": 1, "device": "freezer", "profile": "danfoss_ekc202b"}]}],
    "sysfs": {
        "sensor": [
            {"name": "28-0316a2795bff", "kind": "w1", "device": "freezer"},
            {"name": "board", "kind": "hwmon", "device": "ambient"},
            {"name": "sht", "kind": "iio", "device": "ambient"},
            {"name": "door", "kind": "contact", "device": "freezer"},
        ]
    },
}


def world(**more: Any) -> World:
    at = World(parse(TABLE | more, WorldConfig, "test"))
    at.step(600_000)
    return at


def image(at: World, device: str = "freezer", profile: str = "danfoss_ekc202b") -> tuple[Image, Profile, Truth]:
    truth = Truth()
    return Image(device, load(profile), at, truth), load(profile), truth


def words(of: Image, profile: Profile, name: str) -> tuple[Any, list[int]]:
    point = next(point for point in profile.points if point.name == name)
    found = of.read(point.table, point.address, width(point))
    return point, [found[a] for a in range(point.address, point.address + width(point))]


@pytest.mark.parametrize(
    ("device", "profile"),
    [("freezer", "danfoss_ekc202b"), ("rack", "bitzer_cm_rc_01"), ("meter", "eastron_sdm630")],
)
def test_every_point_of_a_profile_reads_as_what_the_world_says(device: str, profile: str) -> None:
    of, model, truth = image(world(), device, profile)
    for each in model.points:
        point, raw = words(of, model, each.name)
        served = truth.served[device, each.name].value
        value = decode(point, raw)
        assert value is not None
        if isinstance(served, float):
            assert value == pytest.approx(served, abs=point.scale, rel=1e-6)
        else:
            assert value == served


def test_a_setpoint_that_is_written_comes_back_into_the_world() -> None:
    at = world()
    of, model, truth = image(at)
    point, _ = words(of, model, "setpoint")
    of.write(point.table, point.address, encode(point, -25.0))
    assert at.rooms["freezer"].setpoint_c == -25.0
    assert decode(*words(of, model, "setpoint")) == -25.0
    assert [entry["value"] for entry in truth.written] == [-25.0]


def test_a_value_out_of_range_is_refused_and_changes_nothing() -> None:
    at = world()
    of, model, _ = image(at)
    point, _ = words(of, model, "setpoint")
    with pytest.raises(RefusedError) as refused:
        of.write(point.table, point.address, [5000])
    assert refused.value.illegal_value
    assert at.rooms["freezer"].setpoint_c == -20.0


def test_a_point_that_is_not_writable_is_refused() -> None:
    of, model, _ = image(world())
    point, raw = words(of, model, "air_temperature")
    with pytest.raises(RefusedError) as refused:
        of.write(Table.HOLDING, point.address, raw)
    assert not refused.value.illegal_value


def test_a_profile_for_another_kind_of_device_is_an_error() -> None:
    with pytest.raises(ConfigError, match="is for a power_meter, but freezer is a cold_room"):
        image(world(), "freezer", "eastron_sdm630")


def test_an_unplugged_point_without_a_sentinel_cannot_be_read() -> None:
    fault = {"type": "sensor_unplugged", "target": "freezer/air_temperature", "at": 0}
    of, model, truth = image(world(fault=[fault]))
    with pytest.raises(ValueError, match="no way to say"):
        words(of, model, "air_temperature")
    assert ("freezer", "air_temperature") not in truth.served
    assert words(of, model, "setpoint")


def test_blocks_span_only_the_gaps_that_the_profile_allows() -> None:
    of, model, _ = image(world(), "rack", "bitzer_cm_rc_01")
    blocks = of.blocks(Table.INPUT)
    addresses = {a for first, count in blocks for a in range(first, first + count)}
    assert addresses == {a for p in model.points for a in range(p.address, p.address + width(p))}


def test_the_scratchpad_is_that_of_the_data_sheet() -> None:
    # DS18B20 data sheet, table 1: +25.0625 is 0191h.
    assert w1_text(0x191).startswith("91 01 4b 46 7f ff 0c 10 ")
    assert w1_text(0x191).endswith(" t=25062\n")


@given(st.integers(-880, 2000))
def test_the_crc_of_a_scratchpad_with_its_crc_is_zero(count: int) -> None:
    pad = bytes.fromhex(w1_text(count).split(" :")[0])
    assert crc8(pad) == 0
    assert int.from_bytes(pad[:2], "little", signed=True) == count


def tree_of(at: World, root: Path) -> SysfsTree:
    assert at.config.sysfs is not None
    return SysfsTree(at.config.sysfs, root, at, Truth())


def test_the_tree_looks_like_the_kernels(tmp_path: Path) -> None:
    at = world()
    tree = tree_of(at, tmp_path)
    tree.write(tree.look())
    room, outside = at.value("freezer", "air_temperature"), at.value("ambient", "temperature")
    w1 = (tmp_path / "bus/w1/devices/28-0316a2795bff/temperature").read_text()
    raw = (tmp_path / "bus/iio/devices/iio:device2/in_temp_raw").read_text()
    assert int(w1) / 1000 == pytest.approx(room, abs=0.04)
    assert int((tmp_path / "class/hwmon/hwmon1/temp1_input").read_text()) / 1000 == pytest.approx(outside, abs=0.001)
    assert int(raw) * 10 / 1000 == pytest.approx(outside, abs=0.01)
    assert (tmp_path / "contact/door").read_text() in ("0\n", "1\n")
    assert [path for path in tmp_path.rglob("*") if path.name.endswith(".part")] == []


@pytest.mark.parametrize(("how", "shown"), [("gone", None), ("sentinel", "85000\n")])
def test_an_unplugged_w1_sensor_vanishes_or_says_85(tmp_path: Path, how: str, shown: str | None) -> None:
    fault = {"type": "sensor_unplugged", "target": "28-0316a2795bff", "at": "20m", "for": "5m", "how": how}
    at = world(fault=[fault])
    tree = tree_of(at, tmp_path)
    file = tmp_path / "bus/w1/devices/28-0316a2795bff/temperature"
    tree.write(tree.look())
    assert file.exists()
    at.step(600_000)
    tree.write(tree.look())
    assert (file.read_text() if file.exists() else None) == shown
    at.step(600_000)
    tree.write(tree.look())
    assert file.read_text() != shown


def test_the_truth_counts_each_value_that_was_given(tmp_path: Path) -> None:
    at = world()
    of, model, truth = image(at)
    for _ in range(3):
        words(of, model, "setpoint")
    truth.write(tmp_path / "truth.json", at)
    report = json.loads((tmp_path / "truth.json").read_text())
    assert report["served"]["freezer"]["setpoint"]["count"] == 3
    assert report["served"]["freezer"]["setpoint"]["value"] == -20.0
