"""What `frostline cloud check` finds before a start would."""

from __future__ import annotations

from pathlib import Path

import pytest

from frostline_cloud.check import findings
from frostline_cloud.config import CloudConfig, RulesConfig
from frostline_cloud.ingest.config import BrokerConfig
from frostline_cloud.sql import SqlConfig
from frostline_cloud.store.config import StoreConfig
from tests.support.services import free_port

RULE = """
[[rule]]
id = "{id}"
title = "Too warm"
type = "threshold"
severity = "critical"
above = -15.0
select = {{ metric = "air_temperature" }}
"""


@pytest.mark.parametrize(("rule_id", "wrong"), [("too-warm", ""), ("frostline-identity", "frostline-identity")])
def test_a_rule_with_the_id_of_a_built_in_one_is_found(tmp_path: Path, rule_id: str, wrong: str) -> None:
    (tmp_path / "rules.toml").write_text(RULE.format(id=rule_id))
    config = CloudConfig(
        broker=BrokerConfig(url=f"mqtt://127.0.0.1:{free_port()}"),
        store=StoreConfig(path=tmp_path / "history.duckdb"),
        sql=SqlConfig(url=f"sqlite:///{tmp_path}/frostline.db"),
        rules=RulesConfig(folder=tmp_path),
    )
    found = findings(config)["rules"]
    assert wrong in found
    assert bool(found) is bool(wrong)


def test_each_part_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "damaged.db").write_bytes(b"this is no database, and nobody can read it as one" * 100)
    port = free_port()
    config = CloudConfig(
        broker=BrokerConfig(url=f"mqtt://127.0.0.1:{port}"),
        store=StoreConfig(path=tmp_path / "history.duckdb"),
        sql=SqlConfig(url=f"sqlite:///{tmp_path}/damaged.db"),
        rules=RulesConfig(folder=tmp_path),
    )
    found = findings(config)
    assert f"127.0.0.1:{port}" in found["broker"]
    assert found["sql"]
    assert (found["rules"], found["store"]) == ("", "")


def test_a_missing_secret_is_named_although_the_broker_is_away(tmp_path: Path) -> None:
    url = f"mqtt://127.0.0.1:{free_port()}"
    config = CloudConfig(
        broker=BrokerConfig.model_validate({"url": url, "username": "a", "password": "${file:/no/such/file}"}),
        store=StoreConfig(path=tmp_path / "history.duckdb"),
        sql=SqlConfig(url=f"sqlite:///{tmp_path}/frostline.db"),
        rules=RulesConfig(folder=tmp_path),
    )
    assert "/no/such/file" in findings(config)["broker"]
