"""An alert for two gateways under one name: opened once, told, and over an hour after the last sign."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, Table, select

from frostline_cloud import identity
from frostline_cloud.sql import births
from frostline_cloud.sql.changes import BornNode, Changes
from frostline_cloud.sql.tables import alert, outbox, setting
from frostline_core.commit import Runs
from frostline_core.errors import ConfigError
from frostline_core.rules import RuleSet

NOW = 1_770_000_000_000


def rows(engine: Engine, table: Table) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(select(table)))


def births_of(engine: Engine, spools: tuple[int, ...], now_ms: int) -> None:
    for spool in spools:
        changes = Changes()
        told = Runs(spool, {spool << 48 | 1: 5}, False)
        changes.born(BornNode("hamburg", "gw-1", True, 0, now_ms, told, b"raw"))
        with engine.begin() as connection:
            births.write(connection, changes, {}, now_ms)


def test_births_of_two_spools_in_turn_are_one_alert_that_is_told(engine: Engine) -> None:
    births_of(engine, (0xA, 0xB, 0xA), NOW)
    assert identity.watch(engine, ["desk"], NOW + 1) == 1
    births_of(engine, (0xB, 0xA), NOW + 2)
    assert identity.watch(engine, ["desk"], NOW + 3) == 0
    (row,) = rows(engine, alert)
    assert (row.rule, row.severity, row.state, row.site, row.node) == (
        "frostline-identity",
        "critical",
        "firing",
        "hamburg",
        "gw-1",
    )
    assert [(each.type, each.receiver) for each in rows(engine, outbox)] == [("alert.firing", "desk")]


def test_it_is_over_an_hour_after_the_last_birth_of_two(engine: Engine) -> None:
    births_of(engine, (0xA, 0xB, 0xA), NOW)
    identity.watch(engine, ["desk"], NOW)
    assert identity.watch(engine, ["desk"], NOW + identity.OVER_MS - 1) == 0
    assert identity.watch(engine, ["desk"], NOW + identity.OVER_MS) == 1
    assert [row.state for row in rows(engine, alert)] == ["resolved"]
    assert [each.type for each in rows(engine, outbox)] == ["alert.firing", "alert.resolved"]
    assert not [row for row in rows(engine, setting) if row.key.startswith("clone/")]


def test_one_gateway_is_no_alert(engine: Engine) -> None:
    births_of(engine, (0xA, 0xA, 0xB, 0xB), NOW)
    assert identity.watch(engine, ["desk"], NOW) == 0


def test_the_built_in_rule_s_id_is_taken() -> None:
    with pytest.raises(ConfigError, match="frostline-identity"):
        identity.with_identity(identity.with_identity(RuleSet.of([])))
