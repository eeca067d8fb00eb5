"""The profiles that come with Frostline load, name their source, and say what their numbers can be."""

from __future__ import annotations

from pathlib import Path

import pytest

from frostline_core.errors import ConfigError
from frostline_core.units import UNITS
from frostline_edge.profiles import registers
from frostline_edge.profiles.model import Profile, Table, load, names

KINDS = {"cold_room", "compressor_rack", "power_meter"}
EXPECTED = {
    "cold_room": {"air_temperature", "setpoint", "evaporator_temperature", "alarm_active"},
    "compressor_rack": {"suction_pressure", "discharge_pressure", "discharge_temperature", "compressor_1_running"},
    "power_meter": {"voltage_l1", "current_l1", "power_total", "energy_import", "frequency"},
}


@pytest.fixture(params=names())
def profile(request: pytest.FixtureRequest) -> Profile:
    return load(str(request.param))


def test_there_is_one_for_each_kind() -> None:
    assert {load(name).kind for name in names()} == KINDS


def test_its_id_is_its_file_name() -> None:
    assert [load(name).id for name in names()] == names()


def test_it_names_the_document_and_where_in_it(profile: Profile) -> None:
    assert len(profile.source) > 40
    assert any(word in profile.source for word in ("section", "page", "config-"))


def test_it_has_the_metrics_that_rules_and_dashboards_expect(profile: Profile) -> None:
    assert EXPECTED[profile.kind] <= {point.name for point in profile.points}


def test_numbers_have_a_plausible_range(profile: Profile) -> None:
    for point in profile.points:
        if point.type not in ("bit", "string"):
            assert point.valid is not None, point.name
            assert point.valid[0] < point.valid[1], point.name


def test_units_are_known_and_temperatures_have_one(profile: Profile) -> None:
    for point in profile.points:
        assert point.unit in UNITS
        if point.name.endswith(("_temperature", "setpoint")) and profile.kind == "cold_room":
            assert point.unit == "Cel", point.name


def test_no_two_points_share_their_bits(profile: Profile) -> None:
    taken: set[tuple[Table, int, int | None]] = set()
    for point in profile.points:
        for address in range(point.address, point.address + registers.width(point)):
            assert (point.table, address, point.bit) not in taken, point.name
            taken.add((point.table, address, point.bit))


def test_what_may_be_written_lies_inside_what_can_be_read(profile: Profile) -> None:
    for point in profile.points:
        if point.writable and point.write_range and point.valid:
            assert point.valid[0] <= point.write_range[0] < point.write_range[1] <= point.valid[1], point.name
            for value in point.write_range:
                assert registers.decode(point, registers.encode(point, value)) == value


def test_the_same_metric_has_one_type_in_every_profile() -> None:
    seen: dict[tuple[str, str], object] = {}
    for each in map(load, names()):
        for point in each.points:
            kind = registers.datatype(point)
            assert seen.setdefault((each.kind, point.name), kind) == kind, f"{each.id}: {point.name}"


def test_an_unknown_profile_is_told_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'eastron_sdm630'"):
        load("eastron_sdm360")


def test_a_file_of_ones_own_is_loaded_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'id = "mine"\nkind = "cold_room"\ntitle = "Mine"\nsource = "my drawing"\n'
        '[[points]]\nname = "air_temperature"\ntable = "input"\naddress = 1\ntype = "int16"\nunit = "Cel"\n'
    )
    assert load(str(path)).points[0].unit == "Cel"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('unit = "Celsius"', "unknown unit 'Celsius'"),
        ("scale = 0", "scale 0 would lose every value"),
        ("writable = true", "needs write_range"),
        ('tpye = "int16"', "did you mean 'type'"),
        ("bit = 16", "bit"),
    ],
)
def test_a_wrong_point_is_named_with_the_remedy(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'id = "mine"\nkind = "cold_room"\ntitle = "Mine"\nsource = "my drawing"\n'
        f'[[points]]\nname = "x"\ntable = "holding"\naddress = 1\ntype = "int16"\n{line}\n'
    )
    with pytest.raises(ConfigError, match=message):
        load(str(path))
