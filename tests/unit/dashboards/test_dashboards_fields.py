"""What the dashboards ask for is what the store has: names of fields, tags and measurements."""

from __future__ import annotations

import json
import re

import pytest

from dashboards.annotate import TAG
from dashboards.build import rendered
from frostline_edge.profiles import load, names

BOARDS = [json.loads(text) for text in rendered().values()]
QUERIES = [
    pytest.param(target["query"], id=f"{panel['title']} {target['refId']}")
    for board in BOARDS
    for panel in board["panels"]
    for target in panel["targets"]
]
TAGS = {"site", "zone", "node", "device"}
"""Of every row: docs/store-schema.md."""

NUMBERS = re.compile(r'(?:last|mean|difference|moving_average|elapsed|count|max|sum)\("(\w+)"')


def metrics(kind: str) -> set[str]:
    """Metrics that a device of a kind may have, by the profiles that gateways read with."""
    found = [load(name) for name in names()]
    return {point.name for profile in found if profile.kind == kind for point in profile.points}


@pytest.mark.parametrize("query", QUERIES)
def test_every_field_of_a_query_is_one_that_a_gateway_sends(query: str) -> None:
    measurements = set(re.findall(r'FROM "(\w+)"', query))
    assert measurements <= {"cold_room"}, "other kinds have no dashboard yet"
    inner = set(re.findall(r'AS "(\w+)"', query))
    fields = {name.removesuffix("_quality") for name in NUMBERS.findall(query)} - inner
    assert fields
    assert fields <= metrics("cold_room")


@pytest.mark.parametrize("query", QUERIES)
def test_every_tag_of_a_query_is_one_of_the_stores(query: str) -> None:
    chosen = set(re.findall(r'"(\w+)" =~', query))
    groups = {
        tag for part in re.findall(r"GROUP BY ([^)]*?)(?: fill|\)|$)", query) for tag in re.findall(r'"(\w+)"', part)
    }
    assert chosen | groups <= TAGS


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: str(board["uid"]))
def test_alerts_are_shown_from_grafanas_own_annotations(board: dict[str, object]) -> None:
    (shown,) = board["annotations"]["list"]  # type: ignore[index]  # JSON
    assert shown["target"]["tags"] == [TAG]
    assert shown["datasource"]["uid"] == "-- Grafana --"
