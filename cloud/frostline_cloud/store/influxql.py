"""InfluxQL, the one query language that InfluxDB 1, 2 and 3 share: text of queries, with every name escaped. Pure.

Syntax: https://docs.influxdata.com/influxdb/v1/query_language/spec/

A device is found by measurement, site, node and device. Its zone is no part of the question: a device that moved keeps
its history.
"""

# ruff: noqa: S608 (every name goes through `identifier`, every text through `literal`)
from __future__ import annotations

from collections.abc import Sequence

from frostline_cloud.store.line import field_name, measurement_name, tag_value
from frostline_cloud.store.port import Place

_ESCAPES = {"\\": "\\\\", "\n": "\\n"}
_IDENTIFIER = str.maketrans({**_ESCAPES, '"': '\\"'})
_LITERAL = str.maketrans({**_ESCAPES, "'": "\\'"})


def identifier(name: str) -> str:
    """A name in double quotes."""
    return f'"{name.translate(_IDENTIFIER)}"'


def literal(text: str) -> str:
    """A text in single quotes."""
    return f"'{text.translate(_LITERAL)}'"


def buckets(place: Place, field: str, span: tuple[int, int], bucket_ms: int) -> str:
    """Columns time, mean, min, max, count; no row for a bucket without samples. `span` is [start, end) in ms."""
    name = identifier(field_name(field))
    start_ms, end_ms = span
    return (
        f"SELECT mean({name}), min({name}), max({name}), count({name}) FROM {_from(place)} "
        f"AND time >= {start_ms}ms AND time < {end_ms}ms GROUP BY time({bucket_ms}ms) fill(none)"
    )


def values(place: Place, field: str, span: tuple[int, int], most: int) -> str:
    """Columns time and value, oldest first. `span` is [start, end) in ms."""
    start_ms, end_ms = span
    return (
        f"SELECT {identifier(field_name(field))} FROM {_from(place)} "
        f"AND time >= {start_ms}ms AND time < {end_ms}ms ORDER BY time ASC LIMIT {most}"
    )


def newest_rows(place: Place, most: int) -> str:
    """Every field of the newest rows, newest first."""
    return f"SELECT * FROM {_from(place)} ORDER BY time DESC LIMIT {most}"


def newest_values(place: Place) -> str:
    """Columns `last_<field>` of every field that the measurement ever had, in one row; without the fields' times."""
    return f"SELECT last(*) FROM {_from(place)}"


def newest_each(place: Place, fields: Sequence[str]) -> str:
    """One statement per stored field name; columns time and last."""
    return "; ".join(f"SELECT last({identifier(name)}) FROM {_from(place)}" for name in fields)


def highest(measurement: str, field: str) -> str:
    """Columns time and max, over all time."""
    return f"SELECT max({identifier(field_name(field))}) FROM {identifier(measurement_name(measurement))}"


def _from(place: Place) -> str:
    tags = (("site", place.site), ("node", place.node), ("device", place.device))
    where = " AND ".join(f"{identifier(key)} = {literal(tag_value(value))}" for key, value in tags)
    return f"{identifier(measurement_name(place.measurement))} WHERE {where}"
