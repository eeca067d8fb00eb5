"""What the API tells of fleet, series, alerts, rules and account."""

from __future__ import annotations

import base64
from itertools import pairwise
from typing import Any

import httpx
import pytest

from tests.support.web import HOUR_MS, MINUTE_MS, NOW_MS

SERIES = {"site": "berlin", "node": "gw-1", "device": "chiller-1", "metric": "air_temperature"}


async def _get(client: httpx.AsyncClient, path: str, **query: object) -> Any:
    answer = await client.get(f"/api/v1{path}", params={k: str(v) for k, v in query.items()} or None)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def _values(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    device = await _get(client, f"/devices/{path}")
    return {each["metric"]: each for each in device["values"]}


async def test_sites_tell_how_many_gateways_are_there(viewer: httpx.AsyncClient) -> None:
    items = (await _get(viewer, "/sites"))["items"]
    assert [(each["site"], each["nodes"], each["nodes_online"], each["devices"]) for each in items] == [
        ("berlin", 1, 1, 5),
        ("truck-7", 1, 0, 1),
    ]


async def test_a_gateway_tells_what_became_of_its_samples(viewer: httpx.AsyncClient) -> None:
    node = await _get(viewer, "/nodes/berlin/gw-1")
    assert node["account"] == {"received": 1500, "written": 1490, "dead_lettered": 3, "duplicate": 7, "residue": 0}
    lost = {"listings": 3, "samples": 10, "uncounted": 1, "recovered": 0, "recovered_samples": 0}
    assert node["lost"] == lost
    assert node["in_doubt"] == [{"run": "00bb000000000001", "first": 41, "announced": 55}]


async def test_a_gateway_without_samples_has_an_empty_account(viewer: httpx.AsyncClient) -> None:
    node = await _get(viewer, "/nodes/truck-7/gw-1")
    assert node["account"]["received"] == 0
    assert (node["online"], node["in_doubt"]) == (False, [])


async def test_a_fresh_value_has_its_unit_age_and_quality(viewer: httpx.AsyncClient) -> None:
    value = (await _values(viewer, "berlin/gw-1/freezer-1"))["setpoint"]
    assert value == {
        "metric": "setpoint",
        "value": -21.0,
        "unit": "Cel",
        "quality": "good",
        "at_ms": NOW_MS - 20_000,
        "age_ms": 20_000,
        "stale": False,
        "stale_reason": "",
        "low": None,
        "high": None,
    }


async def test_a_value_has_the_type_that_its_metric_declares(viewer: httpx.AsyncClient) -> None:
    dock, rack = await _values(viewer, "berlin/gw-1/dock-1"), await _values(viewer, "berlin/gw-1/rack-a")
    assert (dock["door_open"]["value"], dock["note"]["value"]) == (True, "open")
    assert rack["count_04012345000016"]["value"] == 14


async def test_a_bad_reading_hides_the_value_before_it(viewer: httpx.AsyncClient) -> None:
    value = (await _values(viewer, "berlin/gw-1/dock-1"))["air_temperature"]
    assert (value["value"], value["quality"], value["at_ms"]) == (None, "bad", NOW_MS - 4_000)


async def test_a_metric_without_a_sample_is_stale_and_has_no_value(viewer: httpx.AsyncClient) -> None:
    value = (await _values(viewer, "berlin/gw-1/freezer-1"))["alarm_active"]
    assert (value["value"], value["quality"], value["stale_reason"]) == (None, None, "never measured")


async def test_a_value_of_a_gateway_that_is_offline_is_stale(viewer: httpx.AsyncClient) -> None:
    value = (await _values(viewer, "truck-7/gw-1/box"))["air_temperature"]
    assert (value["value"], value["stale"], value["stale_reason"]) == (-18.25, True, "gateway offline")


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({"kind": "stock_zone"}, ["rack-a"]),
        ({"zone": "chiller-1"}, ["chiller-1"]),
        ({"site": "truck-7"}, ["box"]),
        ({"site": "nowhere"}, []),
    ],
)
async def test_devices_are_filtered(viewer: httpx.AsyncClient, query: dict[str, str], wanted: list[str]) -> None:
    assert [each["device"] for each in (await _get(viewer, "/devices", **query))["items"]] == wanted


@pytest.mark.parametrize(
    ("path", "key", "count"),
    [
        ("/sites", "site", 2),
        ("/nodes", "site", 2),
        ("/devices", "device", 6),
        ("/alerts", "id", 3),
        ("/losses", "id", 3),
        ("/account?first_day=2026-01-01", "day", 2),
    ],
)
async def test_pages_of_one_show_every_item_once(viewer: httpx.AsyncClient, path: str, key: str, count: int) -> None:
    whole = (await _get(viewer, path))["items"]
    seen, cursor = [], None
    for _ in range(count + 1):
        page = await _get(viewer, f"{path}{'&' if '?' in path else '?'}limit=1" + (f"&cursor={cursor}" * bool(cursor)))
        seen += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(seen) == count
    assert [each[key] for each in seen] == [each[key] for each in whole]


