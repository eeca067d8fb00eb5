"""A gateway in words: whether it is there, what became of its samples, and what it says of its local rules."""

from __future__ import annotations

from collections.abc import Sequence

from frostline_cloud.api.account import DayOut
from frostline_cloud.api.fleet import NodeOut
from frostline_cloud.console.wall import Wall
from frostline_cloud.console.words import ago

Fact = tuple[str, str]
Badge = tuple[str, str, str]
"""Tone, icon and words."""


def state(node: NodeOut, now_ms: int) -> str:
    """Whether it is there, and if not, since when."""
    return "online" if node.online else f"offline for {ago(max(0, now_ms - (node.death_ms or node.birth_ms)))}"


def badges(node: NodeOut, now_ms: int) -> list[Badge]:
    """What must be seen first."""
    there = ("state", "sensors") if node.online else ("doubt", "sensors_off")
    proof: list[Badge] = [("state", "verified", "delivery is proved")] if node.proved else []
    gone: list[Badge] = []
    if node.lost.samples or node.lost.uncounted:
        gone.append(("warning", "report", f"lost: {lost(node)}"))
    return [(*there, state(node, now_ms)), *proof, *gone, *_faults(node)]


def doubts(node: NodeOut) -> list[str]:
    """What somebody should look at; an absent gateway is no news of its devices."""
    absent = [] if node.online else ["nothing is known of what it reads"]
    return absent + [text for _, _, text in _faults(node)]


def _faults(node: NodeOut) -> list[Badge]:
    found: list[Badge] = [] if node.proved else [("doubt", "help", "delivery is not proved")]
    if node.account.residue:
        found.append(("critical", "error", f"{node.account.residue:,} samples without a fate"))
    if node.in_doubt:
        many = "1 run" if len(node.in_doubt) == 1 else f"{len(node.in_doubt)} runs"
        found.append(("doubt", "help", f"{many} in doubt"))
    if node.local_rules is not None and node.local_rules.reason:
        found.append(("warning", "rule", "refuses its local rules"))
    if node.rules_unsent:
        found.append(("warning", "rule", "its rules cannot be sent"))
    return found


def lost(node: NodeOut) -> str:
    """What is listed as lost and was not stored after all."""
    if not node.lost.samples and not node.lost.uncounted:
        return "nothing"
    many = "1 sample" if node.lost.samples == 1 else f"{node.lost.samples:,} samples"
    return many + (f" and {node.lost.uncounted:,} uncounted" if node.lost.uncounted else "")


def account(node: NodeOut) -> list[Fact]:
    """What became of its samples in the cloud, over all time."""
    about = node.account
    return [
        ("Received", f"{about.received:,}"),
        ("Written", f"{about.written:,}"),
        ("Came before (duplicates)", f"{about.duplicate:,}"),
        ("Dead letters", f"{about.dead_lettered:,}"),
        ("Without a fate", _unexplained(about.residue)),
        ("Listed as lost", lost(node)),
        ("Stored after all", f"{node.lost.recovered_samples:,}"),
    ]


def newest_told(days: Sequence[DayOut]) -> DayOut | None:
    """The newest of these days of which the gateway has told its own account."""
    return max((each for each in days if each.gateway is not None), key=lambda each: each.day, default=None)


def own(day: DayOut | None, now_ms: int) -> tuple[str, list[Fact]]:
    """What the gateway says of its newest day, and from when that is."""
    if day is None or day.gateway is None:
        return "It has told nothing of what it read in the last 30 days.", []
    told = day.gateway
    said = [
        ("Read", f"{told.read:,}"),
        ("Kept", f"{told.kept:,}"),
        ("Nothing new (filtered)", f"{told.filtered:,}"),
        ("Rejected", f"{told.rejected:,}"),
        ("Known to be stored", f"{told.committed:,}"),
        ("Still on its disk", f"{told.pending or 0:,}"),
        ("Given up", f"{told.lost:,}"),
        ("Without a fate", _unexplained(abs(told.residue) + abs(told.unexplained))),
    ]
    age = ago(max(0, now_ms - told.told_ms))
    return f"Of {day.day} (a day in UTC), as it said {age} ago; it says so after each birth and every 5 min.", said


def _unexplained(amount: int) -> str:
    return f"{amount:,}" if amount else "none, as it must be"


def local_rules(node: NodeOut, wall: Wall) -> list[Fact]:
    """What it says of the rules that it evaluates itself, and why it does not get others."""
    said: list[Fact] = [("Not sent", node.rules_unsent)] if node.rules_unsent else []
    told = node.local_rules
    if told is None:
        return said
    said.append(("In use there", f"version {told.version}" if told.version else "none"))
    if told.reason:
        said.append(("Refused", f"version {told.refused}" if told.refused else "a set that it could not read"))
        said.append(("Why", told.reason))
    return [*said, ("It said so", wall.text(told.at_ms))]
