"""Seven days without an uplink, made smaller: the backlog drains in order, and what happens now is not held up.

The reference load is 50 devices of 10 metrics, scanned each 10 s with a deadband: a seventh of the metrics has changed.
`FROSTLINE_BACKLOG_SCANS` sets how many scans wait (60,480 are seven days); docs/chaos.md says what larger ones took.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import httpx
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from frostline_core.sparkplug import parse
from frostline_gateway.spool import AccountDelta, Spool
from tests.support.services import SPARE_S, eventually
from tests.support.sockets import end
from tests.support.spooled import EVENT, NUMBERS, event, scan, unit
from tests.support.stack import Counter, Stack
from tests.support.stream import settle

NODE = "gw-1"
SCANS = int(os.environ.get("FROSTLINE_BACKLOG_SCANS", "600"))
DEVICES, SCAN_MS, EVENT_EVERY = 50, 10_000, 100
CHANGED = 1 / 7
PER_S = 1_000
FRESH_S = 5.0
DAY_MS = 86_400_000
pytestmark = pytest.mark.timeout(240 + SCANS)


@dataclass(frozen=True, slots=True)
class Heard:
    """A DATA message of a device, as the broker carried it."""

    at_s: float
    device: str
    event: bool
    stamp_ms: int
    historical: bool


class Listener:
    """Hears every DATA message of a gateway's devices."""

    def __init__(self, stack: Stack) -> None:
        self.heard: list[Heard] = []
        self._aliases: dict[int, str] = {}
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="listener")
        self._client.on_message = self._take
        self._client.connect(stack.broker.host, stack.broker.port)
        self._client.subscribe([("spBv1.0/site-a/DDATA/#", 0), ("spBv1.0/site-a/DBIRTH/#", 0)])
        self._client.loop_start()

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        end(self._client)

    def firsts(self, device: str, *, event: bool) -> list[Heard]:
        """What was heard of a device, without what was sent again."""
        found: dict[int, Heard] = {}
        for each in self.heard:
            if each.device == device and each.event is event:
                found.setdefault(each.stamp_ms, each)
        return list(found.values())

    def _take(self, _client: mqtt.Client, _user: object, message: mqtt.MQTTMessage) -> None:
        _, _, kind, _, device = message.topic.split("/")
        metrics = [each for each in parse(bytes(message.payload)).metrics if not each.is_transient]
        if kind == "DBIRTH":
            self._aliases |= {each.alias: each.name for each in metrics}
            return
        first = metrics[0]
        is_event = self._aliases.get(first.alias) == EVENT
        historical = all(each.is_historical for each in metrics)
        self.heard.append(Heard(time.monotonic(), device, is_event, first.timestamp, historical))


def fill(folder: Path) -> int:
    """A week of scans in the spool of a gateway that has had no uplink; returns how many samples."""
    dice = random.Random(7)  # noqa: S311  # a test's dice
    folder.mkdir()
    units = [unit(n) for n in range(DEVICES)]
    now_ms, samples = time.time_ns() // 1_000_000, 0
    began_ms = now_ms - 7 * DAY_MS
    step_ms = min(SCAN_MS, (7 * DAY_MS - 60_000) // SCANS)
    with Spool.open(folder / "spool.db", 1 << 31, lambda: now_ms) as spool:
        for each in units:
            spool.remember(each)
        for number in range(SCANS):
            at_ms = began_ms + number * step_ms
            rows = []
            for each in units:
                names = [f"m_{n}" for n in range(NUMBERS) if dice.random() < CHANGED]
                rows += [scan(each.id, names, at_ms, float(number))] if names else []
            if number % EVENT_EVERY == 0:
                rows.append(event(units[0].id, at_ms))
            kept = sum(one.samples for one in rows)
            spool.append(rows, AccountDelta(read=kept, kept=kept))
            samples += kept
    return samples


def newest(stack: Stack) -> int:
    """The newest number in the store."""
    values = {each["metric"]: each["value"] for each in stack.api(f"devices/site-a/{NODE}/c-1")["values"]}
    return int(values["n"] or 0)


def ages(stack: Stack, counter: Counter) -> list[float]:
    """Seconds from sending to being in the store, of the numbers that are sent until the backlog is gone."""
    found: list[float] = []
    seen = counter.sent
    while stack.status(NODE)["account"]["pending"] > 500:
        reached, now_ms = newest(stack), time.time() * 1000
        if reached > seen:
            found += [(now_ms - sent_ms) / 1000 for sent_ms in counter.sent_ms[seen:reached]]
            seen = reached
        time.sleep(0.1)
    return sorted(found)


def test_a_week_drains_in_order_beside_what_happens_now(stack: Stack, counter: Counter, tmp_path: Path) -> None:
    waiting = fill(tmp_path / NODE)
    with Listener(stack) as listener:
        stack.add_gateway(NODE, counter.driver, f"backlog_messages_per_s = {PER_S}")
        eventually(lambda: stack.hears(NODE, "local"))
        counter.every_s = 0.05
        counter.start()
        began = time.monotonic()
        eventually(lambda: arrived(stack))
        lived = ages(stack, counter)
        took_s = time.monotonic() - began
        settle(stack, counter)
        account, spool = stack.account(NODE), stack.status(NODE)["account"]
    p50, p95 = (lived[int(len(lived) * share)] for share in (0.5, 0.95))
    sys.stdout.write(
        f"\n{waiting} samples in {took_s:.1f} s; live numbers {len(lived)}: p50 {p50:.2f} s, p95 {p95:.2f} s\n"
    )
    assert len(lived) > 50, "the backlog drains beside a stream of new numbers"
    assert p95 < FRESH_S + SPARE_S
    assert account["residue"] == 0
    assert account["written"] == spool["committed"] == spool["kept"] >= waiting
    _in_order(listener)


def arrived(stack: Stack) -> bool:
    """Whether the first number is in the store."""
    try:
        return newest(stack) > 0
    except httpx.HTTPError:
        return False


def _in_order(listener: Listener) -> None:
    by_device: dict[str, list[int]] = defaultdict(list)
    for each in (unit(n).id for n in range(DEVICES)):
        backlog = listener.firsts(each, event=False)
        by_device[each] = [one.stamp_ms for one in backlog]
        assert all(one.historical for one in backlog), "what waited for days says so"
    assert all(stamps == sorted(stamps) for stamps in by_device.values())
    events = listener.firsts(unit(0).id, event=True)
    assert [each.stamp_ms for each in events] == sorted(each.stamp_ms for each in events)
    drained = max(one.at_s for one in listener.heard if one.device.startswith("unit-") and not one.event)
    first = min(one.at_s for one in listener.heard)
    assert events[-1].at_s - first < (drained - first) / 2, "events do not wait for the samples before them"
    live = listener.firsts("c-1", event=False)
    assert live
    assert sum(each.historical for each in live) < len(live) / 10, "what is measured now is not history"
