"""The same tables on PostgreSQL, and the API on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, insert, text
from sqlalchemy.exc import IntegrityError

from frostline_cloud.api import Role, build, create_token
from frostline_cloud.ingest import journal
from frostline_cloud.sql import (
    RetentionConfig,
    beat,
    births,
    last_beat,
    ledger,
    letters,
    migrate,
    open_engine,
    read_only,
    tidy,
)
from frostline_cloud.sql import registry as sql_registry
from frostline_cloud.sql.changes import BornDevice, BornNode, Changes
from frostline_cloud.sql.tables import account, dead_letter, loss, metadata, setting
from frostline_core.commit import Runs, run_text
from frostline_core.errors import UnavailableError
from frostline_core.reading import DataType, DeviceDescription, MetricDescription
from tests.support.migrations import newest
from tests.support.postgresql import PostgreSQL
from tests.support.services import free_port
from tests.support.web import NOW_MS, Cloud, seed


@pytest.fixture
def engine(postgresql: PostgreSQL) -> Iterator[Engine]:
    engine = postgresql.database()
    yield engine
    engine.dispose()


def test_the_migrations_make_the_declared_tables(engine: Engine) -> None:
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata) == []


def test_migrating_twice_changes_nothing(engine: Engine) -> None:
    migrate(engine)
    with engine.connect() as connection:
        assert connection.scalars(text("SELECT version_num FROM alembic_version")).all() == [newest()]


def test_a_reader_cannot_write(engine: Engine) -> None:
    with pytest.raises(Exception, match="read-only"), read_only(engine).begin() as connection:
        connection.execute(insert(setting).values(key="k", value="v"))
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(insert(setting), [{"key": "k", "value": "v"}, {"key": "k", "value": "w"}])


def test_a_server_that_is_not_there_is_unavailable() -> None:
    engine = open_engine(f"postgresql://frost@127.0.0.1:{free_port()}/frost")
    with pytest.raises(UnavailableError, match="refused"):
        migrate(engine)
    engine.dispose()


def test_heartbeat_and_tidying_work_here_too(engine: Engine) -> None:
    with engine.begin() as connection:
        beat(connection, {"connected": True}, NOW_MS)
        assert last_beat(connection, NOW_MS) == {"connected": True}
    assert tidy(engine, RetentionConfig(), NOW_MS) == 0


def test_what_is_old_is_summed_up_and_dropped_here_too(engine: Engine) -> None:
    row = {"site": "s", "node": "n", "reason": "why", "samples": 3, "at_ms": 1}
    day = {"site": "s", "node": "n", "received": 4, "written": 4, "dead_lettered": 0, "duplicate": 0}
    letter = {"site": "s", "node": "n", "device": "d", "topic": "t", "reason": "why", "raw": b"x", "size": 1}
    with engine.begin() as connection:
        connection.execute(insert(loss), [row, row | {"at_ms": 2}])
        connection.execute(insert(account), [day | {"day": "2020-01-01"}, day | {"day": "2020-01-02"}])
        connection.execute(insert(dead_letter), [letter | {"at_ms": 1, "samples": 5}])
    assert tidy(engine, RetentionConfig(), NOW_MS) == 4
    with engine.connect() as connection:
        assert ledger.lost(connection) == {("s", "n"): ledger.Lost(3, 11, 0)}
        assert ledger.totals(connection)["s", "n"].written == 8
        assert letters.kept(connection) == letters.Kept()


async def test_every_list_of_the_api_reads_from_it(engine: Engine, tmp_path: Path) -> None:
    on_sqlite = Cloud().services(tmp_path)
    services = replace(on_sqlite, engine=engine)
    seed(engine, services.store)
    with services.writing() as connection:
        token = create_token(connection, "anna", Role.OPERATOR, NOW_MS)
    app = build(services)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://127.0.0.1",
        headers={"Authorization": f"Bearer {token}"},
    ) as client:
        for path in ("sites", "nodes", "devices", "alerts", "losses", "dead-letters", "account"):
            whole = (await client.get(f"/api/v1/{path}?first_day=2026-01-01")).json()["items"]
            first = (await client.get(f"/api/v1/{path}?first_day=2026-01-01&limit=1")).json()
            assert whole[:1] == first["items"]
            if first["next"]:
                rest = await client.get(f"/api/v1/{path}", params={"first_day": "2026-01-01", "cursor": first["next"]})
                assert rest.json()["items"] == whole[1:]
        taken = await client.post(f"/api/v1/alerts/{'0' * 8}-0000-4000-8000-{'0' * 12}/acknowledge")
        assert taken.json()["acknowledged_by"] == "anna"
        assert (await client.get("/metrics")).status_code == 200
    services.store.close()
    on_sqlite.engine.dispose()


def test_births_of_a_burst_are_written_twice_and_what_is_committed_is_answered(engine: Engine) -> None:
    """The same statements as on SQLite: JSON, booleans, rows that are there already, and a retirement."""
    room = DeviceDescription("room", "cold_room", "f", (MetricDescription("t", DataType.DOUBLE, "Cel"),), {"a": "b"})
    for at_ms in (NOW_MS, NOW_MS + 1):
        changes = Changes()
        for number in range(3):
            runs = Runs(9, {number + 1: at_ms % 100 + 1}, number == 2)
            changes.born(BornNode("pg", f"gw-{number}", True, 0, at_ms, runs, b"n"))
            changes.device_born(BornDevice("pg", f"gw-{number}", room, at_ms, b"d"))
        changes.died(("pg", "gw-1"), at_ms)
        with engine.begin() as connection:
            births.write(connection, changes, {}, at_ms)
    with engine.begin() as connection:
        births.write(connection, retired := Changes(), {}, NOW_MS)
        retired.retire(("pg", "gw-2"), None)
        births.write(connection, retired, {}, NOW_MS)
        births.nobody_listened(connection, NOW_MS + 2)
    with engine.connect() as connection:
        assert journal.committed(connection, [run_text(1), run_text(8)]) == {run_text(1): 0}
        assert births.announced(connection, [run_text(1)]) == {run_text(1): (NOW_MS + 1) % 100 + 1}
        known = {row.node: (row, devices) for row, devices in births.read(connection) if row.site == "pg"}
        assert known.keys() == {"gw-0", "gw-1"}
        assert [births.living(*known[name]) for name in ("gw-0", "gw-1")] == [{"room"}, {"room"}]
        (found,) = sql_registry.nodes(connection, sql_registry.Scope("pg", "gw-0"))
        assert (found.online, found.held, found.spool) == (False, (run_text(1),), f"{9:016x}")
        (unknown,) = sql_registry.nodes(connection, sql_registry.Scope("pg", "gw-2"))
        assert unknown.held is None
