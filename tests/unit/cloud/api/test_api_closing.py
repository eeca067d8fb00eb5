"""Closing alerts with their evidence."""

from __future__ import annotations

from typing import Any

from sqlalchemy import update

from frostline_cloud.api import Role, Services
from frostline_cloud.sql.tables import alert
from frostline_cloud.store import Place, Row
from tests.support.web import MINUTE_MS, NOW_MS
from tests.unit.cloud.api.conftest import client_of, token_for

OVER = "00000000-0000-4000-8000-000000000002"
FIRING = "00000000-0000-4000-8000-000000000000"
BEGAN, ENDED = NOW_MS - 300 * MINUTE_MS, NOW_MS - 240 * MINUTE_MS
DOCK = Place("cold_room", "berlin", "gw-1", "dock-1", "loading-dock")
RULE = {"number": 3, "hash": "ab", "category": "compliance", "content": {"type": "threshold", "max_gap": "5m"}}


def compliance(services: Services, **changes: Any) -> None:
    evidence = {"kind": "cold_room", "rule": RULE, "suppressed_ms": 60_000, "unit": "Cel", "limit": 8.0, "labels": {}}
    times = {"opened_ms": BEGAN, "fired_ms": BEGAN + 5 * MINUTE_MS, "resolved_ms": ENDED}
    with services.writing() as connection:
        values = {"evidence": evidence} | times | changes
        connection.execute(update(alert).where(alert.c.id == OVER).values(**values))


async def post(services: Services, alert_id: str = OVER, **body: Any) -> Any:
    async with client_of(services, token_for(services, Role.OPERATOR)) as client:
        return await client.post(f"/api/v1/alerts/{alert_id}/close", json=body)


async def get(services: Services, what: str) -> Any:
    async with client_of(services, token_for(services)) as client:
        return await client.get(f"/api/v1/alerts/{OVER}/{what}")


async def test_a_compliance_alert_is_not_closed_without_cause_and_disposition(services: Services) -> None:
    compliance(services)

    for said in ({}, {"cause": "door"}, {"disposition": "release"}, {"cause": "  ", "disposition": "release"}):
        answer = await post(services, **said)
        assert answer.status_code == 409
        assert "cause and a disposition" in answer.json()["detail"]


async def test_closing_says_who_why_and_what_becomes_of_the_goods(services: Services) -> None:
    compliance(services)

    shown = (await post(services, cause="door left open", disposition="quarantine")).json()

    assert shown["handling"] | {"closed_ms": 0} == shown["handling"] | {
        "closed_ms": 0,
        "closed_by": "operator-0",
        "cause": "door left open",
        "disposition": "quarantine",
    }
    assert shown["timeline"][-1]["act"] == "close"
    assert (await post(services, cause="again", disposition="release")).status_code == 409


async def test_an_alert_that_is_not_over_cannot_be_closed(services: Services) -> None:
    answer = await post(services, FIRING, cause="x")

    assert answer.status_code == 409
    assert "firing" in answer.json()["detail"]


async def test_an_operational_alert_is_closed_without_words(services: Services) -> None:
    assert (await post(services)).status_code == 200


async def test_an_alert_that_is_not_there_is_said(services: Services) -> None:
    assert (await post(services, "x", cause="y")).status_code == 404


async def test_evidence_holds_samples_limits_and_sums_of_the_time(services: Services) -> None:
    compliance(services)

    found = (await get(services, "evidence")).json()

    own = [value for at_ms, value in found["samples"] if BEGAN <= at_ms <= ENDED]
    assert (found["count"], found["low"], found["high"]) == (len(own), min(own), max(own))
    assert len(found["samples"]) == 120
    assert found["coverage"] > 0.99
    assert (found["duration_ms"], found["suppressed_ms"]) == (60 * MINUTE_MS, 60_000)
    assert (found["rule"], found["limit"], found["unit"]) == (RULE, 8.0, "Cel")
    assert found["frozen_ms"] is None


