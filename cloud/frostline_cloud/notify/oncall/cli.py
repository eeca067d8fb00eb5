"""`frostline notify oncall`: who is on call, and who follows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from frostline_cloud.config import load_cloud
from frostline_cloud.instant import now_ms
from frostline_cloud.notify.oncall.override import Override
from frostline_cloud.notify.oncall.rotation import Duty, Rotation
from frostline_cloud.notify.oncall.rows import staffed
from frostline_cloud.notify.plan import Plan
from frostline_cloud.shell import AsJson, ConfigPath, database, instant_of
from frostline_core.config import nearest
from frostline_core.errors import ConfigError


def oncall(
    config: ConfigPath,
    rotation: Annotated[str, typer.Argument(help="Only this rotation.")] = "",
    at: Annotated[str, typer.Option(help="Another moment than now: 2026-12-24T08:00:00+01:00.")] = "",
    most: Annotated[int, typer.Option("--next", min=0, max=100, help="How many hand-overs are shown.")] = 4,
    as_json: AsJson = False,
) -> None:
    """Shows who is on call, and the next hand-overs."""
    from_ms = instant_of(at, "--at") if at else now_ms()
    found = _wanted(plan_at(config, from_ms).rotations, rotation)
    duties = [(each, each.duties(from_ms, most + 1)) for each in found]
    if as_json:
        typer.echo(json.dumps([_entry(each, spans) for each, spans in duties]))
        return
    for each, spans in duties:
        typer.echo(f"{each.name} ({each.config.time_zone})")
        for number, duty in enumerate(spans):
            typer.echo(f"  {'then' if number else 'now' if not at else 'at'}\t{_line(each, duty, is_first=not number)}")
    if not duties:
        typer.echo("there are no rotations")


def plan_at(config: Path, at_ms: int) -> Plan:
    """The plan of a config file, with the overrides that were made over API and console.

    Raises:
        ConfigError: The config or the database cannot be used.
        UnavailableError: SQL does not answer: who is on call is then not known.
    """
    plan = load_cloud(config).notices.plan
    if not plan.rotations:
        return plan
    with database(config) as connection:
        return staffed(connection, plan, at_ms)


def _wanted(rotations: Sequence[Rotation], name: str) -> Sequence[Rotation]:
    found = [each for each in rotations if name in ("", each.name)]
    if name and not found:
        raise ConfigError(f"no rotation '{name}'{nearest(name, [each.name for each in rotations])}")
    return found


def _line(rotation: Rotation, duty: Duty, *, is_first: bool) -> str:
    who = duty.who or f"nobody: {_instead(rotation)}"
    begin = "" if is_first else f"from {_shown(rotation, duty.begin_ms)} "
    end = "for good" if duty.end_ms is None else f"until {_shown(rotation, duty.end_ms)}"
    return f"{who}\t{begin}{end}{_why(duty.override)}"


def _why(override: Override | None) -> str:
    if override is None:
        return ""
    return f" (override by {override.author}: {override.reason})" if override.author else " (override)"


def _instead(rotation: Rotation) -> str:
    return f"{rotation.config.fallback} is told" if rotation.config.fallback else "every receiver is told"


def _shown(rotation: Rotation, at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, rotation.zone):%a %Y-%m-%d %H:%M %Z}"


def _entry(rotation: Rotation, duties: Sequence[Duty]) -> dict[str, Any]:
    spans = [
        {"who": each.who, "begin_ms": each.begin_ms, "end_ms": each.end_ms, "is_override": each.override is not None}
        for each in duties
    ]
    config = rotation.config
    return {"rotation": config.name, "time_zone": config.time_zone, "fallback": config.fallback, "duties": spans}
