"""Rules that are evaluated on the gateway too say which output they drive."""

from __future__ import annotations

from typing import Any

import pytest

from frostline_core.errors import ConfigError
from frostline_core.rules import Where, parse


def _table(**keys: Any) -> dict[str, Any]:
    return {"type": "threshold", "id": "r", "title": "R", "above": 1.0, "select": {"metric": "m"}, **keys}


def test_a_rule_is_for_the_cloud_unless_it_says_otherwise() -> None:
    assert parse(_table(), "test").where is Where.CLOUD


def test_a_rule_on_the_gateway_names_its_output() -> None:
    rule = parse(_table(where="gateway", output="siren"), "test")
    assert (rule.where, rule.output) == (Where.GATEWAY, "siren")


@pytest.mark.parametrize("keys", [{"where": "gateway"}, {"output": "siren"}])
def test_where_and_output_come_together(keys: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="given together"):
        parse(_table(**keys), "test")