async def test_what_no_sample_speaks_for_is_not_covered(services: Services) -> None:
    compliance(services, opened_ms=NOW_MS - 190 * MINUTE_MS, fired_ms=NOW_MS - 190 * MINUTE_MS, device="chiller-1")
    compliance(
        services,
        opened_ms=NOW_MS - 220 * MINUTE_MS,
        fired_ms=NOW_MS - 220 * MINUTE_MS,
        resolved_ms=NOW_MS - 120 * MINUTE_MS,
        device="chiller-1",
    )

    coverage = (await get(services, "evidence")).json()["coverage"]

    assert 0.2 < coverage < 0.3


async def test_evidence_is_frozen_when_the_alert_is_closed(services: Services) -> None:
    compliance(services)
    before = (await get(services, "evidence")).json()
    await post(services, cause="door", disposition="release")

    services.store.write([Row(DOCK, BEGAN + MINUTE_MS, [("air_temperature", 99.0)])])

    assert (await get(services, "evidence")).json() == before | {"frozen_ms": NOW_MS}


async def test_many_samples_become_intervals(services: Services) -> None:
    compliance(services)
    services.store.write([Row(DOCK, BEGAN + n * 1000, [("air_temperature", float(n))]) for n in range(3000)])

    found = (await get(services, "evidence")).json()

    assert found["samples"] == []
    assert found["high"] == 2999.0
    assert 800 < len(found["intervals"]) <= 2001
    assert sum(each[4] for each in found["intervals"]) == found["count"] + 60


async def test_the_export_is_a_file_with_everything(services: Services) -> None:
    compliance(services)

    answer = await get(services, "export")

    assert answer.headers["content-disposition"] == f'attachment; filename="alert-{OVER}.json"'
    assert set(answer.json()) == {"alert", "evidence"}
    assert answer.json()["alert"]["id"] == OVER


async def test_what_has_no_samples_has_evidence_that_says_so(services: Services) -> None:
    compliance(services, device="nobody")

    found = (await get(services, "evidence")).json()

    assert (found["count"], found["low"], found["coverage"]) == (0, None, 0.0)


async def test_samples_are_exported_as_a_table(services: Services) -> None:
    compliance(services)

    answer = await get(services, "export.csv")

    lines = answer.text.splitlines()
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="alert-{OVER}.csv"'
    assert lines[0] == "time,at_ms,value,unit,of_alert"
    assert len(lines) == 121
    assert sum(line.endswith(",Cel,1") for line in lines) == (await get(services, "evidence")).json()["count"]


async def test_too_many_samples_are_exported_as_intervals(services: Services) -> None:
    compliance(services)
    services.store.write([Row(DOCK, BEGAN + n * 1000, [("air_temperature", float(n))]) for n in range(3000)])

    lines = (await get(services, "export.csv")).text.splitlines()

    assert lines[0] == "time,at_ms,length_ms,low,mean,high,count,unit,of_alert"
    assert 800 < len(lines) <= 2002


async def test_alerts_are_listed_by_whether_they_are_closed(services: Services) -> None:
    compliance(services)
    await post(services, cause="door", disposition="release")

    async with client_of(services, token_for(services)) as client:
        closed = (await client.get("/api/v1/alerts", params={"closed": "true"})).json()["items"]
        still = (await client.get("/api/v1/alerts", params={"closed": "false"})).json()["items"]
        decided = (await client.get("/api/v1/alerts", params={"category": "compliance"})).json()["items"]

    assert ([each["id"] for each in closed], len(still)) == ([OVER], 2)
    assert [each["category"] for each in decided] == ["compliance"]


async def test_that_nothing_is_known_is_said(services: Services) -> None:
    compliance(services, state="firing", resolved_ms=None, evidence={"no_data_since_ms": BEGAN + 1})

    async with client_of(services, token_for(services)) as client:
        shown = (await client.get(f"/api/v1/alerts/{OVER}")).json()

    assert (shown["state"], shown["no_data_since_ms"]) == ("firing", BEGAN + 1)
