"""Kill -9 at every step between an outbox row and a delivered webhook: nothing is lost or told out of order."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from frostline_cloud.alerts import record
from frostline_cloud.notify import UNADDRESSED
from frostline_cloud.notify.receivers.webhook.signature import new_secret
from frostline_cloud.sql import migrate, open_engine
from frostline_cloud.sql.tables import escalation, outbox
from frostline_core.rules import Phase, RuleSet, Series, Transition
from frostline_core.rules import parse as parse_rule
from tests.support.hook import Hook
from tests.support.services import READY_S

NOW = 1_770_000_000_000
MINUTE = 60_000
ROOT = Path(__file__).parents[3]
ROOMS = [f"room-{number}" for number in range(6)]
RULES = RuleSet.of(
    [
        parse_rule(
            {
                "type": "threshold",
                "id": "warm",
                "title": "Too warm",
                "severity": "critical",
                "select": {"metric": "*"},
                "above": 8,
            },
            "test",
        )
    ]
)


@dataclass(slots=True)
class Town:
    """SQL and a config in a folder; workers come and die."""

    folder: Path
    engine: Engine
    hook: Hook
    now: int = NOW
    group: dict[str, object] | None = None

    def tell(self, before: Phase, after: Phase) -> None:
        steps = [
            Transition(
                "warm", Series("hamburg", "gw", room, "cold_room", "", "t"), before, after, self.now, 9.0, 8.0, ""
            )
            for room in ROOMS
        ]
        with self.engine.begin() as connection:
            record(connection, steps, RULES, [UNADDRESSED], self.now)

    def command(self, step: str, after: int) -> list[str]:
        """What to execute for one worker."""
        receiver = {
            "name": "ops",
            "url": f"http://127.0.0.1:{self.hook.port}/",
            "secret": f"${{file:{self.folder}/secret}}",
            "allow": ["127.0.0.0/8"],
        }
        route: dict[str, object] = {"name": "all", "to": ["ops"], "escalate": [{"after_minutes": 10, "to": ["ops"]}]}
        if self.group is not None:
            route["group"] = self.group
        sql = f"sqlite:///{self.folder}/frostline.db"
        setup = {"sql": sql, "receiver": receiver, "route": route, "now_ms": self.now}
        return [sys.executable, "-m", "tests.support.notify_crash", json.dumps(setup), step, str(after)]

    def work(self, step: str = "never", after: int = 1) -> int:
        """One worker, until all is done or it dies; its exit code."""
        done = subprocess.run(self.command(step, after), cwd=ROOT, check=False, capture_output=True)
        assert done.returncode in (0, -9), done.stderr.decode()
        return done.returncode

    @property
    def told(self) -> dict[str, list[str]]:
        """What the receiver heard of each room, repetitions of one notification left out."""
        seen: set[str] = set()
        found: dict[str, list[str]] = {}
        for request in self.hook.requests:
            if request.id not in seen:
                seen.add(request.id)
                room = request.content["series"]["device"]
                found.setdefault(room, []).append(request.content["type"].removeprefix("alert."))
        return found

    @property
    def told_together(self) -> dict[str, list[str]]:
        """The same of groups; one notification, tried again in another message, counts once."""
        seen: set[str] = set()
        found: dict[str, list[str]] = {}
        for request in self.hook.requests:
            for part in ("fired", "escalated", "resolved"):
                for entry in request.content[part]:
                    if entry["id"] not in seen:
                        seen.add(entry["id"])
                        found.setdefault(entry["series"]["device"], []).append(part)
        return found


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with Hook() as hook:
        (tmp_path / "secret").write_text(new_secret())
        engine = open_engine(f"sqlite:///{tmp_path}/frostline.db")
        migrate(engine)
        yield Town(tmp_path, engine, hook)
        engine.dispose()


def rows(town: Town) -> set[tuple[str, str]]:
    with town.engine.connect() as connection:
        return {(row.receiver, row.state) for row in connection.execute(select(outbox))}


EVERY_STEP = [
    *(("before commit", number) for number in (1, 2, 3)),
    *(("after commit", number) for number in (1, 2, 3)),
    *(("before send", number) for number in (1, 4)),
    *(("after send", number) for number in (1, 4)),
]


@pytest.mark.parametrize(("step", "after"), EVERY_STEP)
def test_a_worker_that_is_killed_loses_nothing_and_says_nothing_out_of_order(town: Town, step: str, after: int) -> None:
    town.tell(Phase.OK, Phase.FIRING)

    assert town.work(step, after) == -9
    town.tell(Phase.FIRING, Phase.RESOLVED)
    town.now += 2 * MINUTE  # past the leases
    assert town.work() == 0

    assert set(town.told) == set(ROOMS)
    for heard in town.told.values():
        assert heard in (["firing", "resolved"], ["resolved"])  # "resolved" alone: its firing had become stale
    assert {state for receiver, state in rows(town) if receiver == "ops"} <= {"delivered", "collapsed"}
    assert (UNADDRESSED, "waiting") not in rows(town)


def test_dying_again_and_again_at_every_commit_makes_progress_and_ends(town: Town) -> None:
    town.tell(Phase.OK, Phase.FIRING)
    deaths = 0
    while town.work("after commit", 2) == -9:
        deaths += 1
        town.now += 2 * MINUTE
        assert deaths < 20

    assert set(town.told) == set(ROOMS)
    assert all(heard[0] == "firing" for heard in town.told.values())
    assert deaths >= 2


@pytest.mark.parametrize("step", ["before commit", "after commit"])
def test_a_step_of_escalation_is_neither_lost_nor_repeated(town: Town, step: str) -> None:
    town.tell(Phase.OK, Phase.FIRING)
    town.work()
    town.now += 11 * MINUTE

    assert town.work(step, 1) == -9
    town.now += 2 * MINUTE
    assert town.work() == 0

    assert all(heard == ["firing", "escalated"] for heard in town.told.values())
    with town.engine.connect() as connection:
        assert set(connection.scalars(select(escalation.c.state))) == {"sent"}


def test_a_notification_that_was_delivered_when_the_worker_died_is_sent_again_with_the_same_id(town: Town) -> None:
    town.tell(Phase.OK, Phase.FIRING)

    town.work("after send", 1)
    town.now += 2 * MINUTE
    town.work()

    ids = [request.id for request in town.hook.requests]
    assert len(ids) > len(ROOMS)
    assert len(set(ids)) == len(ROOMS)
    bodies: dict[str, set[bytes]] = {}
    for request in town.hook.requests:
        bodies.setdefault(request.id, set()).add(request.body)
    assert all(len(each) == 1 for each in bodies.values())


def test_workers_that_share_an_outbox_and_are_killed_at_random_tell_everything(town: Town) -> None:
    town.tell(Phase.OK, Phase.FIRING)
    both = [
        subprocess.Popen(town.command(step, 2), cwd=ROOT, stderr=subprocess.DEVNULL)
        for step in ("after send", "after commit")
    ]
    try:
        for each in both:
            each.wait(READY_S)
    finally:
        for each in both:
            each.kill()  # nothing, if it has ended
            each.wait()
    town.tell(Phase.FIRING, Phase.RESOLVED)
    town.now += 2 * MINUTE
    assert town.work() == 0

    assert set(town.told) == set(ROOMS)
    assert all(heard in (["firing", "resolved"], ["resolved"]) for heard in town.told.values())


EVERY_STEP_OF_A_GROUP = [(step, number) for step in ("before commit", "after commit") for number in (1, 2, 3)]


@pytest.mark.parametrize(("step", "after"), [*EVERY_STEP_OF_A_GROUP, ("before send", 1), ("after send", 1)])
def test_a_group_whose_worker_is_killed_tells_everything_in_order(town: Town, step: str, after: int) -> None:
    """Three commits: dispatch, the lease, what became of it."""
    town.group = {"wait_s": 0}
    town.tell(Phase.OK, Phase.FIRING)

    assert town.work(step, after) == -9
    town.tell(Phase.FIRING, Phase.RESOLVED)
    town.now += 6 * MINUTE  # past the lease and the interval
    assert town.work() == 0
    town.now += 6 * MINUTE
    assert town.work() == 0

    assert set(town.told_together) == set(ROOMS)
    for heard in town.told_together.values():
        assert heard in (["fired", "resolved"], ["resolved"])
    assert {state for receiver, state in rows(town) if receiver == "ops"} == {"delivered"}


def test_the_wait_of_a_group_goes_on_where_a_kill_ended_it(town: Town) -> None:
    town.group = {"critical_wait_s": 30}
    town.tell(Phase.OK, Phase.FIRING)
    town.work("after commit", 1)
    town.now += 29_000
    town.work()
    assert town.hook.requests == []

    town.now += 1_000
    town.work()

    assert [request.content["counts"]["fired"] for request in town.hook.requests] == [len(ROOMS)]
