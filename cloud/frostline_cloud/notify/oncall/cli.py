"""`frostline notify oncall`: who is on call, and who follows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

from frostline_cloud.config import load_cloud
from frostline_cloud.instant import now_ms
from frostline_cloud.notify.oncall.rotation import Duty, Rotation
from frostline_cloud.shell import AsJson, ConfigPath, instant_of
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
    found = _wanted(load_cloud(config).notices.plan.rotations, rotation)
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


def _wanted(rotations: Sequence[Rotation], name: str) -> Sequence[Rotation]:
    found = [each for each in rotations if name in ("", each.name)]
    if name and not found:
        raise ConfigError(f"no rotation '{name}'{nearest(name, [each.name for each in rotations])}")
    return found


def _line(rotation: Rotation, duty: Duty, *, is_first: bool) -> str:
    who = duty.who or f"nobody: {_instead(rotation)}"
    begin = "" if is_first else f"from {_shown(rotation, duty.begin_ms)} "
    end = "for good" if duty.end_ms is None else f"until {_shown(rotation, duty.end_ms)}"
    return f"{who}\t{begin}{end}{' (override)' if duty.is_override else ''}"


def _instead(rotation: Rotation) -> str:
    return f"{rotation.config.fallback} is told" if rotation.config.fallback else "every receiver is told"


def _shown(rotation: Rotation, at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, rotation.zone):%a %Y-%m-%d %H:%M %Z}"


def _entry(rotation: Rotation, duties: Sequence[Duty]) -> dict[str, Any]:
    spans = [
        {"who": each.who, "begin_ms": each.begin_ms, "end_ms": each.end_ms, "is_override": each.is_override}
        for each in duties
    ]
    config = rotation.config
    return {"rotation": config.name, "time_zone": config.time_zone, "fallback": config.fallback, "duties": spans}
