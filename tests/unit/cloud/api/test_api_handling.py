"""Acts and silences over the API."""

from __future__ import annotations

from typing import Any

import pytest

from frostline_cloud.api import Role, Services
from tests.support.web import HOUR_MS, NOW_MS
from tests.unit.cloud.api.conftest import client_of, token_for

FREEZER = "/api/v1/alerts/00000000-0000-4000-8000-000000000000"
OVER = "/api/v1/alerts/00000000-0000-4000-8000-000000000002"
QUIET: dict[str, Any] = {
    "matchers": {"site": "berlin", "label.product": "vacc*"},
    "to_ms": NOW_MS + HOUR_MS,
    "reason": "moving the racks",
}


async def test_an_operator_assigns_comments_and_shelves(services: Services) -> None:
    async with client_of(services, token_for(services, Role.OPERATOR)) as client:
        await client.post(f"{FREEZER}/assign", json={"to": "bob"})
        await client.post(f"{FREEZER}/comments", json={"text": "door was open"})
        answer = await client.post(f"{FREEZER}/shelve", json={"until_ms": NOW_MS + HOUR_MS, "reason": "parts"})
        listed = await client.get("/api/v1/alerts", params={"state": "firing"})

    shown = answer.json()
    assert shown["handling"]["assignee"] == "bob"
    assert shown["handling"]["muted"] == "shelved"
    assert [(each["act"], each["who"]) for each in shown["timeline"][2:]] == [
        ("assign", "operator-0"),
        ("comment", "operator-0"),
        ("shelve", "operator-0"),
    ]
    assert listed.json()["items"][0]["handling"]["shelved_until_ms"] == NOW_MS + HOUR_MS


@pytest.mark.parametrize("act", ["assign", "comments", "shelve", "unshelve"])
async def test_a_viewer_may_not_act(services: Services, act: str) -> None:
    bodies = {"assign": {"to": "x"}, "comments": {"text": "x"}, "shelve": {"until_ms": NOW_MS + 1, "reason": "x"}}
    async with client_of(services, token_for(services)) as client:
        assert (await client.post(f"{FREEZER}/{act}", json=bodies.get(act))).status_code == 403


async def test_what_is_over_cannot_be_shelved_and_what_is_not_there_is_said(services: Services) -> None:
    async with client_of(services, token_for(services, Role.OPERATOR)) as client:
        shelf = {"until_ms": NOW_MS + HOUR_MS, "reason": "parts"}
        assert (await client.post(f"{OVER}/shelve", json=shelf)).status_code == 409
        assert (await client.post("/api/v1/alerts/x/shelve", json=shelf)).status_code == 404
        assert (await client.post(f"{FREEZER}/unshelve")).status_code == 409
        assert (await client.post(f"{FREEZER}/comments", json={"text": " "})).status_code == 422


async def test_a_silence_is_made_listed_and_ended(services: Services) -> None:
    async with client_of(services, token_for(services, Role.OPERATOR)) as client:
        made = await client.post("/api/v1/silences", json=QUIET)
        listed = await client.get("/api/v1/silences")
        left = await client.post(f"/api/v1/silences/{made.json()['id']}/end")
        again = await client.post(f"/api/v1/silences/{made.json()['id']}/end")

    assert made.status_code == 201
    assert made.json()["author"] == "operator-0"
    assert listed.json()["items"] == [made.json()]
    assert left.json()["items"] == []
    assert again.status_code == 404


async def test_a_silence_without_sense_says_why(services: Services) -> None:
    async with client_of(services, token_for(services, Role.OPERATOR)) as client:
        answer = await client.post("/api/v1/silences", json=QUIET | {"matchers": {"sight": "x"}})

    assert answer.status_code == 409
    assert "no matcher 'sight'" in answer.json()["detail"]


async def test_the_noisiest_rules_are_listed_and_measured(services: Services) -> None:
    async with client_of(services, token_for(services)) as client:
        listed = await client.get("/api/v1/noise")
        measured = await client.get("/metrics")

    (found,) = listed.json()["items"]
    assert (found["rule"], found["alerts"], found["flap_score"]) == ("freezer-warm", 3, 0.0)
    assert 'frostline_rule_alerts_day{rule="freezer-warm"} 3.0' in measured.text
