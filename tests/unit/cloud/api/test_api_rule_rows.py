"""Rules made over the API."""

from __future__ import annotations

from typing import Any

from frostline_cloud.api import Role, Services
from frostline_cloud.rules import adopt, in_force
from tests.support.web import NOW_MS
from tests.unit.cloud.api.conftest import client_of, token_for

WARM: dict[str, Any] = {
    "id": "dock-warm",
    "type": "threshold",
    "title": "The dock is too warm",
    "select": {"metric": "temperature"},
    "above": 12.0,
}


async def test_a_rule_is_made_shown_changed_and_retired(services: Services) -> None:
    async with client_of(services, token_for(services, Role.OPERATOR)) as client:
        made = await client.post("/api/v1/rules", json=WARM)
        shown = await client.get("/api/v1/rules/dock-warm")
        tag = {"If-Match": shown.headers["ETag"]}
        changed = await client.put("/api/v1/rules/dock-warm", json=WARM | {"above": 10.0}, headers=tag)
        again = {"If-Match": changed.headers["ETag"]}
        retired = await client.delete("/api/v1/rules/dock-warm", headers=again)
        gone = await client.get("/api/v1/rules/dock-warm")

    assert (made.status_code, made.json()["number"], made.json()["author"]) == (201, 1, "operator-0")
    assert (shown.json()["above"], tag["If-Match"]) == (12.0, '"1"')
    assert (changed.json()["number"], changed.json()["content"]["above"]) == (2, 10.0)
    assert [(each["number"], each["retired_ms"]) for each in retired.json()["items"]] == [(2, NOW_MS), (1, NOW_MS)]
    assert gone.status_code == 404


async def test_of_two_who_change_the_same_version_one_is_told(services: Services) -> None:
    async with client_of(services, token_for(services, Role.OPERATOR)) as client:
        await client.post("/api/v1/rules", json=WARM)
        first = await client.put("/api/v1/rules/dock-warm", json=WARM | {"above": 10.0}, headers={"If-Match": '"1"'})
        second = await client.put("/api/v1/rules/dock-warm", json=WARM | {"above": 9.0}, headers={"If-Match": '"1"'})
        blind = await client.put("/api/v1/rules/dock-warm", json=WARM)

    assert (first.status_code, second.status_code, blind.status_code) == (200, 409, 422)
    assert "is at version 2, not 1" in second.json()["detail"]
    assert in_force_above(services) == 10.0


async def test_what_does_not_fit_is_named_with_the_nearest_key(services: Services) -> None:
    async with client_of(services, token_for(services, Role.OPERATOR)) as client:
        answer = await client.post("/api/v1/rules", json=WARM | {"hysteresys": 1.0})

    assert answer.status_code == 422
    assert "did you mean 'hysteresis'" in answer.json()["errors"][0]["message"]
    assert services.in_force() == services.rules


async def test_rules_of_files_are_not_changed_here(services: Services) -> None:
    rule = services.rules.rules[0]
    with services.writing() as connection:
        adopt(connection, services.rules, NOW_MS)
    table = rule.model_dump(mode="json", by_alias=True)
    async with client_of(services, token_for(services, Role.OPERATOR)) as client:
        made = await client.post("/api/v1/rules", json=table)
        changed = await client.put(f"/api/v1/rules/{rule.id}", json=table, headers={"If-Match": '"1"'})
        retired = await client.delete(f"/api/v1/rules/{rule.id}", headers={"If-Match": '"1"'})

    assert [made.status_code, changed.status_code, retired.status_code] == [409, 409, 409]
    assert "in a file" in retired.json()["detail"]


async def test_a_viewer_may_only_look(services: Services) -> None:
    async with client_of(services, token_for(services)) as client:
        assert (await client.post("/api/v1/rules", json=WARM)).status_code == 403
        assert (await client.delete("/api/v1/rules/x", headers={"If-Match": '"1"'})).status_code == 403


async def test_a_restart_with_its_files_keeps_what_was_made_here(services: Services) -> None:
    async with client_of(services, token_for(services, Role.OPERATOR)) as client:
        await client.post("/api/v1/rules", json=WARM)
    with services.writing() as connection:
        adopt(connection, in_force(connection, services.rules, NOW_MS), NOW_MS + 1)

    assert in_force_above(services) == 12.0


def in_force_above(services: Services) -> object:
    rule = services.in_force().rule("dock-warm")
    return None if rule is None else rule.model_dump()["above"]


async def test_a_change_may_begin_later_and_is_shown_as_upcoming(services: Services) -> None:
    later = {"effective_from": NOW_MS + 60_000}
    async with client_of(services, token_for(services, Role.OPERATOR)) as client:
        await client.post("/api/v1/rules", json=WARM)
        tag = {"If-Match": '"1"'}
        put = await client.put("/api/v1/rules/dock-warm", json=WARM | {"above": 10.0}, headers=tag, params=later)
        listed = (await client.get("/api/v1/rules")).json()
        shown = await client.get("/api/v1/rules/dock-warm")

    assert (put.status_code, put.json()["effective_ms"]) == (200, NOW_MS + 60_000)
    assert [(each["rule"], each["number"], each["content"]["above"]) for each in listed["upcoming"]] == [
        ("dock-warm", 2, 10.0)
    ]
    assert (shown.json()["above"], shown.headers["ETag"]) == (12.0, '"1"')


async def test_what_is_upcoming_is_withdrawn_by_its_number(services: Services) -> None:
    later = {"effective_from": NOW_MS + 60_000}
    async with client_of(services, token_for(services, Role.OPERATOR)) as client:
        await client.post("/api/v1/rules", json=WARM)
        await client.put("/api/v1/rules/dock-warm", json=WARM, headers={"If-Match": '"1"'}, params=later)
        await client.put(
            "/api/v1/rules/dock-warm", json=WARM | {"above": 10.0}, headers={"If-Match": '"1"'}, params=later
        )
        gone = await client.delete("/api/v1/rules/dock-warm", headers={"If-Match": '"2"'})
        listed = (await client.get("/api/v1/rules")).json()

    assert gone.status_code == 200
    assert listed["upcoming"] == []
    assert in_force_above(services) == 12.0


async def test_a_beginning_in_the_past_is_refused(services: Services) -> None:
    async with client_of(services, token_for(services, Role.OPERATOR)) as client:
        answer = await client.post("/api/v1/rules", json=WARM, params={"effective_from": NOW_MS - 1})

    assert answer.status_code == 422
    assert "lies in the past" in answer.json()["errors"][0]["message"]
