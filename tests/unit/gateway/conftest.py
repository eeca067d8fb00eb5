"""A spool in a folder of its own, the thread that writes to it, and a clock."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from frostline_gateway.spool import Spool
from tests.unit.gateway.intake_rows import NOW_MS
from tests.unit.gateway.spool_clock import Clock


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool.open(tmp_path / "spool.db", 1 << 24, lambda: NOW_MS) as opened:
        yield opened


@pytest.fixture
def writer() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


@pytest.fixture
def clock() -> Clock:
    return Clock()
