"""Kill -9 at every step between a sample and a delivered webhook, on the whole system.

After each: exactly one incident; its firing and its end were delivered, each under one id however often, and the firing
first; every sample is in the account.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from frostline_cloud.notify.receivers.webhook.signature import new_secret
from tests.support.hook import Hook
from tests.support.mortal import Death, MortalProgram
from tests.support.services import eventually
from tests.support.stack import Counter, Settings, Stack

NODE, HOT = "gw-1", 2_000_000
RULE = """
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
name = "ops"
url = "http://127.0.0.1:{port}/"
secret = "${{file:{folder}/secret}}"
allow = ["127.0.0.0/8"]
"""
pytestmark = pytest.mark.timeout(600)


@dataclass(slots=True)
class Site:
    """A site whose device counts, and a receiver of webhooks."""

    stack: Stack
    counter: Counter
    hook: Hook
    seen: int = 0

    def heat(self) -> None:
        self.counter.sent = HOT

    def cool(self) -> None:
        self.counter.sent = 0

    def incidents(self) -> list[dict[str, Any]]:
        """Those that there were not before."""
        found = [each for each in self.stack.api("alerts?limit=100")["items"] if each["rule"] == "too-many"]
        return found[: len(found) - self.seen]

    def told(self) -> list[tuple[str, str, str]]:
        """What the receiver heard: (type, incident, notification), in order."""
        contents = [(request.content, request.id) for request in list(self.hook.requests)]
        return [(content["type"], content["incident"]["id"], each) for content, each in contents]

    def is_over(self) -> bool:
        """Whether an incident is over, and the receiver and the delivery log know; a failure says what."""
        if not self.stack.ready():
            return False
        assert [each["state"] for each in self.incidents()] == ["resolved"]
        assert {type_ for type_, _, _ in self.told()} == {"alert.firing", "alert.resolved"}
        assert set(self.outbox()) <= {"delivered", "collapsed"}, "collapsed: delivered, not noted, and over since"
        return True

    def outbox(self) -> list[str]:
        """The states of what was to be delivered."""
        with closing(
            sqlite3.connect(f"file:{self.stack.folder}/frostline.db?mode=ro", uri=True, timeout=60)
        ) as connection:
            return [row[0] for row in connection.execute("SELECT state FROM outbox WHERE receiver = 'ops'")]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "secret").write_text(new_secret(), encoding="utf-8")
    with Hook() as hook, Counter(folder / "field", every_s=0.1) as counter:
        store = 'path = "history.duckdb"' + RECEIVER.format(port=hook.port, folder=folder)
        with Stack(folder, RULE, Settings(store, links=True)) as stack:
            stack.add_gateway(NODE, counter.driver)
            eventually(lambda: stack.born(NODE) and stack.hears(NODE, "local"))
            counter.start()
            eventually(lambda: stack.written(NODE) > 5)
            yield Site(stack, counter, hook)


@pytest.fixture
def calm(site: Site) -> Iterator[Site]:
    """The site between two stories; a new gateway, since one that has seen many sessions end waits before the next."""
    site.stack.gateways[NODE].kill()
    site.stack.gateways[NODE].start()
    eventually(lambda: site.stack.born(NODE) and site.stack.hears(NODE, "local"), 60)
    site.hook.requests.clear()
    site.seen = len([each for each in site.stack.api("alerts?limit=100")["items"] if each["rule"] == "too-many"])
    yield site
    site.cool()


def assert_told_once(site: Site) -> None:
    """Lets the excursion end; see the module's text."""
    eventually(lambda: site.stack.ready() and [each["state"] for each in site.incidents()] == ["firing"], 60)
    eventually(lambda: site.told(), 60)
    site.cool()
    eventually(site.is_over, 120)  # what was under way when a worker died is sent again after its lease, 40 s
    (incident,) = site.incidents()
    told = site.told()
    assert {each for _, each, _ in told} == {incident["id"]}
    assert list(dict.fromkeys(type_ for type_, _, _ in told)) == ["alert.firing", "alert.resolved"], "in this order"
    assert len({notification for _, _, notification in told}) == 2, "each has one id, however often it is sent"
    eventually(lambda: site.stack.written(NODE) >= site.stack.status(NODE)["account"]["kept"] - 5)
    assert site.stack.account(NODE)["residue"] == 0


# ---- between the sensor and the commit ----
def read(site: Site) -> None:
    """What was read last is not on the disk yet."""
    site.heat()
    time.sleep(0.3)
    site.stack.gateways[NODE].kill()
    site.stack.gateways[NODE].start()


def spooled(site: Site) -> None:
    """The excursion is on the gateway's disk and nowhere else."""
    site.stack.gateway_link.refuse(True)
    site.stack.gateway_link.reset()
    eventually(lambda: not site.stack.born(NODE))
    site.heat()
    time.sleep(2)
    site.stack.gateways[NODE].kill()
    site.stack.gateways[NODE].start()
    site.stack.gateway_link.refuse(False)


def published(site: Site) -> None:
    """It is in the sockets of a cloud that does not read, and the gateway that would send it again dies."""
    site.stack.cloud.pause()
    site.heat()
    time.sleep(2)
    site.stack.gateways[NODE].kill()
    site.stack.gateways[NODE].start()
    site.stack.cloud.resume()


def under_way(site: Site) -> None:
    """The same, and the broker dies with what it holds."""
    site.stack.cloud.pause()
    site.heat()
    time.sleep(2)
    site.stack.broker.kill()
    site.stack.broker.start()
    site.stack.cloud.resume()


def received(site: Site) -> None:
    """The same, and the cloud dies before it reads it."""
    site.stack.cloud.pause()
    site.heat()
    time.sleep(2)
    site.stack.cloud.kill()
    site.stack.start_cloud()


@pytest.mark.parametrize("step", [read, spooled, published, under_way, received], ids=lambda step: step.__name__)
def test_a_kill_between_sensor_and_commit_makes_one_incident_that_is_told_once(
    calm: Site, step: Callable[[Site], None]
) -> None:
    step(calm)

    assert_told_once(calm)


# ---- between the commit and the receiver ----
DEATHS = {
    "stored, not ruled": Death("at", ("rule_state",)),
    "ruled, no alert row": Death("at", ("alert",)),
    "an alert row, no outbox row": Death("at", ("outbox", "alert")),
    "all written, not committed": Death("before", ("alert", "outbox")),
    "committed, the gateway not told": Death("after", ("alert", "outbox")),
    "routed, not committed": Death("before", ("outbox",), ("alert", "delivery"), news=True),
    "routed": Death("after", ("outbox",), ("alert", "delivery"), news=True),
    "delivered, not in the delivery log": Death("before", ("delivery",)),
    "in the delivery log": Death("after", ("delivery",)),
}


@pytest.mark.parametrize("death", DEATHS.values(), ids=DEATHS)
def test_a_kill_between_commit_and_receiver_makes_one_incident_that_is_told_once(
    calm: Site, death: Death, tmp_path: Path
) -> None:
    calm.stack.cloud.kill()
    mortal = calm.stack.cloud = MortalProgram(calm.stack.cloud, death, tmp_path / "died")
    calm.stack.start_cloud()

    calm.heat()
    eventually(lambda: mortal.has_died, 60)
    calm.stack.start_cloud()

    assert_told_once(calm)
