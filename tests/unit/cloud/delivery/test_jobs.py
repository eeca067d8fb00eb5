"""A job that meets an outage tries again, and says so once."""

from __future__ import annotations

import asyncio

import pytest

from frostline_cloud.jobs import every
from frostline_core.errors import UnavailableError


async def test_it_runs_again_after_an_outage_which_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    stop, runs = asyncio.Event(), 0
    loop = asyncio.get_running_loop()

    def work() -> None:
        nonlocal runs
        runs += 1
        if runs < 3:
            raise UnavailableError("SQL is away")
        loop.call_soon_threadsafe(stop.set)

    await asyncio.wait_for(every(0.001, "look", work, stop), 60)
    assert runs == 3
    assert [each.message for each in caplog.records] == ["look: SQL is away; trying again in 0 s"]


async def test_an_error_of_ours_is_not_hidden() -> None:
    def work() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await every(0.001, "look", work, asyncio.Event())
