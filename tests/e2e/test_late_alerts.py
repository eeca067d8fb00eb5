"""An excursion of which the cloud hears late: the past is told as past, that it lasts is told once, over kills too."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from frostline_cloud import current
from frostline_cloud.notify.receivers.webhook.signature import new_secret
from tests.support.edge_node import EdgeNode, now_ms, room
from tests.support.hook import Hook
from tests.support.services import eventually
from tests.support.stack import Counter, Program, Settings, Stack
from tests.support.wall_clock import WallClock

NODE, HOT, MINUTE_MS = "gw-1", 2_000_000, 60_000
PATIENCE_S = 120
RULES = """
[[rule]]
id = "too-warm"
type = "threshold"
title = "Too warm"
severity = "critical"
above = -15.0
select = { kind = "cold_room", metric = "air_temperature" }

[[rule]]
id = "too-many"
type = "threshold"
title = "Too many"
severity = "critical"
above = 1000000
select = { kind = "counter", metric = "n" }
"""
RECEIVER = """
[[receiver]]
name = "{name}"
url = "http://127.0.0.1:{port}/{name}"
secret = "${{file:{folder}/secret}}"
allow = ["127.0.0.0/8"]

[[route]]
name = "{name}"
to = ["{name}"]
rules = ["too-*"]
stages = [{stages}]
continue = true
"""
pytestmark = pytest.mark.timeout(600)


@dataclass(slots=True)
class Site:
    """The cloud, and who is told: `records` of what is past, `pager` of what is now."""

    stack: Stack
    hook: Hook

    def told(self, who: str) -> list[str]:
        """The types of what somebody was told, each notification once."""
        mine = {each.id: each.content["type"] for each in list(self.hook.requests) if each.path == f"/{who}"}
        return list(mine.values())

    def incidents(self) -> list[dict[str, Any]]:
        found = self.stack.api("alerts?limit=100")["items"]
        return [each for each in found if each["rule"].startswith("too-")]

    def states(self) -> list[str]:
        return [each["state"] for each in self.incidents()]

    def restarts(self) -> None:
        """Kill -9 of the cloud, and its next start."""
        self.stack.cloud.kill()
        self.stack.start_cloud()


@pytest.fixture
def clock(tmp_path: Path) -> WallClock:
    return WallClock(tmp_path)


@pytest.fixture
def site(tmp_path: Path, clock: WallClock) -> Iterator[Site]:
    """Gateways and cloud on one time of day."""
    (tmp_path / "secret").write_text(new_secret(), encoding="utf-8")
    with Hook() as hook:
        where = {"port": hook.port, "folder": tmp_path}
        receivers = RECEIVER.format(name="records", stages='"retroactive", "resolved"', **where)
        receivers += RECEIVER.format(name="pager", stages='"firing", "updated", "resolved"', **where)
        settings = Settings('path = "history.duckdb"' + receivers, links=True, environment=clock.environment)
        stack = Stack(tmp_path, RULES, settings)
        stack.cloud = Program("cloud", stack.cloud.arguments, tmp_path, clock.environment)
        with stack:
            yield Site(stack, hook)


def looked() -> Callable[[], bool]:
    """Whether the cloud has had time to look twice, from now on, which alerts that were noticed late still fire."""
    until = time.monotonic() + 2 * current.EVERY_S
    return lambda: time.monotonic() > until


def test_a_link_that_sends_once_an_hour_tells_of_the_past_and_then_once_of_now(site: Site) -> None:
    broker = site.stack.broker
    with EdgeNode(broker.host, broker.port, "plant", proved=False) as edge:
        edge.wait_for_host()
        edge.birth([room()])
        now = now_ms()
        for minute in range(50, 0, -1):
            edge.data("freezer-1", {"air_temperature": -5.0}, now - minute * MINUTE_MS)
        eventually(lambda: site.told("records") == ["alert.firing"], PATIENCE_S)
        site.restarts()
        eventually(lambda: site.told("pager") == ["alert.firing"], PATIENCE_S)
        site.restarts()
        eventually(looked(), PATIENCE_S)
        (incident,) = site.incidents()
        assert (incident["state"], incident["retroactive"]) == ("firing", True)
        assert incident["fired_ms"] == now - 50 * MINUTE_MS
        edge.birth([room()])
        edge.data("freezer-1", {"air_temperature": -20.0}, now_ms())
        eventually(lambda: site.states() == ["resolved"], PATIENCE_S)
        eventually(lambda: all("alert.resolved" in site.told(who) for who in ("pager", "records")), PATIENCE_S)
    assert site.told("pager") == ["alert.firing", "alert.resolved"]
    assert site.told("records") == ["alert.firing", "alert.resolved"]


def test_an_excursion_that_began_behind_a_dead_link_pages_once_and_is_one_incident(
    site: Site, clock: WallClock, tmp_path: Path
) -> None:
    stack = site.stack
    with Counter(tmp_path / "field", every_s=0.1) as counter:
        stack.add_gateway(NODE, counter.driver)
        eventually(lambda: stack.born(NODE) and stack.hears(NODE, "local"), PATIENCE_S)
        counter.start()
        eventually(lambda: stack.written(NODE) > 20, PATIENCE_S)
        stack.gateway_link.refuse(True)
        stack.gateway_link.reset()
        eventually(lambda: not stack.born(NODE), PATIENCE_S)
        counter.sent = HOT
        eventually(lambda: stack.counted(NODE) > HOT + 20, PATIENCE_S)
        clock.set_off(30 * MINUTE_MS)
        leapt_ms = now_ms()
        read = stack.counted(NODE)
        eventually(lambda: stack.counted(NODE) > read + 20, PATIENCE_S)
        stack.gateway_link.refuse(False)
        eventually(lambda: site.states() == ["firing"], PATIENCE_S)
        site.restarts()
        eventually(lambda: site.told("pager"), PATIENCE_S)
        eventually(lambda: site.incidents()[0]["fired_ms"] < leapt_ms, PATIENCE_S)
        eventually(looked(), PATIENCE_S)
        (incident,) = site.incidents()
        assert incident["state"] == "firing"
        assert site.told("pager").count("alert.firing") == 1
        counter.sent = 0
        eventually(lambda: site.states() == ["resolved"], PATIENCE_S)
        eventually(lambda: "alert.resolved" in site.told("pager"), PATIENCE_S)
        counter.stop()
        assert len(site.incidents()) == 1
        assert site.told("pager")[0] == "alert.firing"
        assert site.told("pager").count("alert.firing") == 1
        eventually(lambda: site.told("records") in ([], ["alert.firing", "alert.resolved"]), PATIENCE_S)
        eventually(lambda: stack.drained(NODE), PATIENCE_S)
        assert stack.account(NODE)["residue"] == 0
