"""Pauses and rule versions over the API."""

from __future__ import annotations

from typing import Any

from frostline_cloud.api import Role, Services
from frostline_cloud.rules import adopt
from frostline_core.rules import RuleSet, parse
from tests.support.web import NOW_MS
from tests.unit.cloud.api.conftest import client_of, token_for

WASHING: dict[str, Any] = {
    "state": "maintenance",
    "site": "rotterdam",
    "node": "gw-1",
    "device": "freezer-1",
    "from_ms": NOW_MS,
    "to_ms": NOW_MS + 3_600_000,
    "reason": "washing the evaporator",
}


async def test_an_operator_takes_a_device_out_of_service_and_back(services: Services) -> None:
    async with client_of(services, token_for(services, Role.OPERATOR)) as client:
        made = await client.post("/api/v1/pauses", json=WASHING)
        listed = await client.get("/api/v1/pauses", params={"site": "rotterdam"})
        left = await client.post(f"/api/v1/pauses/{made.json()['id']}/end")

    assert made.status_code == 201
    assert made.json() == WASHING | {"id": made.json()["id"], "author": "operator-0"}
    assert listed.json()["items"] == [made.json()]
    assert left.json()["items"] == []


async def test_a_viewer_may_only_look(services: Services) -> None:
    async with client_of(services, token_for(services)) as client:
        assert (await client.post("/api/v1/pauses", json=WASHING)).status_code == 403
        assert (await client.get("/api/v1/pauses")).status_code == 200


async def test_a_pause_without_sense_says_why(services: Services) -> None:
    async with client_of(services, token_for(services, Role.OPERATOR)) as client:
        answer = await client.post("/api/v1/pauses", json=WASHING | {"to_ms": NOW_MS - 1})

    assert answer.status_code == 409
    assert "ends after it begins" in answer.json()["detail"]


async def test_a_pause_that_is_not_there_cannot_be_ended(services: Services) -> None:
    async with client_of(services, token_for(services, Role.OPERATOR)) as client:
        assert (await client.post("/api/v1/pauses/7/end")).status_code == 404


async def test_the_versions_of_a_rule_are_listed(services: Services) -> None:
    for number, above in enumerate((-15.0, -16.0)):
        table = {"type": "threshold", "id": "warm", "title": "W", "select": {"metric": "m"}, "above": above}
        with services.writing() as connection:
            adopt(connection, RuleSet.of([parse(table, "test")]), NOW_MS + number)
    async with client_of(services, token_for(services)) as client:
        items = (await client.get("/api/v1/rules/warm/versions")).json()["items"]
        missing = await client.get("/api/v1/rules/cold/versions")

    assert [(each["number"], each["content"]["above"]) for each in items] == [(2, -16.0), (1, -15.0)]
    assert missing.status_code == 404