async def test_a_series_leaves_its_gap_open(viewer: httpx.AsyncClient) -> None:
    series = await _get(
        viewer, "/series", **SERIES, **{"from": NOW_MS - 6 * HOUR_MS, "to": NOW_MS, "bucket_ms": 10 * MINUTE_MS}
    )
    times = [point["at_ms"] for point in series["points"]]
    assert max(b - a for a, b in pairwise(times)) >= 80 * MINUTE_MS
    assert all(time % (10 * MINUTE_MS) == 0 for time in times)
    assert series["unit"] == "Cel"


async def test_the_interval_follows_from_the_points_wanted(viewer: httpx.AsyncClient) -> None:
    series = await _get(viewer, "/series", **SERIES, **{"from": NOW_MS - 6 * HOUR_MS, "to": NOW_MS, "max_points": 40})
    assert series["bucket_ms"] == 10 * MINUTE_MS


async def test_times_may_be_rfc_3339(viewer: httpx.AsyncClient) -> None:
    series = await _get(
        viewer, "/series", **SERIES, **{"from": "2026-09-21T14:00:00+02:00", "to": "2026-09-21T13:00:00Z"}
    )
    assert series["to_ms"] - series["from_ms"] == HOUR_MS


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"from": NOW_MS, "to": NOW_MS - 1}, "query.from"),
        ({"from": 0, "to": NOW_MS}, "query.from"),
        ({"from": "yesterday"}, "query.from"),
        ({"from": "2026-09-21T14:00:00"}, "query.from"),
        ({"from": NOW_MS - 100 * 24 * HOUR_MS, "bucket_ms": 1000}, "query.bucket_ms"),
        ({"metric": "note"}, "query.metric"),
        ({"max_points": 5001}, "query.max_points"),
    ],
)
async def test_a_series_that_nobody_could_draw_is_refused(
    viewer: httpx.AsyncClient, change: dict[str, object], where: str
) -> None:
    answer = await viewer.get("/api/v1/series", params={k: str(v) for k, v in (SERIES | change).items()})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [fault["where"] for fault in answer.json()["errors"]] == [where]


@pytest.mark.parametrize(
    "path",
    [
        "/nodes/berlin/gw-2",
        "/devices/berlin/gw-1/freezer-9",
        "/alerts/none",
        "/rules/none",
        "/dead-letters/99",
        "/series?site=berlin&node=gw-1&device=chiller-1&metric=taste",
        "/nothing",
    ],
)
async def test_what_is_not_known_is_a_404_problem(viewer: httpx.AsyncClient, path: str) -> None:
    answer = await viewer.get(f"/api/v1{path}")
    assert (answer.status_code, answer.json()["status"]) == (404, 404)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("query", "devices"),
    [
        ({}, ["freezer-1", "chiller-1", "dock-1"]),
        ({"state": "open"}, ["freezer-1", "chiller-1"]),
        ({"state": "resolved"}, ["dock-1"]),
        ({"severity": "critical"}, ["freezer-1"]),
        ({"site": "truck-7"}, []),
        ({"node": "gw-1", "device": "chiller-1"}, ["chiller-1"]),
    ],
)
async def test_alerts_are_filtered_newest_first(
    viewer: httpx.AsyncClient, query: dict[str, str], devices: list[str]
) -> None:
    assert [each["device"] for each in (await _get(viewer, "/alerts", **query))["items"]] == devices


async def test_an_alert_tells_its_timeline_in_order(viewer: httpx.AsyncClient) -> None:
    alert = await _get(viewer, "/alerts/00000000-0000-4000-8000-000000000000")
    assert [(each["before"], each["after"]) for each in alert["timeline"]] == [("ok", "pending"), ("pending", "firing")]


async def test_a_rule_reads_as_in_its_file(viewer: httpx.AsyncClient) -> None:
    rules = await _get(viewer, "/rules")
    assert rules["rules"] == [await _get(viewer, "/rules/freezer-warm")]
    assert rules["rules"][0]["type"] == "threshold"
    assert "freezer-warm" not in str(await _get(viewer, "/rules/schema"))


async def test_the_account_of_a_day_has_no_residue(viewer: httpx.AsyncClient) -> None:
    items = (await _get(viewer, "/account", first_day="2026-09-20", last_day="2026-09-20"))["items"]
    assert [(each["day"], each["received"], each["residue"]) for each in items] == [("2026-09-20", 1000, 0)]


async def test_losses_are_listed_newest_first_with_their_reason(viewer: httpx.AsyncClient) -> None:
    items = (await _get(viewer, "/losses", **{"from": NOW_MS - 90 * MINUTE_MS}))["items"]
    assert [each["reason"] for each in items] == ["host state restored", "spool full"]


async def test_how_many_dead_letters_are_kept_and_may_be_is_told(viewer: httpx.AsyncClient) -> None:
    assert await _get(viewer, "/dead-letters/kept") == {
        "waiting": {"letters": 1, "size": 2},
        "replayed": {"letters": 0, "size": 0},
        "most": {"letters": 100_000, "size": 256 * 1024 * 1024},
        "days": 400,
    }


async def test_a_dead_letter_is_shown_as_it_came(viewer: httpx.AsyncClient) -> None:
    (listed,) = (await _get(viewer, "/dead-letters"))["items"]
    shown = await _get(viewer, f"/dead-letters/{listed['id']}")
    assert listed["size"] == 2
    assert base64.b64decode(shown["raw"]) == b"\x00\xff"
