"""Every driver folder keeps the same promises: files, a sample that loads, described config, no I/O when built."""

from __future__ import annotations

import ast
import re
import socket
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from frostline_core.config import parse
from frostline_edge.driver import Driver, DriverConfig, build, config_model, types

DEVICE_ID = re.compile(r"^[A-Za-z0-9_.-]{1,64}$")


@pytest.fixture(params=types())
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder(kind: str) -> Path:
    return Path(str(files("frostline_edge.drivers"))) / kind


@pytest.fixture
def sample(folder: Path) -> list[dict[str, Any]]:
    tables = tomllib.loads((folder / "sample.toml").read_text(encoding="utf-8"))
    assert set(tables) == {"driver"}
    found: list[dict[str, Any]] = tables["driver"]
    return found


@pytest.fixture
def configs(kind: str, sample: list[dict[str, Any]]) -> list[DriverConfig]:
    return [parse(table, config_model(kind), f"{kind}/sample.toml") for table in sample]


def test_the_folder_has_its_files(folder: Path) -> None:
    for name in ("README.md", "sample.toml", "config.py", "driver.py", "__init__.py"):
        assert (folder / name).is_file(), name


def test_the_sample_loads_and_names_its_type(kind: str, configs: list[DriverConfig]) -> None:
    assert {config.type for config in configs} == {kind}


def test_the_readme_shows_the_sample(folder: Path) -> None:
    shown = re.findall(r"```toml\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert (folder / "sample.toml").read_text(encoding="utf-8") in shown


def test_commented_values_of_the_sample_are_the_defaults(folder: Path, kind: str) -> None:
    """But for those that show an example: secrets, and values with a remark behind them."""
    text = (folder / "sample.toml").read_text(encoding="utf-8")
    spelled_out = re.sub(r"^# (\w+ = [^#$\n]*)$", r"\1", text, flags=re.MULTILINE)
    for plain, full in zip(tomllib.loads(text)["driver"], tomllib.loads(spelled_out)["driver"], strict=True):
        assert parse(full, config_model(kind), "full") == parse(plain, config_model(kind), "plain")


def test_every_config_key_is_described(kind: str) -> None:
    for model in _models(config_model(kind)):
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name}"


def test_building_it_touches_nothing_and_gives_a_driver(
    configs: list[DriverConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("building a driver must not open a socket")

    monkeypatch.setattr(socket, "socket", forbidden)
    for config in configs:
        assert isinstance(build(config), Driver)


def test_its_devices_have_valid_ids_and_no_twins(configs: list[DriverConfig]) -> None:
    devices = [device for config in configs for device in build(config).devices()]
    assert len(devices) == len(set(devices))
    assert all(DEVICE_ID.match(device) for device in devices)


def test_the_same_config_names_the_same_devices_each_time(configs: list[DriverConfig]) -> None:
    for config in configs:
        assert list(build(config).devices()) == list(build(config).devices())


def test_it_imports_no_other_driver(folder: Path, kind: str) -> None:
    for path in folder.rglob("*.py"):
        for name in _imports(path):
            if name.startswith("frostline_edge.drivers."):
                assert name.split(".")[2] == kind, f"{path.name} imports {name}"
            assert not name.startswith(("frostline_gateway", "frostline_cloud", "frostline_sim")), path.name


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def _models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        for inner in _nested(field.annotation):
            yield from _models(inner)


def _nested(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for each in get_args(annotation):
        yield from _nested(each)
