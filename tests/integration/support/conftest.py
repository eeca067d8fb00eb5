"""Both ends of what these tests talk through live in one process: no stall of the host may pass for silence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from tests.support.steady_loop import SteadyLoop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Each test of this folder runs on a loop that does not count stalls."""
    return {"steady": SteadyLoop}
