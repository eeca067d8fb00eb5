"""The gateway's config: what it takes, and what a person reads when it is wrong."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from frostline_core.config import ConfigModel
from frostline_core.errors import ConfigError
from frostline_gateway.config import (
    GatewayConfig,
    HttpConfig,
    LogConfig,
    Override,
    SpoolConfig,
    build_drivers,
    load_gateway,
)
from frostline_gateway.local_rules.config import OutputConfig, RulesConfig
from frostline_gateway.service import unit

HEAD = 'site = "s"\nnode = "n"\n'
BUS = '[[driver]]\ntype = "modbus"\nname = "bus-1"\nhost = "127.0.0.1"\n'
UNIT = '[[driver.unit]]\nname = "room-1"\nunit = 1\nprofile = "danfoss_ekc202b"\n'


def _load(tmp_path: Path, text: str) -> GatewayConfig:
    path = tmp_path / "gateway.toml"
    path.write_text(text, encoding="utf-8")
    return load_gateway(path)


def test_the_sample_loads_and_its_drivers_build() -> None:
    config = load_gateway(Path(str(files("frostline_gateway") / "sample.toml")))
    assert [list(driver.devices()) for _, driver in build_drivers(config)] == [["freezer-1"]]


def test_what_the_sample_comments_out_are_the_defaults() -> None:
    text = (files("frostline_gateway") / "sample.toml").read_text(encoding="utf-8")
    defaults = GatewayConfig(site="s", node="n")
    assert f'# data_dir = "{defaults.data_dir}"' in text
    assert f"# budget_mb = {defaults.spool.budget_mb}" in text
    assert f"# flush_s = {defaults.spool.flush_s}" in text
    assert f'# listen = "{defaults.http.listen}"' in text
    assert f'# level = "{defaults.log.level}"' in text
    assert f'# format = "{defaults.log.format}"' in text
    assert f'# host_id = "{defaults.uplink.host_id}"' in text
    output = OutputConfig(name="o", file=Path("/o"))
    for key in ("at_start", "at_stop", "at_unknown"):
        assert f'# {key} = "{getattr(output, key)}"' in text
    assert f"# interval_s = {output.interval_s}" in text


def test_a_port_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"http\.listen: a port is at most 65535"):
        _load(tmp_path, f'{HEAD}[http]\nlisten = "127.0.0.1:65536"\n')


def test_two_outputs_of_one_name_or_place_are_refused(tmp_path: Path) -> None:
    one = '[[output]]\nname = "{name}"\nfile = "{file}"\n'
    for names, files_ in ((("a", "a"), ("/1", "/2")), (("a", "b"), ("/1", "/1"))):
        text = "".join(one.format(name=name, file=file) for name, file in zip(names, files_, strict=True))
        with pytest.raises(ConfigError, match="two outputs"):
            _load(tmp_path, HEAD + text)


def test_a_fault_in_the_local_rules_refuses_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "r.toml").write_text('[[rule]]\nid = "r"\ntype = "nonsense"\n')
    with pytest.raises(ConfigError, match="rule 'r': type"):
        _load(tmp_path, f'{HEAD}[rules]\nfolder = "{tmp_path}/rules"\n')


def test_a_gateway_without_drivers_is_a_gateway(tmp_path: Path) -> None:
    assert _load(tmp_path, HEAD).driver == ()


def test_every_key_is_described() -> None:
    models: tuple[type[ConfigModel], ...] = (
        GatewayConfig, SpoolConfig, HttpConfig, LogConfig, Override, RulesConfig, OutputConfig,
    )  # fmt: skip
    for model in models:
        assert all(field.description for field in model.model_fields.values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('node = "n"\n', "site: Field required"),
        ('site = "a/b"\nnode = "n"\n', "site: String should match pattern"),
        (f"{HEAD}[uplnk]\n", "uplnk: unknown key (did you mean 'uplink'?)"),
        (f"{HEAD}[spool]\nbudget = 1\n", "spool.budget: unknown key (did you mean 'budget_mb'?)"),
        (f"{HEAD}[spool]\nbudget_mb = 1\n", "spool.budget_mb: at least 8 MiB, or 0 for the default, not 1"),
        (f'{HEAD}[http]\nlisten = "9610"\n', "http.listen: String should match pattern"),
        (f"{HEAD}driver = 3\n", "driver: must be tables: [[driver]]"),
        (f'{HEAD}[[driver]]\nname = "x"\n', "driver[0].type: is missing; known: "),
        (f'{HEAD}[[driver]]\ntype = "modbas"\nname = "x"\n', "driver[0].type: unknown driver type 'modbas'"),
        (f"{HEAD}{BUS}hots = 1\n{UNIT}", "driver[0].hots: unknown key (did you mean 'host'?)"),
        (f"{HEAD}{BUS}{UNIT}pofile = 1\n", "driver[0].unit.0.pofile: unknown key (did you mean 'profile'?)"),
        (f"{HEAD}{BUS}{UNIT}{BUS}{UNIT.replace('room-1', 'room-2')}", "two drivers are named 'bus-1'"),
        (
            f'{HEAD}[[override]]\ndevice = "d"\nmetric = "m"\ndeadbnd = 1\n',
            "override.0.deadbnd: unknown key (did you mean 'deadband'?)",
        ),
        (HEAD + 2 * '[[override]]\ndevice = "d"\nmetric = "m"\n', "two overrides for d/m"),
    ],
)
def test_a_fault_is_named_with_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, text)
    assert f"{tmp_path}/gateway.toml: " in str(caught.value)
    assert message in str(caught.value)


def test_a_device_has_one_source__topic_structure_namespace_unique_device_id(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="device 'room-1': in driver 'bus-1' and in driver 'bus-2'"):
        _load(tmp_path, f"{HEAD}{BUS}{UNIT}{BUS.replace('bus-1', 'bus-2')}{UNIT}")


def test_devices_are_not_told_apart_by_case__case_sensitivity_sparkplug_ids(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="device 'Room-1': differs from device 'room-1' by upper and lower case only"):
        _load(tmp_path, f"{HEAD}{BUS}{UNIT}{BUS.replace('bus-1', 'bus-2')}{UNIT.replace('room-1', 'Room-1')}")


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, f"{HEAD}bad = 1\n{BUS}{UNIT}x = 1\n{BUS}y = 1\n")
    text = str(caught.value)
    assert "driver[0].unit.0.x" in text
    assert "driver[1].y" in text
    assert ": bad: unknown key" in text


def test_an_override_gives_only_what_it_names(tmp_path: Path) -> None:
    config = _load(tmp_path, f'{HEAD}[[override]]\ndevice = "d"\nmetric = "m"\ndeadband = 0.5\nevery = false\n')
    assert config.overrides == {("d", "m"): {"deadband": 0.5, "every": False}}


@pytest.mark.parametrize(
    ("listen", "host", "port"), [("127.0.0.1:9610", "127.0.0.1", 9610), ("[::1]:0", "::1", 0), ("pi:80", "pi", 80)]
)
def test_an_address_has_host_and_port(listen: str, host: str, port: int) -> None:
    config = HttpConfig(listen=listen)
    assert (config.host, config.port) == (host, port)


def test_the_service_unit_is_hardened_and_watched() -> None:
    lines = unit().splitlines()
    for line in (
        "Type=notify",
        "Restart=always",
        "WatchdogSec=60",
        "DynamicUser=yes",
        "ProtectSystem=strict",
        "NoNewPrivileges=yes",
        "StateDirectory=frostline",
        "DevicePolicy=closed",
    ):
        assert line in lines
