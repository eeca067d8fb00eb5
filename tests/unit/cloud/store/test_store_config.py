"""What the [store] table takes and what it says to mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from frostline_cloud.store import StoreConfig, open_store
from frostline_core.config import parse
from frostline_core.errors import ConfigError


def _config(**table: object) -> StoreConfig:
    return parse(table, StoreConfig, "cloud.toml")


def test_nothing_said_is_the_embedded_store() -> None:
    assert _config().kind == "embedded"


def test_every_key_has_a_description() -> None:
    assert all(field.description for field in StoreConfig.model_fields.values())


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8086", "http://localhost:8086", "http://[::1]:8086", "https://db:8086"]
)
def test_addresses_that_are_safe(url: str) -> None:
    assert _config(kind="influxdb1", url=url).url == url


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"kind": "influxdb1"}, "needs a url"),
        ({"kind": "influxdb1", "url": "db:8086"}, "a store is https://host"),
        ({"kind": "influxdb1", "url": "http://db:8086"}, "can be read by everybody"),
        ({"kind": "influxdb1", "url": "https://u:p@db"}, "neither user nor password"),
        ({"kind": "influxdb1", "url": "https://db", "username": "u"}, "belong together"),
        ({"kind": "influxdb2", "url": "https://db", "retention_days": 9}, "at the influxdb2 server"),
        ({"url": "https://db"}, "is kind missing"),
        ({"kind": "influx"}, "kind"),
        ({"pth": "x"}, "did you mean 'path'"),
    ],
)
def test_mistakes_are_named(table: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        _config(**table)


def test_http_to_another_machine_can_be_allowed() -> None:
    assert _config(kind="influxdb1", url="http://db:8086", insecure=True).insecure


def test_a_token_in_the_file_itself_is_refused() -> None:
    with pytest.raises(ConfigError, match="must be a reference"):
        open_store(_config(kind="influxdb2", url="https://db", token="abc"))


def test_a_missing_certificate_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"store\.ca_file: .*none\.pem"):
        open_store(_config(kind="influxdb1", url="https://db", ca_file=str(tmp_path / "none.pem")))
