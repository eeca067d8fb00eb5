"""A store that knows of less than it was told has forgotten: noticed at a start and while ingest runs, listed once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest
from sqlalchemy import Engine, insert, select

from frostline_cloud.ingest.generation import MARK_EVERY_MS, Generation
from frostline_cloud.ingest.marks import FORGOTTEN, MARKS_MOST, Mark, Marks
from frostline_cloud.sql import migrate, open_engine
from frostline_cloud.sql.tables import loss, node
from frostline_cloud.store import Store, open_store
from frostline_cloud.store.config import StoreConfig

NOW = 1_770_000_000_000
EVERY = MARK_EVERY_MS


@dataclass
class Address:
    """Where a store is asked: what answers there may be another one than before."""

    behind: Store

    def generation(self, at_least: int = 0) -> int:
        return self.behind.generation(at_least)

    def mark_generation(self, number: int) -> None:
        self.behind.mark_generation(number)


@dataclass
class Cloud:
    """SQL that outlives its stores, and the generation of one process."""

    engine: Engine
    folder: Path
    address: Address
    generation: Generation

    def flush(self, now_ms: int, *, commits: bool = True) -> None:
        """A flush's transaction, and what ingest does after it; without `commits` SQL fails at the end."""
        try:
            with self.engine.begin() as connection:
                self.generation.advance(connection, now_ms)
                if not commits:
                    raise RuntimeError
        except RuntimeError:
            return
        self.generation.settled()
        if self.generation.due(now_ms):
            self.generation.mark(now_ms)

    def another_store(self, knows: int = 0) -> None:
        """One that is empty, or a copy of the time when it knew so many flushes."""
        self.address.behind.close()
        self.address.behind = open_store(StoreConfig(path=self.folder / f"store-{uuid4()}"))
        if knows:
            self.address.mark_generation(knows)

    def restart(self, now_ms: int) -> bool:
        """Another process; whether it finds that SQL went back."""
        self.generation = Generation(self.engine, cast(Store, self.address))
        self.generation.load(now_ms)
        return self.generation.compare(now_ms)

    @property
    def losses(self) -> list[tuple[Any, ...]]:
        """Gateway, reason and span of each entry."""
        columns = (loss.c.node, loss.c.reason, loss.c.from_ms, loss.c.to_ms)
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(select(*columns).order_by(loss.c.id))]


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    engine = open_engine(f"sqlite:///{tmp_path}/frostline.db")
    migrate(engine)
    with engine.begin() as connection:
        for name in ("gw-1", "gw-2"):
            connection.execute(
                insert(node).values(site="hamburg", node=name, online=True, proved=True, bd_seq=0, birth_ms=NOW)
            )
    address = Address(open_store(StoreConfig(path=tmp_path / "store")))
    made = Cloud(engine, tmp_path, address, Generation(engine, cast(Store, address)))
    made.generation.load(NOW)
    made.generation.compare(NOW)
    yield made
    address.behind.close()
    engine.dispose()


def test_a_store_that_was_emptied_before_a_start_is_listed_for_each_gateway_and_once(cloud: Cloud) -> None:
    for turn in range(3):
        cloud.flush(NOW + turn * EVERY)
    cloud.another_store()
    assert not cloud.restart(NOW + 9 * EVERY)
    whole = (FORGOTTEN, None, NOW + 9 * EVERY)
    assert cloud.losses == [("gw-1", *whole), ("gw-2", *whole)]
    cloud.restart(NOW + 10 * EVERY)
    assert len(cloud.losses) == 2


def test_a_store_from_a_backup_lacks_what_came_after_it(cloud: Cloud) -> None:
    cloud.flush(NOW)
    cloud.flush(NOW + EVERY)
    cloud.another_store(knows=1)
    cloud.restart(NOW + 5 * EVERY)
    assert cloud.losses == []
    cloud.flush(NOW + 5 * EVERY)
    cloud.flush(NOW + 6 * EVERY)
    cloud.flush(NOW + 7 * EVERY)
    cloud.another_store(knows=1)
    cloud.restart(NOW + 9 * EVERY)
    assert {each[1:] for each in cloud.losses} == {(FORGOTTEN, NOW, NOW + 9 * EVERY)}


def test_a_store_that_is_emptied_under_a_running_ingest_is_listed_with_the_next_flush(cloud: Cloud) -> None:
    for turn in range(3):
        cloud.flush(NOW + turn * EVERY)
    cloud.another_store()
    cloud.flush(NOW + 3 * EVERY)
    cloud.flush(NOW + 4 * EVERY, commits=False)
    assert cloud.losses == []
    cloud.flush(NOW + 5 * EVERY)
    assert [each[0] for each in cloud.losses] == ["gw-1", "gw-2"]
    for turn in range(6, 9):
        cloud.flush(NOW + turn * EVERY)
    cloud.restart(NOW + 9 * EVERY)
    assert len(cloud.losses) == 2, "it is told anew what it has, and nothing is listed again"


def test_a_store_that_keeps_what_it_was_told_is_never_listed(cloud: Cloud) -> None:
    for turn in range(12):
        cloud.flush(NOW + turn * EVERY // 3, commits=turn % 5 != 0)
        if turn % 4 == 3:
            assert not cloud.restart(NOW + turn * EVERY // 3)
    assert cloud.losses == []


def test_marks_are_bounded_and_the_oldest_and_the_newest_stay(cloud: Cloud) -> None:
    marks = Marks()
    for number in range(1, 4 * MARKS_MOST):
        marks.told(Mark(number, number))
        with cloud.engine.begin() as connection:
            marks.save(connection)
        marks.settled()
    again = Marks()
    with cloud.engine.begin() as connection:
        again.load(connection)
        assert again.number == marks.number == 4 * MARKS_MOST - 1
        again.list_forgotten(connection, 1, NOW)
    assert {each[2] for each in cloud.losses} == {1}
