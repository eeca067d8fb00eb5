"""A spool in a folder of its own, the thread that writes to it, and a clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from frostline_gateway.spool import Spool
from tests.support.steady_loop import SteadyLoop
from tests.unit.gateway.intake_rows import NOW_MS
from tests.unit.gateway.spool_clock import Clock


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """No stall of the host may pass for the quiet after which a group is written."""
    return {"steady": SteadyLoop}


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
