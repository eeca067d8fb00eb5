"""A gateway in words: whether it is there, what became of its samples, and what it says of its local rules."""

from __future__ import annotations

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
    found: list[Badge] = [(*there, state(node, now_ms))]
    found.append(
        ("state", "verified", "delivery is proved") if node.proved else ("doubt", "help", "delivery is not proved")
    )
    if node.account.residue:
        found.append(("critical", "error", f"{node.account.residue:,} samples without a fate"))
    if node.lost.samples or node.lost.uncounted:
        found.append(("warning", "report", f"lost: {lost(node)}"))
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
    """What became of its samples, over all time."""
    about = node.account
    return [
        ("Received", f"{about.received:,}"),
        ("Written", f"{about.written:,}"),
        ("Came before (duplicates)", f"{about.duplicate:,}"),
        ("Dead letters", f"{about.dead_lettered:,}"),
        ("Without a fate", f"{about.residue:,}" if about.residue else "none, as it must be"),
        ("Lost", lost(node)),
        ("Recovered", f"{node.lost.recovered_samples:,}"),
    ]


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
