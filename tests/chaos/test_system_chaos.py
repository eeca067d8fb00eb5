"""Twenty kills and ten other faults at random moments: nothing is missing, double, invented or silently lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.scenario import Scenario, run


@pytest.mark.timeout(600)
def test_what_the_device_sent_and_the_gateway_kept_is_stored_once_or_listed(tmp_path: Path) -> None:
    report = run(Scenario(seed=1, kills=20, minutes=0.9), tmp_path)
    assert report.violations == [], report.table()
    assert report.stored > max(200, report.read / 2), report.table()
