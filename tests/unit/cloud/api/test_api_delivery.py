"""Replay, refetch, write-off and retirement by HTTP: who may, what is answered."""

from __future__ import annotations

import dataclasses

import pytest
from sqlalchemy import insert, select

from frostline_cloud.api import Role, Services
from frostline_cloud.ingest.errands import NotPossibleError, Refetch, Retirement
from frostline_cloud.sql.tables import dead_letter, loss, node, run
from tests.support.web import NOW_MS
from tests.unit.cloud.api.conftest import client_of, token_for

SPAN = {"from_ms": NOW_MS - 3_600_000, "to_ms": NOW_MS}
URL = "/api/v1/nodes/berlin/gw-1/refetch"


@pytest.fixture
def letter(services: Services) -> int:
    """A letter of a gateway without a birth."""
    place = {"site": "berlin", "node": "gw-1", "device": "", "topic": "spBv1.0/berlin/NDATA/gw-1"}
    row = place | {"reason": "r", "raw": b"\x18\x01", "at_ms": NOW_MS}
    with services.writing() as connection:
        made = connection.execute(insert(dead_letter).values(**row))
        return int(made.inserted_primary_key[0])  # type: ignore[index]  # an insert of one row has one


async def test_an_operator_may_replay_and_is_told_why_a_letter_stays(services: Services, letter: int) -> None:
    async with client_of(services, token_for(services, Role.OPERATOR)) as client:
        answer = await client.post(f"/api/v1/dead-letters/{letter}/replay")
    assert answer.status_code == 200
    assert answer.json() == {
        "id": letter,
        "samples": 0,
        "reason": "nothing is known of its gateway: it has not been born since",
    }


async def test_a_viewer_may_not(services: Services, letter: int) -> None:
    async with client_of(services, token_for(services, Role.VIEWER)) as client:
        assert (await client.post(f"/api/v1/dead-letters/{letter}/replay")).status_code == 403
        assert (await client.post(URL, json=SPAN)).status_code == 403


async def test_a_letter_that_is_not_there_is_not_found(services: Services) -> None:
    async with client_of(services, token_for(services, Role.OPERATOR)) as client:
        assert (await client.post("/api/v1/dead-letters/4711/replay")).status_code == 404


async def test_a_span_is_handed_to_ingest(services: Services) -> None:
    asked: list[Refetch] = []
    wired = dataclasses.replace(services, refetch=asked.append)
    async with client_of(wired, token_for(services, Role.OPERATOR)) as client:
        answer = await client.post(URL, json=SPAN | {"device": "chiller-1"})
    assert answer.status_code == 202
    assert asked == [Refetch("berlin", "gw-1", SPAN["from_ms"], SPAN["to_ms"], "chiller-1")]


async def test_a_gateway_that_cannot_is_a_conflict_and_no_ingest_is_unavailable(services: Services) -> None:
    def refuse(_wanted: Refetch) -> None:
        raise NotPossibleError("berlin/gw-1 is not online")

    wired = dataclasses.replace(services, refetch=refuse)
    token = token_for(services, Role.OPERATOR)
    async with client_of(wired, token) as client:
        answer = await client.post(URL, json=SPAN)
        assert (answer.status_code, answer.json()["detail"]) == (409, "berlin/gw-1 is not online")
    async with client_of(services, token) as client:
        assert (await client.post(URL, json=SPAN)).status_code == 503


@pytest.mark.parametrize("ends", [0, -1, 32 * 24 * 3_600_000])
async def test_a_span_must_end_after_it_begins_and_not_a_month_later(services: Services, ends: int) -> None:
    wired = dataclasses.replace(services, refetch=lambda _wanted: None)
    async with client_of(wired, token_for(services, Role.OPERATOR)) as client:
        answer = await client.post(URL, json={"from_ms": SPAN["from_ms"], "to_ms": SPAN["from_ms"] + ends})
    assert answer.status_code == 422


