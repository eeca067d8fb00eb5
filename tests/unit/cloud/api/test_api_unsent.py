"""Rules that are too large for a gateway: the API says with which gateway, why, and what to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from frostline_cloud.api.services import Services
from frostline_core.rules import RuleSet, parse
from frostline_core.rules.bundle import MOST_RULES
from tests.unit.cloud.api.conftest import client_of, token_for


def too_many(site: str) -> RuleSet:
    table = {"type": "threshold", "title": "R", "above": 1.0, "where": "gateway", "output": "siren"}
    select = {"metric": "m", "site": site}
    return RuleSet.of(
        [parse({**table, "id": f"r{number}", "select": select}, "test") for number in range(MOST_RULES + 1)]
    )


async def get(services: Services, path: str) -> Any:
    async with client_of(services, token_for(services)) as client:
        answer = await client.get(path)
    assert answer.status_code == 200
    return answer


async def test_a_gateway_says_why_its_rules_are_not_sent(services: Services) -> None:
    crowded = replace(services, rules=too_many("berlin"))

    node = (await get(crowded, "/api/v1/nodes/berlin/gw-1")).json()
    other = (await get(crowded, "/api/v1/nodes/truck-7/gw-1")).json()

    assert "201 rules for one gateway; the most is 200" in node["rules_unsent"]
    assert other["rules_unsent"] == ""


async def test_the_metrics_count_it(services: Services) -> None:
    crowded = replace(services, rules=too_many("berlin"))

    lines = (await get(crowded, "/metrics")).text.splitlines()

    assert 'frostline_rules_unsent{node="gw-1",site="berlin"} 1.0' in lines
    assert not any(line.startswith("frostline_rules_unsent{") and "truck-7" in line for line in lines)
