"""Queries as text; that real servers read the names as they are meant is in the contract suite."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from frostline_cloud.store import influxql
from frostline_cloud.store.port import Place


def test_a_bucket_query_in_full() -> None:
    assert influxql.buckets(Place("cold_room", "s", "n", "d", "z"), "air_temperature", (1000, 2000), 500) == (
        'SELECT mean("air_temperature"), min("air_temperature"), max("air_temperature"), count("air_temperature") '
        """FROM "cold_room" WHERE "site" = 's' AND "node" = 'n' AND "device" = 'd' """
        "AND time >= 1000ms AND time < 2000ms GROUP BY time(500ms) fill(none)"
    )


@given(st.text())
def test_no_name_ends_its_own_quotes(text: str) -> None:
    assert re.fullmatch(r'"(?:[^"\\\n]|\\.)*"', influxql.identifier(text), re.DOTALL)
    assert re.fullmatch(r"'(?:[^'\\\n]|\\.)*'", influxql.literal(text), re.DOTALL)