GONE = "1111000000000001"
WRITE_OFF = f"/api/v1/nodes/berlin/gw-gone/runs/{GONE}/write-off"
WHY = {"reason": "the card broke"}


@pytest.fixture
def doubt(services: Services) -> None:
    """A run that its gateway no longer has."""
    born = {"site": "berlin", "node": "gw-gone", "online": True, "proved": True, "bd_seq": 0, "birth_ms": 0}
    row = {"site": "berlin", "node": "gw-gone", "stream": 1, "committed": 5, "announced": 9, "at_ms": NOW_MS}
    with services.writing() as connection:
        connection.execute(insert(node).values(**born, spool="0000000000002222", held=[]))
        connection.execute(insert(run).values(**row, run=GONE))


@pytest.mark.usefixtures("doubt")
async def test_an_operator_writes_the_rest_of_a_run_off_and_is_named(services: Services) -> None:
    async with client_of(services, token_for(services, Role.OPERATOR)) as client:
        answer = await client.post(WRITE_OFF, json=WHY)
        assert (answer.status_code, answer.json()) == (200, {"run": GONE, "first": 6, "announced": 9})
        (item,) = (await client.get("/api/v1/losses", params={"node": "gw-gone"})).json()["items"]
        assert (item["run"], item["first"], item["last"]) == (GONE, 6, None)
        assert (await client.get("/api/v1/nodes/berlin/gw-gone")).json()["in_doubt"] == []
        again = await client.post(WRITE_OFF, json=WHY)
    assert (again.status_code, "not in doubt" in again.json()["detail"]) == (409, True)
    with services.reading() as connection:
        reason = connection.scalar(select(loss.c.reason).where(loss.c.run == GONE))
    assert reason is not None
    assert reason.startswith("written off by ")
    assert reason.endswith(": the card broke")


@pytest.mark.usefixtures("doubt")
async def test_a_write_off_needs_an_operator_and_a_reason(services: Services) -> None:
    async with client_of(services, token_for(services, Role.VIEWER)) as client:
        assert (await client.post(WRITE_OFF, json=WHY)).status_code == 403
    async with client_of(services, token_for(services, Role.OPERATOR)) as client:
        for wrong in ({}, {"reason": ""}, {"reason": "two\nlines"}, {"reason": "x" * 501}):
            assert (await client.post(WRITE_OFF, json=wrong)).status_code == 422


@pytest.mark.usefixtures("doubt")
async def test_a_retirement_is_handed_to_ingest_with_who_said_so(services: Services) -> None:
    asked: list[Retirement] = []
    wired = dataclasses.replace(services, retire=asked.append)
    async with client_of(wired, token_for(services, Role.OPERATOR)) as client:
        answer = await client.post("/api/v1/nodes/berlin/gw-gone/retire")
        assert (answer.status_code, answer.json()) == (200, {"site": "berlin", "node": "gw-gone", "device": None})
        unknown = [
            await client.post("/api/v1/nodes/berlin/nobody/retire"),
            await client.post("/api/v1/devices/berlin/gw-gone/nobody/retire"),
        ]
    assert [each.status_code for each in unknown] == [404, 404]
    ((site, name, device, who),) = [dataclasses.astuple(each) for each in asked]
    assert (site, name, device) == ("berlin", "gw-gone", None)
    assert who


@pytest.mark.usefixtures("doubt")
async def test_who_may_not_retire_what_is_online_and_where_ingest_is_elsewhere(services: Services) -> None:
    def refuse(_wanted: Retirement) -> None:
        raise NotPossibleError("berlin/gw-gone is online")

    url = "/api/v1/nodes/berlin/gw-gone/retire"
    wired = dataclasses.replace(services, retire=refuse)
    async with client_of(wired, token_for(services, Role.VIEWER)) as client:
        assert (await client.post(url)).status_code == 403
    token = token_for(services, Role.OPERATOR)
    async with client_of(wired, token) as client:
        assert (await client.post(url)).status_code == 409
    async with client_of(services, token) as client:
        assert (await client.post(url)).status_code == 503
