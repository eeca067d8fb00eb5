"""Who is on call, over the API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest

from frostline_cloud.alerts import record
from frostline_cloud.api import Role, Services
from frostline_cloud.notify.dispatch import dispatch
from frostline_core.rules import Phase, Series, Transition
from tests.support.rota import plan
from tests.support.web import FREEZER_WARM, HOUR_MS, MINUTE_MS, NOW_MS
from tests.unit.cloud.api.conftest import client_of, token_for

DAY_MS = 24 * HOUR_MS
BEGIN = datetime.fromtimestamp(NOW_MS / 1000, UTC).date()
BERLIN: dict[str, Any] = {"begin": BEGIN, "time_zone": "Europe/Berlin"}


@pytest.fixture
def duty(services: Services) -> Services:
    return replace(services, plan=plan(**BERLIN))


@pytest.fixture
async def operator(duty: Services) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(duty, token_for(duty, Role.OPERATOR)) as client:
        client.base_url = client.base_url.join("/api/v1/notify/")
        yield client


def wish(**keys: Any) -> dict[str, Any]:
    return {"rotation": "cold", "who": "li", "to_ms": NOW_MS + 4 * HOUR_MS, "reason": "dentist"} | keys


async def test_who_is_on_call_who_follows_and_the_days_to_come_are_shown(operator: httpx.AsyncClient) -> None:
    (found,) = (await operator.get("rotations")).json()

    assert (found["rotation"], found["time_zone"], found["hand_over"]) == ("cold", "Europe/Berlin", "08:00")
    assert (found["now"]["who"], found["now"]["from_ms"], found["told"]) == ("wang", NOW_MS, ["wang"])
    follows = datetime.fromtimestamp(found["next"]["from_ms"] / 1000, UTC)
    assert (found["next"]["who"], follows.hour, follows.date()) == ("ben", 6, date.fromordinal(BEGIN.toordinal() + 1))
    assert [each["who"] for each in found["duties"]] == ["wang", "ben"] * 7 + ["wang"]


async def test_one_rotation_of_another_moment_and_length(operator: httpx.AsyncClient) -> None:
    found = (await operator.get("rotations/cold", params={"days": 1, "at": NOW_MS + DAY_MS})).json()

    assert [each["who"] for each in found["duties"]] == ["ben", "wang"]
    assert (await operator.get("rotations/colt")).status_code == 404


async def test_while_nobody_is_on_call_it_says_who_is_told(services: Services) -> None:
    made = replace(services, plan=plan(during=[{"begin": "00:00", "end": "08:00"}], fallback="ops"))
    async with client_of(made, token_for(made)) as client:
        (found,) = (await client.get("/api/v1/notify/rotations")).json()

    assert (found["now"]["who"], found["told"]) == ("", ["ops"])


async def test_an_override_is_made_and_counts_at_once(operator: httpx.AsyncClient) -> None:
    made = await operator.post("overrides", json=wish(instead_of="wang"))

    assert made.status_code == 201
    assert {"id": 1, "who": "li", "author": "operator-0", "from_ms": NOW_MS, "reason": "dentist"}.items() <= (
        made.json().items()
    )
    (found,) = (await operator.get("rotations")).json()
    assert found["now"] == {
        "who": "li",
        "from_ms": NOW_MS,
        "to_ms": NOW_MS + 4 * HOUR_MS,
        "is_override": True,
        "reason": "dentist",
        "author": "operator-0",
    }
    assert [each["id"] for each in (await operator.get("overrides")).json()["items"]] == [1]


async def test_an_override_is_ended_by_somebody(operator: httpx.AsyncClient) -> None:
    await operator.post("overrides", json=wish())

    assert (await operator.post("overrides/1/end")).json() == {"items": []}
    assert (await operator.post("overrides/1/end")).status_code == 404
    (found,) = (await operator.get("rotations")).json()
    assert found["now"]["who"] == "wang"
    (kept,) = (await operator.get("overrides", params={"since": NOW_MS - 1})).json()["items"]
    assert kept["ended_by"] == "operator-0"


async def test_what_cannot_be_is_a_conflict_that_says_why(operator: httpx.AsyncClient) -> None:
    answer = await operator.post("overrides", json=wish(who="wong"))

    assert answer.status_code == 409
    assert answer.json()["detail"] == "no receiver 'wong' (did you mean 'wang'?)"


async def test_a_viewer_sees_overrides_and_makes_none(duty: Services) -> None:
    async with client_of(duty, token_for(duty)) as client:
        assert (await client.get("/api/v1/notify/overrides")).status_code == 200
        assert (await client.post("/api/v1/notify/overrides", json=wish())).status_code == 403
        assert (await client.post("/api/v1/notify/overrides/1/end")).status_code == 403


async def test_overrides_of_the_file_are_listed_and_what_no_longer_counts_says_why(services: Services) -> None:
    begin, end = (datetime.fromtimestamp((NOW_MS + wait) / 1000, UTC) for wait in (HOUR_MS, DAY_MS))
    made = replace(services, plan=plan())
    async with client_of(made, token_for(made, Role.OPERATOR)) as client:
        await client.post("/api/v1/notify/overrides", json=wish())
    fewer = plan(override=[{"who": "ben", "from": begin, "to": end}])
    changed = replace(services, plan=replace(fewer, receivers=("wang", "ben", "ops")))
    async with client_of(changed, token_for(changed)) as client:
        items = (await client.get("/api/v1/notify/overrides")).json()["items"]
        (found,) = (await client.get("/api/v1/notify/rotations")).json()

    assert [(each["id"], each["who"], each["author"]) for each in items] == [(1, "li", "operator-0"), (0, "ben", "")]
    assert [each["fault"] for each in items] == ["there is no receiver 'li' any more", ""]
    assert found["now"]["who"] == "wang"


async def test_an_alert_says_whom_its_escalation_would_reach(duty: Services) -> None:
    room = Series("hamburg", "gw-1", "room-1", "cold_room", "", "air_temperature")
    with duty.writing() as connection:
        record(
            connection,
            [Transition(FREEZER_WARM.id, room, Phase.OK, Phase.FIRING, NOW_MS, 9.0, 8.0, "")],
            duty.rules,
            ["*"],
            NOW_MS,
        )
        dispatch(connection, duty.plan, NOW_MS)
    async with client_of(duty, token_for(duty, Role.OPERATOR)) as client:
        (alert,) = (await client.get("/api/v1/alerts", params={"site": "hamburg"})).json()["items"]
        found = (await client.get(f"/api/v1/alerts/{alert['id']}/escalation")).json()
        await client.post(f"/api/v1/alerts/{alert['id']}/acknowledge")
        after = (await client.get(f"/api/v1/alerts/{alert['id']}/escalation")).json()
        assert (await client.get("/api/v1/alerts/none/escalation")).status_code == 404

    reached = [{"receiver": "wang", "rotation": "cold"}]
    step = {"route": "all", "step": 1, "due_ms": NOW_MS + 10 * MINUTE_MS, "state": "waiting", "to": ["cold"]}
    assert found == {"steps": [step | {"now": reached, "then": reached}], "held": ""}
    assert after["held"] == "noted"


async def test_without_rotations_there_is_nothing_to_show(viewer: httpx.AsyncClient) -> None:
    assert (await viewer.get("/api/v1/notify/rotations")).json() == []
