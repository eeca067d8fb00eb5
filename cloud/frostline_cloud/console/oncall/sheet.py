"""Who is on call, as sentences and rows: times are those on the clock of the rotation, which says so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from frostline_cloud.api.oncall import DutyOut, EscalationOut, OverrideOut, ReachedOut, RotationOut, StepOut
from frostline_cloud.console.table import Cell
from frostline_cloud.console.wall import Wall
from frostline_cloud.console.words import ago


def clock(at_ms: int, zone: str) -> str:
    """An instant on the clock of a zone: `Mon 2026-11-23 08:00 CET`."""
    return f"{datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone)):%a %Y-%m-%d %H:%M %Z}"


def headline(rotation: RotationOut) -> str:
    """Who is on call, until when, and who follows."""
    duty, zone = rotation.now, rotation.time_zone
    until = "for good" if duty.to_ms is None else f"until {clock(duty.to_ms, zone)}"
    said = f"{duty.who} is on call {until}" if duty.who else f"Nobody is on call {until}: {told(rotation.told)}"
    if rotation.next is None:
        return f"{said}."
    return f"{said}; then {rotation.next.who or 'nobody'}."


def told(receivers: Sequence[str]) -> str:
    """Who is told while nobody is on call."""
    if not receivers:
        return "nobody is told, there are no receivers"
    return f"{receivers[0]} is told" if len(receivers) == 1 else f"{', '.join(receivers)} are told"


def duty_row(duty: DutyOut, zone: str, wall: Wall) -> Sequence[Cell]:
    """A row of the calendar: who, from when, why; until when says the next."""
    why = "" if duty.who else "outside of its hours"
    if duty.is_override:
        why = f"override: {duty.reason}" if duty.reason else "override in cloud.toml"
    return (
        Cell(duty.who or "nobody", tone="" if duty.who else "is-stale"),
        _time(duty.from_ms, zone, wall),
        Cell(why, note=f"by {duty.author}" if duty.author else ""),
    )


def override_row(override: OverrideOut, zone: str, wall: Wall, now_ms: int) -> Sequence[Cell]:
    """A row of the overrides, without its button."""
    waits = "" if override.from_ms <= now_ms else "has not begun"
    return (
        Cell(override.rotation),
        Cell(override.who, note=f"does not count: {override.fault}" if override.fault else ""),
        Cell(override.instead_of or "whoever's turn it is"),
        _time(override.from_ms, zone, wall, waits),
        _time(override.to_ms, zone, wall),
        Cell(override.reason or "not said"),
        Cell(override.author or "cloud.toml"),
    )


def steps(escalation: EscalationOut, wall: Wall, now_ms: int) -> list[str]:
    """Whom the escalation of an alert would reach, a sentence each; none where it is over or somebody took note."""
    if escalation.held == "noted":
        return []
    waiting = [each for each in escalation.steps if each.state == "waiting"]
    said = [_step(each, wall, now_ms) for each in waiting]
    if not said:
        return ["No further step of escalation follows: nobody else will be called."]
    return (["It is not told now, and no step is taken meanwhile."] if escalation.held else []) + said


def _step(step: StepOut, wall: Wall, now_ms: int) -> str:
    when = f"at {wall.short(step.due_ms, now_ms)}, in {ago(step.due_ms - now_ms)}" if step.due_ms > now_ms else "now"
    now, then = _names(step.now), _names(step.then)
    otherwise = "" if now == then else f" Now it would be {now}."
    return f"Step {step.step} of route {step.route} calls {then} {when}, unless somebody takes note.{otherwise}"


def _names(reached: Sequence[ReachedOut]) -> str:
    said = [f"{each.receiver} (on call in {each.rotation})" if each.rotation else each.receiver for each in reached]
    return ", ".join(said) or "nobody"


def _time(at_ms: int, zone: str, wall: Wall, note: str = "") -> Cell:
    """The rotation's clock, and the reader's where it shows something else."""
    moment = at_ms / 1000
    is_same = (
        datetime.fromtimestamp(moment, ZoneInfo(zone)).utcoffset()
        == datetime.fromtimestamp(moment, wall.zone).utcoffset()
    )
    mine = "" if is_same else f"{wall.text(at_ms)[:16]} in {wall.name}"
    return Cell(clock(at_ms, zone), note="; ".join(part for part in (note, mine) if part))
