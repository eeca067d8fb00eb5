"""The fault model over the spool that ships: SQLite files instead of memory, copied for images and clones.

`FROSTLINE_HISTORIES=20000` runs a twentieth of that many here (make chaos).
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from frostline_core.commit import Row
from frostline_gateway.spool import Spool
from frostline_gateway.spool.rows import ROW_COST, NewRow
from tests.unit.core.commit.ingest_model import Measurement
from tests.unit.core.commit.memory_rows import Item
from tests.unit.core.commit.world import BUDGET, Violation, World

HISTORIES = max(60, int(os.environ.get("FROSTLINE_HISTORIES", "0")) // 20)
PARTS = 4
PAYLOAD = len(Measurement(1, 1, 1).pack())


class Clock:
    """Time of day for a spool: that of the newest item."""

    def __init__(self) -> None:
        self.ms = 1_000_000

    def __call__(self) -> int:
        return self.ms


class SpoolRows:
    """A spool as the fault model's gateway sees it."""

    def __init__(self, path: Path) -> None:
        self.clock = Clock()
        self.spool = Spool.open(path, BUDGET * (PAYLOAD + ROW_COST), self.clock)
        self.runs, self.current = self.spool.runs, self.spool.current
        self.next_row, self.delete_through, self.cut = self.spool.next_row, self.spool.delete_through, self.spool.cut

    @property
    def spool_id(self) -> int:
        return self.spool.spool_id

    def append(self, items: Sequence[Item]) -> None:
        self.clock.ms = max([self.clock.ms, *(item.at_ms for item in items)])
        self.spool.append([NewRow(item.stream, "", item.payload, 1, item.at_ms, item.at_ms) for item in items])

    def held_rows(self) -> list[Row]:
        rows: list[Row] = []
        for held in self.runs():
            n = 1
            while (row := self.next_row(held.run, n)) is not None:
                rows.append(row)
                n = row.n + 1
        return rows


class SpoolDisk:
    """A folder with a spool file; opening it again ends the process that had it open."""

    def __init__(self, folder: Path, opened: list[SpoolRows]) -> None:
        self.folder, self.opened = folder, opened
        self.rows: SpoolRows | None = None
        folder.mkdir()

    @property
    def path(self) -> Path:
        return self.folder / "spool.db"

    def open(self) -> SpoolRows:
        if self.rows is not None:
            self.rows.spool.close()
        self.rows = SpoolRows(self.path)
        self.opened.append(self.rows)
        return self.rows

    def image(self) -> SpoolDisk:
        copy = SpoolDisk(
            self.folder.with_name(f"{self.folder.name}-{len(list(self.folder.parent.iterdir()))}"), self.opened
        )
        source, target = sqlite3.connect(self.path), sqlite3.connect(copy.path)
        source.backup(target)
        source.close()
        target.close()
        shutil.copy(f"{self.path}.redo", f"{copy.path}.redo")
        return copy


@pytest.mark.chaos
@pytest.mark.parametrize("part", range(PARTS))
def test_every_measurement_is_accounted_for_with_spools_on_disk(part: int, tmp_path: Path) -> None:
    total: Counter[str] = Counter()
    for seed in range(part, HISTORIES, PARTS):
        opened: list[SpoolRows] = []
        folder = tmp_path / str(seed)
        folder.mkdir()

        def make(spool: int, rng: random.Random, folder: Path = folder, opened: list[SpoolRows] = opened) -> SpoolDisk:
            return SpoolDisk(folder / f"disk-{spool}", opened)

        try:
            total += World(seed, make_disk=make).run()
        except Violation as violation:
            pytest.fail(f"history {seed}: {violation}")
        finally:
            for rows in opened:
                rows.spool.close()
    assert total["evaluated"] > 5 * total["histories"]
