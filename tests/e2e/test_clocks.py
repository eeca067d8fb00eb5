"""What wrong clocks do to a gateway, on the whole system: samples keep their order, and true times in the end."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.services import SPARE_S, eventually
from tests.support.stack import Counter, Settings, Stack, stored_points
from tests.support.stream import settle
from tests.support.wall_clock import WallClock

NODE = "gw-1"
NO_NTP = "[clock]\nwait_s = 0\n"  # a plausible clock is believed though nobody synchronises it
PATIENT = "[clock]\nwait_s = 31536000\n"  # believed only once it is synchronised
MINUTE_MS, DAY_MS = 60_000, 86_400_000
READ_WITHIN_MS = 1_000 + 1_000 * SPARE_S
pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def wall(tmp_path: Path) -> WallClock:
    return WallClock(tmp_path)


@pytest.fixture
def settings(wall: WallClock) -> Settings:
    return Settings(environment=wall.environment)


def begin(stack: Stack, counter: Counter, clock: str) -> None:
    stack.add_gateway(NODE, clock + counter.driver)
    eventually(lambda: stack.hears(NODE, "local"))
    counter.start()


def on_disk(stack: Stack) -> int:
    """A number up to which all are in the spool: what the gateway had read before it wrote once more, and again."""
    read = int(stack.counted(NODE))
    for _ in range(2):
        written = stack.status(NODE)["spool"]["written_ms"]
        eventually(lambda written=written: stack.status(NODE)["spool"]["written_ms"] != written)  # type: ignore[misc]
    return read


def clock_of(stack: Stack) -> dict[str, Any]:
    found: dict[str, Any] = stack.status(NODE)["clock"]
    return found


def rest(stack: Stack, counter: Counter) -> None:
    """Waits until everything that was read is in the store."""
    settle(stack, counter)
    eventually(lambda: stack.written(NODE) == stack.status(NODE)["account"]["kept"])
    assert stack.account(NODE)["residue"] == 0


def points(stack: Stack, counter: Counter) -> list[tuple[int, float]]:
    """Comes to rest, ends everything, and returns what is in the store, by time."""
    rest(stack, counter)
    stack.gateways[NODE].stop()
    stack.cloud.stop()
    return stored_points(stack.folder, NODE)


def errors_ms(found: list[tuple[int, float]], counter: Counter) -> list[float]:
    """How far each stamp is from the moment at which the device sent the number."""
    return [at_ms - counter.sent_ms[int(n) - 1] for at_ms, n in found]


def test_what_is_read_after_a_start_in_1970_waits_and_gets_its_true_time(
    stack: Stack, counter: Counter, wall: WallClock
) -> None:
    wall.set_to(20_000)
    begin(stack, counter, PATIENT)
    eventually(lambda: stack.status(NODE)["spool"]["waiting_samples"] > 50)
    first = on_disk(stack)
    gateway = stack.gateways[NODE]
    gateway.kill()
    killed_ms = time.time() * 1000
    gateway.start()
    eventually(lambda: stack.hears(NODE, "local"))
    second = counter.sent
    eventually(lambda: counter.sent > second + 50)
    assert stack.written(NODE) == 0, "nothing is stamped with 1970"
    wall.set_off(0)
    wall.synchronise(True)
    eventually(lambda: clock_of(stack)["believed"])
    eventually(lambda: counter.sent > second + 150)
    rest(stack, counter)
    (told,) = stack.api("losses")["items"]
    found = points(stack, counter)
    numbers = [n for _, n in found]
    assert numbers == sorted(set(numbers))
    assert set(range(1, first + 1)) <= set(numbers), "what was on the disk outlives the process"
    assert set(range(second + 1, counter.sent + 1)) <= set(numbers)
    assert max(map(abs, errors_ms(found, counter))) < READ_WITHIN_MS
    assert told["from_ms"] <= killed_ms <= told["to_ms"], "the kill is told with its true time"


def test_a_clock_that_is_set_back_neither_reorders_nor_doubles_also_over_a_kill(
    stack: Stack, counter: Counter, wall: WallClock
) -> None:
    begin(stack, counter, NO_NTP)
    eventually(lambda: stack.written(NODE) > 100)
    wall.set_off(-MINUTE_MS)
    eventually(lambda: clock_of(stack)["ahead_ms"] > MINUTE_MS / 2)
    stack.gateways[NODE].kill()
    stack.gateways[NODE].start()
    eventually(lambda: stack.hears(NODE, "local"))
    again = counter.sent
    eventually(lambda: counter.sent > again + 100)
    found = points(stack, counter)
    numbers = [n for _, n in found]
    assert numbers == sorted(set(numbers))
    assert set(range(again + 1, counter.sent + 1)) <= set(numbers)
    assert max(errors_ms(found, counter)) < READ_WITHIN_MS
    assert min(errors_ms(found, counter)) > -MINUTE_MS - 1, "it is never further behind than the machine's clock"


def test_a_clock_that_is_set_back_while_the_gateway_is_down_reorders_nothing(
    stack: Stack, counter: Counter, wall: WallClock
) -> None:
    begin(stack, counter, NO_NTP)
    eventually(lambda: stack.written(NODE) > 100)
    stack.gateways[NODE].kill()
    wall.set_off(-MINUTE_MS)
    stack.gateways[NODE].start()
    eventually(lambda: stack.hears(NODE, "local"))
    again = counter.sent
    eventually(lambda: counter.sent > again + 100)
    numbers = [n for _, n in points(stack, counter)]
    assert numbers == sorted(set(numbers))
    assert set(range(again + 1, counter.sent + 1)) <= set(numbers)


def test_a_clock_that_leaps_ahead_by_a_month_is_not_believed_and_costs_nothing(
    stack: Stack, counter: Counter, wall: WallClock
) -> None:
    begin(stack, counter, NO_NTP)
    eventually(lambda: stack.written(NODE) > 100)
    wall.set_off(30 * DAY_MS)
    eventually(lambda: not clock_of(stack)["believed"])
    eventually(lambda: stack.status(NODE)["spool"]["waiting_samples"] > 50)
    wall.set_off(0)
    eventually(lambda: clock_of(stack)["believed"])
    found = points(stack, counter)
    assert [n for _, n in found] == [float(n) for n in range(1, counter.sent + 1)]
    assert max(map(abs, errors_ms(found, counter))) < READ_WITHIN_MS


def test_a_clock_that_falls_back_to_1970_while_it_runs_is_no_longer_believed(
    stack: Stack, counter: Counter, wall: WallClock
) -> None:
    begin(stack, counter, NO_NTP)
    eventually(lambda: stack.written(NODE) > 100)
    wall.set_to(0)
    eventually(lambda: not clock_of(stack)["believed"])
    eventually(lambda: stack.status(NODE)["spool"]["waiting_samples"] > 50)
    wall.set_off(0)
    eventually(lambda: clock_of(stack)["believed"])
    found = points(stack, counter)
    assert [n for _, n in found] == [float(n) for n in range(1, counter.sent + 1)]
    assert max(map(abs, errors_ms(found, counter))) < READ_WITHIN_MS


def test_what_is_stamped_in_the_future_is_quarantined_with_its_reason(
    stack: Stack, counter: Counter, wall: WallClock
) -> None:
    wall.set_off(60 * MINUTE_MS)
    begin(stack, counter, NO_NTP)
    eventually(lambda: counter.sent > 100)
    settle(stack, counter)
    account = stack.account(NODE)
    letters = stack.api("dead-letters")["items"]
    assert account["dead_lettered"] == stack.status(NODE)["account"]["kept"] >= counter.sent
    assert (account["written"], account["residue"]) == (0, 0)
    assert all("stamped in the future" in each["reason"] for each in letters)
    stack.gateways[NODE].stop()
    stack.cloud.stop()
    assert stored_points(stack.folder, NODE) == []
