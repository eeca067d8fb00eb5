"""What a week without a link needs: 50 metrics, each 10 s, are 3,024,000 samples, 242 MB at 80 bytes, 420/s in 2 h."""

from __future__ import annotations

from pathlib import Path

from frostline_gateway.config import SpoolConfig
from frostline_gateway.spool import AccountDelta, Spool
from frostline_gateway.spool.disk import BUDGET_MOST
from frostline_gateway.uplink_config import UplinkConfig
from tests.support.spooled import NUMBERS, scan

DEVICES, EVERY_MS, WEEK_MS = 5, 10_000, 7 * 86_400_000
WEEK_SAMPLES = DEVICES * NUMBERS * WEEK_MS // EVERY_MS
NOW_MS = 1_700_000_000_000


def bytes_a_sample(folder: Path) -> float:
    """On the disk, of an hour at that load."""
    names = [f"m_{number}" for number in range(NUMBERS)]
    times = range(NOW_MS, NOW_MS + 3_600_000, EVERY_MS)
    rows = [scan(f"unit-{number}", names, at_ms, 20.5) for at_ms in times for number in range(DEVICES)]
    with Spool.open(folder / "spool.db", 2 << 30, lambda: NOW_MS) as spool:
        for first in range(0, len(rows), 200):
            part = rows[first : first + 200]
            spool.append(part, AccountDelta(len(part) * NUMBERS, len(part) * NUMBERS))
    return (folder / "spool.db").stat().st_size / (len(rows) * NUMBERS)


def test_a_week_of_50_metrics_each_10_s_is_3_024_000_samples_and_no_more_than_242_mb(tmp_path: Path) -> None:
    assert WEEK_SAMPLES == 3_024_000
    assert bytes_a_sample(tmp_path) <= 80

    assert WEEK_SAMPLES * 80 < BUDGET_MOST


def test_a_week_drains_in_2_hours_which_are_420_samples_a_second() -> None:
    assert WEEK_SAMPLES / 7200 == 420

    assert UplinkConfig(url="mqtt://127.0.0.1").backlog_messages_per_s * NUMBERS >= 420


def test_a_dead_link_is_noticed_after_45_s_at_a_keep_alive_of_30_s_and_what_is_kept_covers_60_s() -> None:
    """Nothing leaves the spool before it is committed, and then it stays for days: the blind window is within that."""
    keepalive_s = UplinkConfig(url="mqtt://127.0.0.1").keepalive_s

    assert keepalive_s * 1.5 == 45
    assert SpoolConfig().keep_ms >= 60_000
