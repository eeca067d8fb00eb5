"""The bench of the path in one process, run small: it commits what it plays, and its stages are the whole."""

from __future__ import annotations

import pytest

from tests.bench import hot
from tests.bench.recording import Load


@pytest.mark.parametrize("metrics", [1, 20])
def test_the_stages_of_a_small_run_are_its_whole_cost(metrics: int) -> None:
    with hot.rig(metrics, Load(2, 2, 20, metrics, 400), rules=10) as running:
        told = running.play()
    whole, flushes = told.pop("us_per_point"), told.pop("flushes")
    assert flushes >= 1
    assert sum(told.values()) == pytest.approx(whole)
    assert "rules and SQL" in told
