"""No input is an error of ours, and the document says everything."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frostline_cloud.api import Role, Services, build
from frostline_cloud.api.paging import decode, encode
from frostline_cloud.api.series import MAX_POINTS, bucket_for
from tests.support.web import NOW_MS
from tests.unit.cloud.api.conftest import token_for

NUMBERS = st.one_of(
    st.integers(), st.integers(1, 500), st.sampled_from([0, -1, 2**31, 2**63 - 1, 2**63, 10**30, NOW_MS])
).map(str)
WORDS = st.one_of(
    st.sampled_from(["berlin", "gw-1", "chiller-1", "air_temperature", "open", "critical", "2026-09-20", "NaN", ""]),
    st.sampled_from(["2026-01-31T12:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "\0", "%", "'"]),
    st.builds(lambda *key: encode(key), st.integers(), st.text(max_size=5)),
    st.builds(lambda *key: encode(key), st.text(max_size=5), st.text(max_size=5), st.text(max_size=5)),
    st.builds(lambda *key: encode(key), st.integers()),
    st.text(max_size=30).filter(lambda text: not any(0xD800 <= ord(letter) <= 0xDFFF for letter in text)),
)
SENT = st.one_of(NUMBERS, WORDS)


class Caller:
    """Calls the application and lets its exceptions through."""

    def __init__(self, services: Services) -> None:
        self.app = build(services)
        self.document: dict[str, Any] = self.app.openapi()
        self._loop = asyncio.new_event_loop()
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app),
            base_url="http://127.0.0.1:8080",
            headers={"Authorization": f"Bearer {token_for(services, Role.OPERATOR)}"},
        )

    def get(self, path: str, query: dict[str, str]) -> httpx.Response:
        return self._loop.run_until_complete(self._client.get(path, params=query))

    def send(self, method: str, path: str, tag: str, body: object) -> httpx.Response:
        return self._loop.run_until_complete(
            self._client.request(method, path, json=body, headers={"If-Match": tag.encode("ascii", "replace").decode()})
        )

    def close(self) -> None:
        self._loop.run_until_complete(self._client.aclose())
        self._loop.close()


@pytest.fixture(scope="module")
def caller(seeded: Services) -> Iterator[Caller]:
    caller = Caller(seeded)
    yield caller
    caller.close()


def _reads(document: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    return [
        (path, operations["get"].get("parameters", []))
        for path, operations in document["paths"].items()
        if "get" in operations
    ]


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_no_input_is_an_error_of_ours(caller: Caller, data: st.DataObject) -> None:
    path, parameters = data.draw(st.sampled_from(_reads(caller.document)))
    query = {}
    for parameter in parameters:
        if parameter["in"] == "path":
            sent = data.draw(SENT, label=parameter["name"])
            path = path.replace(f"{{{parameter['name']}}}", quote(sent, safe=""))
        elif parameter.get("required") or data.draw(st.booleans()):
            query[parameter["name"]] = data.draw(SENT, label=parameter["name"])
    answer = caller.get(path, query)
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code


def _writes(document: dict[str, Any]) -> list[tuple[str, str, list[str]]]:
    """Method, path, and the keys that its body may have."""
    schemas = document["components"]["schemas"]
    found = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
            keys = list(schemas.get(name, {}).get("properties", {})) or list(RULE)
            found += [(method, path, keys)] if method != "get" else []
    return found


RULE = ("id", "type", "above", "select", "title", "severity", "for", "where")
CONTENT = st.one_of(
    SENT,
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(SENT, max_size=3),
    st.dictionaries(st.sampled_from(["site", "rule", "label.x", "kind", "metric", ""]), SENT, max_size=3),
)


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_nothing_that_is_sent_is_an_error_of_ours(caller: Caller, data: st.DataObject) -> None:
    method, path, keys = data.draw(st.sampled_from(_writes(caller.document)))
    while "{" in path:
        path = re.sub(r"\{[^}]*\}", quote(data.draw(SENT), safe="").replace("\\", ""), path, count=1)
    body = data.draw(st.dictionaries(st.sampled_from(keys), CONTENT, max_size=len(keys)) | CONTENT)
    answer = caller.send(method, path, data.draw(SENT), body)
    assert answer.status_code < 500 or answer.status_code == 503, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"


@given(st.lists(st.one_of(st.integers(-(2**63) + 1, 2**63 - 1), st.text("abc é'\"", max_size=9)), max_size=4))
def test_a_cursor_reads_back(key: list[str | int]) -> None:
    assert decode(encode(tuple(key)), tuple(type(part) for part in key)) == tuple(key)


@given(st.integers(1, 400 * 24 * 3600 * 1000), st.integers(1, MAX_POINTS))
def test_the_chosen_interval_gives_no_more_points_than_wanted(range_ms: int, most: int) -> None:
    length = bucket_for(range_ms, most)
    assert length >= 1000
    assert length % 1000 == 0
    assert range_ms <= length * most


def test_everything_in_the_document_is_described(caller: Caller) -> None:
    missing = [
        f"{path} {parameter['name']}"
        for path, parameters in _reads(caller.document)
        for parameter in parameters
        if not parameter.get("description") and parameter["name"] not in ("site", "node", "device", "metric")
    ]
    for name, schema in caller.document["components"]["schemas"].items():
        missing += [
            f"{name}.{field}"
            for field, described in schema.get("properties", {}).items()
            if not described.get("description")
        ]
    assert missing == []


def test_every_endpoint_tells_its_errors_as_problems(caller: Caller) -> None:
    for path, operations in caller.document["paths"].items():
        for operation in operations.values():
            faults = {status: each for status, each in operation["responses"].items() if status >= "4"}
            if path not in ("/healthz", "/readyz"):
                assert {"401", "422", "503"} <= faults.keys()
                assert all(list(each["content"]) == ["application/problem+json"] for each in faults.values())


def test_only_what_changes_something_may_conflict(caller: Caller) -> None:
    conflicts = {
        (method, path.removeprefix("/api/v1"))
        for path, operations in caller.document["paths"].items()
        for method, operation in operations.items()
        if "409" in operation["responses"]
    }
    assert all(method != "get" for method, _ in conflicts)
    assert {("post", "/rules"), ("put", "/rules/{rule_id}"), ("delete", "/rules/{rule_id}")} <= conflicts
    assert {("post", "/pauses"), ("post", "/silences"), ("post", "/alerts/{alert_id}/close")} <= conflicts


def test_every_reference_in_the_document_leads_somewhere(caller: Caller) -> None:
    names = caller.document["components"]["schemas"].keys()
    assert {name.rpartition("/")[2] for name in _references(caller.document)} <= names


def _references(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "$ref":
                yield value
            yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)


def test_the_reference_page_names_every_endpoint_and_needs_no_internet(caller: Caller) -> None:
    page = caller.get("/api/docs", {}).text
    assert all(path in page for path in caller.document["paths"])
    assert "http" not in page.replace("HTTP", "")
