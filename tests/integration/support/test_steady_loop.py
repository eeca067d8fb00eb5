"""The clock that counts no stalls, and the loop that runs on it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.support.steady_loop import LATE_S, WORK_S, SteadyClock


class Real:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def real() -> Real:
    return Real()


@pytest.fixture
def clock(real: Real) -> SteadyClock:
    return SteadyClock(real)


def test_a_wait_that_ends_in_time_counts(real: Real, clock: SteadyClock) -> None:
    for asked_s, lasted_s in ((1.0, 1.0), (1.0, 0.25), (1.0, 1.0 + LATE_S / 2), (None, 50.0)):
        before_s = clock.now_s()
        real.now_s += lasted_s
        clock.waited(asked_s, found=False)
        assert clock.now_s() - before_s == pytest.approx(lasted_s)


def test_a_wait_that_lasts_too_long_counts_nothing_and_the_next_one_what_was_asked(
    real: Real, clock: SteadyClock
) -> None:
    before_s = clock.now_s()
    real.now_s += 2.0
    clock.waited(0.3, found=False)
    assert clock.now_s() == before_s
    real.now_s += 2.0
    clock.waited(0.3, found=False)
    assert clock.now_s() - before_s == pytest.approx(0.3)


def test_a_wait_that_lasts_too_long_and_finds_something_never_counts(real: Real, clock: SteadyClock) -> None:
    before_s = clock.now_s()
    for _ in range(5):
        real.now_s += 2.0
        clock.waited(0.3, found=True)
    assert clock.now_s() == before_s


def test_work_that_takes_too_long_counts_little(real: Real, clock: SteadyClock) -> None:
    before_s = clock.now_s()
    real.now_s += 2.0
    assert clock.now_s() - before_s == pytest.approx(WORK_S)


ANSWERS_IN_TIME = """
import asyncio, sys
from tests.support.steady_loop import SteadyLoop

async def answer(reader, writer):
    while line := await reader.readline():
        writer.write(line)
    writer.close()

async def main():
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        print("ready", flush=True)
        for _ in range(300):
            writer.write(b"hello\\n")
            async with asyncio.timeout(0.05):
                assert await reader.readline() == b"hello\\n"
            await asyncio.sleep(0.001)
        writer.close()

with asyncio.Runner(loop_factory=SteadyLoop) as runner:
    runner.run(main())
"""


def test_no_stall_of_the_process_passes_for_silence_within_it() -> None:
    command = [sys.executable, "-c", ANSWERS_IN_TIME]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as talk:
        assert talk.stdout is not None and talk.stderr is not None
        assert talk.stdout.readline() == "ready\n"
        while talk.poll() is None:
            os.kill(talk.pid, signal.SIGSTOP)
            time.sleep(0.1)
            os.kill(talk.pid, signal.SIGCONT)
            time.sleep(0.02)
        assert talk.returncode == 0, talk.stderr.read()
