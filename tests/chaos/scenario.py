"""Runs one schedule against the whole system, waits until it has come to rest, and reports."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.audit import Evidence, unread, violations
from tests.chaos.clock import StampErrors, seen
from tests.chaos.schedule import Fault, schedule
from tests.chaos.world import World
from tests.support.services import STALL_MS

_TURN_S = 0.1
_MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is run.

    Attributes:
        seed: Decides the faults and their times.
        kills: How many SIGKILLs.
        minutes: Over which the faults are spread.
        every_s: Pause between two numbers of the device.
        rest_s: How long the system may take, after the last fault, to come to rest.
        ingests: One, or two beside each other on one SQL.
    """

    seed: int
    kills: int
    minutes: float
    every_s: float = 0.02
    rest_s: float = 180.0
    ingests: int = 1

    @property
    def command(self) -> str:
        """Runs it again."""
        options = f"--seed {self.seed} --kills {self.kills} --minutes {self.minutes:g} --ingests {self.ingests}"
        return f"python -m tests.chaos {options}"


@dataclass(slots=True)
class Report:
    """What came of a scenario; `violations` must be empty.

    Attributes:
        sent: Numbers that the device sent.
        read: Of them, those sent while the gateway's driver listened.
        stored: Numbers in the store.
        kept: Samples of any sort in the spool, over all lives; so are `committed` and `written`.
        lost: Entries of the list of losses, by reason.
        duplicates: Samples that came to the cloud again, and were recognised.
        drain_s: From the end of the last fault until everything was committed.
    """

    command: str
    seconds: float = 0.0
    sent: int = 0
    read: int = 0
    stored: int = 0
    kept: int = 0
    committed: int = 0
    written: int = 0
    lost: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    kills: dict[str, int] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    identity_conflicts: int = 0
    drain_s: float = 0.0
    falls: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def table(self) -> str:
        """For people."""
        rows = {name: value for name, value in asdict(self).items() if name not in ("falls", "violations")}
        lines = [f"{name.replace('_', ' '):20}{_cell(value)}" for name, value in rows.items()]
        lines += [f"{'violations':20}{len(self.violations)}", *(f"  {each}" for each in self.violations[:_MOST_SHOWN])]
        return "\n".join([*lines, *self.falls])


def run(scenario: Scenario, folder: Path) -> Report:
    """Runs a scenario; everything that it needs is below `folder`, which must be empty."""
    faults = schedule(scenario.seed, scenario.kills, scenario.minutes * 60, scenario.ingests)
    report = Report(
        scenario.command,
        kills=dict(Counter(fault.target for fault in faults if fault.kind == "kill")),
        faults=dict(Counter(fault.kind for fault in faults if fault.kind != "kill")),
    )
    began = time.monotonic()
    with World(folder, scenario.every_s, scenario.ingests) as world:
        world.counter.start()
        _play(world, faults)
        world.counter.stop()
        report.drain_s = round(_rest(world, scenario.rest_s, report), 1)
        _judge(world, report)
    report.seconds = round(time.monotonic() - began, 1)
    (folder / "report.json").write_text(json.dumps(asdict(report), indent=2) + "\n", encoding="utf-8")
    return report


def _play(world: World, faults: list[Fault]) -> None:
    """Begins and ends every fault at its time; late ones follow at once, in order."""
    moments = [(fault.at_s, 0, fault) for fault in faults] + [(fault.ends_s, 1, fault) for fault in faults]
    began = time.monotonic()
    for at_s, ends, fault in sorted(moments, key=lambda moment: moment[:2]):
        while time.monotonic() - began < at_s:
            world.supervise()
            time.sleep(min(_TURN_S, max(0.0, at_s - (time.monotonic() - began))))
        (world.end if ends else world.begin)(fault)
    time.sleep(1)


def _rest(world: World, most_s: float, report: Report) -> float:
    began = time.monotonic()
    while not world.settled():
        if time.monotonic() - began > most_s:
            report.violations.append(f"stuck: not at rest {most_s:g} s after the last fault")
            break
        time.sleep(0.2)
    return time.monotonic() - began


def _judge(world: World, report: Report) -> None:
    account, status = world.account(), world.stack.status("gw-1")
    gateway, cloud, losses = account["gateway"], account["cloud"], world.losses()
    lives = [(life.began_ms, life.ended_ms) for life in world.lives]
    wrong = StampErrors(seen(world.settings, lives, STALL_MS), STALL_MS)
    evidence = Evidence(world.counter.sent_ms, world.stored(), world.lives, losses, wrong, STALL_MS)
    report.sent, report.read = world.counter.sent, world.counter.sent - unread(evidence)
    report.stored, report.kept, report.committed = len(evidence.stored), gateway["kept"], gateway["committed"]
    report.written, report.duplicates = cloud["written"], cloud["duplicate"]
    report.lost = dict(Counter(each.reason for each in losses))
    report.identity_conflicts = status["uplink"]["identity_conflicts"]
    report.falls = world.falls
    report.violations += violations(evidence)
    report.violations += _unbalanced(gateway, cloud)
    report.violations += [f"fall: {each.partition(':')[0]}" for each in world.falls]


def _unbalanced(gateway: dict[str, Any], cloud: dict[str, Any]) -> list[str]:
    """The account of both sides; see docs/architecture.md."""
    sums = {
        "sampler residue": gateway["residue"]["sampler"],
        "spool residue": gateway["residue"]["spool"],
        "cloud residue": cloud["residue"],
        "committed, but not ruled once": gateway["committed"] - cloud["written"] - cloud["dead_lettered"],
        "dead letters": cloud["dead_lettered"],
    }
    return [f"account: {name}: {number}" for name, number in sums.items() if number]


def _cell(value: Any) -> str:
    return ", ".join(f"{name} {count}" for name, count in value.items()) if isinstance(value, dict) else str(value)
