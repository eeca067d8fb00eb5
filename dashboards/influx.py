"""InfluxQL targets, which the Grafana SDK has no builder for, and the words that our queries share.

Every panel says in its query what a gap is: `fill(null)` keeps intervals without data empty, and a line crosses a gap
only as long as a healthy device may be silent (`QUIET_MS`).
"""

# ruff: noqa: S608 (queries are made of our own words, and Grafana's variables)
from __future__ import annotations

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.dashboard import DataSourceRef

SOURCE = DataSourceRef(type_val="influxdb", uid="frostline-influx")
"""The data source that provisioning/datasources/frostline.yaml makes."""

QUIET_MS = 660_000
"""Twice the longest time between two samples of an unchanged value (`Sampling.max_interval_s` 300), and a minute."""

CHOSEN = '"site" =~ /^$site$/ AND "zone" =~ /^$zone$/'
"""The rooms that the variables choose; a device without zone has the empty one, which All includes."""


class InfluxQL(Dataquery):
    """One InfluxQL query of a panel.

    Attributes:
        query: With Grafana's macros `$timeFilter` and `$__interval`.
        ref_id: Unique in the panel.
        alias: Legend of a series, with `$tag_<tag>`; "" for the server's own.
        form: `time_series` or `table`.
    """

    def __init__(self, query: str, ref_id: str, alias: str, form: str) -> None:
        self.query, self.ref_id, self.alias, self.form = query, ref_id, alias, form

    def to_json(self) -> dict[str, object]:
        """What Grafana's InfluxDB data source reads."""
        alias = {"alias": self.alias} if self.alias else {}
        source = {"type": SOURCE.type_val, "uid": SOURCE.uid}
        return {
            "refId": self.ref_id,
            "datasource": source,
            "rawQuery": True,
            "query": self.query,
            "resultFormat": self.form,
            **alias,
        }


class Target(Builder[InfluxQL]):
    """Builder of one query, as panels want it."""

    def __init__(self, query: str, alias: str = "", ref_id: str = "A", form: str = "time_series") -> None:
        self._query = InfluxQL(query, ref_id, alias, form)

    def build(self) -> InfluxQL:
        """The query."""
        return self._query


def mean(field: str, measurement: str = "cold_room") -> str:
    """Mean of a field per room and interval."""
    return (
        f'SELECT mean("{field}") FROM "{measurement}" WHERE {CHOSEN} AND $timeFilter '
        'GROUP BY time($__interval), "site", "device" fill(null)'
    )


def beginnings(field: str, measurement: str = "cold_room") -> str:
    """How often a switch went from 0 to 1, per room and interval.

    With d the step between two samples (-1, 0 or 1), (d * d + d) / 2 is 1 for each 0 to 1, and 0 otherwise: so an
    interval with samples and no beginning shows 0, and one without samples nothing.
    """
    steps = (
        f'SELECT difference("{field}") AS "d" FROM "{measurement}" WHERE {CHOSEN} AND $timeFilter '
        'GROUP BY "site", "device"'
    )
    return (
        f'SELECT sum("begun") FROM (SELECT ("d" * "d" + "d") / 2 AS "begun" FROM ({steps})) '
        'WHERE $timeFilter GROUP BY time($__interval), "site", "device" fill(null)'
    )


def share_on(field: str, measurement: str = "cold_room") -> str:
    """Which part of the time a switch was on, per room and interval, 0 to 1.

    Samples come when something changes, so a plain mean would be wrong: each value counts for as long as it held. With
    m the mean of two neighbours and d their step, m - d / 2 is the earlier value. Longer silences do not count.
    """
    quiet_s = QUIET_MS // 1000
    held = (
        f'SELECT moving_average("{field}", 2) AS "m", difference("{field}") AS "d", '
        f'elapsed("{field}", 1s) AS "e" FROM "{measurement}" WHERE {CHOSEN} AND $timeFilter GROUP BY "site", "device"'
    )
    return (
        f'SELECT sum("on") / sum("e") FROM (SELECT ("m" - "d" / 2) * "e" AS "on", "e" FROM ({held}) '
        f'WHERE "e" <= {quiet_s}) WHERE $timeFilter GROUP BY time($__interval), "site", "device" fill(null)'
    )
