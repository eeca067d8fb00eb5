"""What happens to readings when the disk does not take them."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from frostline_core.commit import GAP
from frostline_edge.sampling import Sampling
from frostline_gateway.devices import Devices
from frostline_gateway.intake import (
    Intake,
    IntakeLimits,
)
from frostline_gateway.spool import Spool
from frostline_gateway.spool.rows import Lost
from frostline_gateway.status import account_document
from tests.unit.gateway.intake_rows import NOW_MS, ROOM, break_disk, intake_on, payloads_of, reading


async def test_rows_wait_in_memory_and_keep_their_order(spool: Spool, writer: ThreadPoolExecutor) -> None:
    intake = intake_on(spool)
    intake.scan("room-1", [reading(1.0)])
    break_disk(spool)
    assert not await intake.flush(writer)
    intake.scan("room-1", [reading(2.0)])
    assert await intake.flush(writer)
    assert [payload.metrics[0].value for payload in payloads_of(spool)] == [1.0, 2.0]
    assert spool.view().account.lost == {}


async def test_a_failing_disk_is_said_once_and_its_end_once(
    spool: Spool, writer: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    intake = intake_on(spool)
    intake.scan("room-1", [reading(1.0)])
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            break_disk(spool)
            await intake.flush(writer)
        assert "cannot hold room in reserve" in intake.error
        await intake.flush(writer)
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]
    assert intake.error == ""


async def test_beyond_the_bound_the_oldest_are_lost_with_reason_count_and_span(
    spool: Spool, writer: ThreadPoolExecutor
) -> None:
    intake = intake_on(spool, limits=IntakeLimits(memory_rows=3))
    break_disk(spool)
    intake.scan("room-1", [reading(0.0, NOW_MS - 100)])
    await intake.flush(writer)
    for i in range(1, 6):
        intake.scan("room-1", [reading(float(i), NOW_MS - 100 + i)])
    assert await intake.flush(writer)
    notice = next(m for payload in payloads_of(spool) for m in payload.metrics if m.name == GAP)
    told = json.loads(str(notice.value))
    assert "cannot hold room in reserve" in told.pop("reason")
    assert told == {"samples": 3, "from_ms": NOW_MS - 100, "to_ms": NOW_MS}
    values = [m.value for payload in payloads_of(spool) for m in payload.metrics if m.name == "air_temperature"]
    assert values == [3.0, 4.0, 5.0]
    account = spool.view().account
    assert (account.kept, account.pending, sum(account.lost.values())) == (6, 3, 3)


async def test_a_loss_nobody_could_count_is_told_all_the_same(spool: Spool, writer: ThreadPoolExecutor) -> None:
    intake = intake_on(spool)
    intake.tell_lost(Lost("unclean", None, NOW_MS - 500, NOW_MS))
    await intake.flush(writer)
    (payload,) = payloads_of(spool)
    assert json.loads(str(payload.metrics[0].value)) == {
        "reason": "unclean",
        "samples": None,
        "from_ms": NOW_MS - 500,
        "to_ms": NOW_MS,
    }


async def test_what_is_read_while_a_group_is_written_is_not_yet_durable(
    spool: Spool, writer: ThreadPoolExecutor
) -> None:
    now = NOW_MS
    intake = Intake(spool, Devices(), {}, lambda: now)
    intake.born(ROOM, {})
    intake.scan("room-1", [reading(1.0)])
    writing = asyncio.create_task(intake.flush(writer))
    await asyncio.sleep(0)
    now += 100
    assert await writing
    assert spool.read_ms == NOW_MS, "the time at which the group was taken, not that at which it was written"


async def test_a_group_that_the_disk_refuses_makes_nothing_durable(spool: Spool, writer: ThreadPoolExecutor) -> None:
    intake = intake_on(spool)
    intake.scan("room-1", [reading(1.0)])
    break_disk(spool)
    assert not await intake.flush(writer)
    assert spool.read_ms == 0


STEPS = st.lists(
    st.sampled_from(["scan", "same", "unknown", "flush", "broken flush"]) | st.integers(1, 6).map(str), max_size=25
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_the_account_never_leaks(tmp_path_factory: pytest.TempPathFactory, steps: Sequence[str]) -> None:
    async def story() -> None:
        path = tmp_path_factory.mktemp("spool") / "spool.db"
        with Spool.open(path, 1 << 24, lambda: NOW_MS) as spool, ThreadPoolExecutor(1) as writer:
            intake = intake_on(spool, limits=IntakeLimits(memory_rows=4))
            intake.born(ROOM, {"air_temperature": Sampling()})
            for number, step in enumerate(steps):
                await _step(intake, spool, writer, step, number)
                document = account_document(spool.view().account, intake.unbooked)
                assert document["residue"] == {"sampler": 0, "spool": 0}
                assert document["read"] == intake.sampler.account.read
            await intake.flush(writer)
            assert intake.in_hand == 0

    asyncio.run(story())


async def _step(intake: Intake, spool: Spool, writer: ThreadPoolExecutor, step: str, number: int) -> None:
    if step == "flush":
        await intake.flush(writer)
    elif step == "broken flush":
        break_disk(spool)
        await intake.flush(writer)
    elif step == "unknown":
        intake.scan("room-1", [reading(1.0, metric="nothing")])
    else:
        value = 0.0 if step == "same" else float(number)
        for i in range(int(step) if step.isdigit() else 1):
            intake.scan("room-1", [reading(value + i / 10)])
