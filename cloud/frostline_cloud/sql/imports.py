"""History that came from files: which, of what series, and what became of their rows.

It is no part of any gateway's account: nobody sent it. The devices are known with it, also those that were never born.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, select

from frostline_cloud.sql.tables import device, imported, metric, site
from frostline_cloud.sql.upsert import insert_new, upsert
from frostline_cloud.store.port import Place
from frostline_core.errors import ConfigError
from frostline_core.reading import DataType

MOST_SOURCE = 400
"""Longest name of a file that is kept, from its end."""


@dataclass(frozen=True, slots=True)
class History:
    """What came from one file for one series.

    Attributes:
        site: Of the device.
        node: Of the device.
        device: The device.
        metric: The metric.
        source: The file's name.
        from_ms: Event time of the first row that is in the store; 0 where none is.
        to_ms: Event time of the last.
        written: Rows that were stored, over all times that the file was imported.
        known: Rows that were there before, at the last time.
        refused: Rows that were not stored, at the last time.
        imported_ms: When it was imported last.
    """

    site: str
    node: str
    device: str
    metric: str
    source: str
    from_ms: int
    to_ms: int
    written: int
    known: int
    refused: int
    imported_ms: int


def enlist(connection: Connection, place: Place, metric_name: str, unit: str, now_ms: int) -> None:
    """Makes a device and its metric known, unless a birth, or an earlier import, did.

    Raises:
        ConfigError: It is known as something else: of another kind, or in another unit.
    """
    key = (device.c.site == place.site, device.c.node == place.node, device.c.device == place.device)
    known = connection.execute(select(device.c.kind).where(*key)).one_or_none()
    if known is not None and known.kind != place.measurement:
        raise ConfigError(f"--kind: {place.site}/{place.node}/{place.device} is known as {known.kind}")
    of_metric = (metric.c.site == place.site, metric.c.node == place.node, metric.c.device == place.device)
    found = connection.execute(select(metric.c.unit).where(*of_metric, metric.c.metric == metric_name)).one_or_none()
    if found is not None and unit and found.unit not in ("", unit):
        raise ConfigError(f"--unit: {metric_name} is known in {found.unit}")
    where = {"site": place.site, "node": place.node, "device": place.device}
    never = {"online": False, "birth_ms": 0, "death_ms": None, "birth": None}
    what = {"kind": place.measurement, "zone": place.zone, "labels": {}}
    insert_new(connection, site, [{"site": place.site, "first_seen_ms": now_ms}])
    insert_new(connection, device, [{**where, **what, **never}])
    described = {"datatype": int(DataType.DOUBLE), "unit": unit, "low": None, "high": None, "writable": False}
    insert_new(connection, metric, [{**where, "metric": metric_name, **described}])


def histories(connection: Connection, site_name: str | None = None, limit: int = 500) -> list[History]:
    """What was imported, the newest first."""
    query = select(imported).order_by(imported.c.imported_ms.desc(), *imported.primary_key.columns).limit(limit)
    if site_name is not None:
        query = query.where(imported.c.site == site_name)
    return [History(**row) for row in connection.execute(query).mappings()]


def written_before(connection: Connection, wanted: History) -> int:
    """How many rows of that file were stored at earlier times."""
    names = ("site", "node", "device", "metric", "source")
    is_it = [imported.c[name] == getattr(wanted, name) for name in names]
    return connection.scalar(select(imported.c.written).where(*is_it)) or 0


def note(connection: Connection, history: Sequence[History]) -> None:
    """Writes what became of files, in place of what was written of the same file and series."""
    upsert(connection, imported, [asdict(each) for each in history])
