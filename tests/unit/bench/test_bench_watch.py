"""A bench that hangs is ended, and one that takes long says so."""

from __future__ import annotations

import re
import signal
import time

import pytest

from tests.bench.watch import OverdueError, watched


def test_a_bench_that_takes_too_long_is_ended() -> None:
    with pytest.raises(OverdueError, match="stuck takes longer"), watched("stuck", most_s=0.05):
        time.sleep(30)


def test_a_bench_tells_that_it_runs_and_how_long_it_took(capsys: pytest.CaptureFixture[str]) -> None:
    said = ""
    with watched("slow", every_s=0.01):
        while "so far" not in said:
            said += capsys.readouterr().err
    said += capsys.readouterr().err
    assert re.fullmatch(r"measuring slow \.\.\.\n(slow: \d+ s so far\n)+slow: over after \d+ s\n", said)


def test_nothing_rings_afterwards() -> None:
    with watched("short", most_s=60):
        pass
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
