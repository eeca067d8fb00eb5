"""`frostline alerts`: what is open, what people do with it, silences, and the noisiest rules; directly on SQL."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from frostline_cloud.alerts import (
    Doing,
    Filters,
    Silence,
    acknowledge,
    add_silence,
    alerts,
    assign,
    comment,
    end_silence,
    handlings,
    shelve,
    silences,
    timeline,
    unshelve,
)
from frostline_cloud.alerts.message import instant
from frostline_cloud.alerts.noise import DAY_MS, noisiest
from frostline_cloud.alerts.reach import Reach, reach
from frostline_cloud.alerts.read import NEEDS_SOMEBODY
from frostline_cloud.evidence_cli import AlertId, close_alert, export
from frostline_cloud.instant import now_ms
from frostline_cloud.shell import AsJson, ConfigPath, database, who
from frostline_core.errors import ConfigError
from frostline_core.rules import duration

app = typer.Typer(no_args_is_help=True, help="Alerts: what is open, notes, shelves, silences, evidence.")
silence = typer.Typer(no_args_is_help=True, help="What is not told for a while.")
app.add_typer(silence, name="silence")
app.command("close")(close_alert)
app.command("export")(export)

Reason = Annotated[str, typer.Option(help="Why; for whoever asks later.")]
For = Annotated[str, typer.Option("--for", help="How long: 90m, 8h, 3d.")]


@app.command("list")
def show_open(
    config: ConfigPath,
    site: Annotated[str | None, typer.Option(help="Only this site.")] = None,
    every: Annotated[bool, typer.Option("--all", help="What is over too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Lists alerts, newest first, at most 1000."""
    with database(config) as connection:
        found = alerts(connection, Filters(states=None if every else NEEDS_SOMEBODY, site=site, limit=1000))
        handled = handlings(connection, [each.id for each in found])
    for each in found:
        known = handled[each.id]
        if as_json:
            typer.echo(json.dumps(each.to_row() | {"handling": asdict(known)}, ensure_ascii=False))
            continue
        words = [each.acknowledged_by and f"seen by {each.acknowledged_by}", known.assignee, known.muted]
        typer.echo("\t".join((each.id, each.severity, each.state, each.summary, ", ".join(filter(None, words)))))


@app.command()
def show(alert_id: AlertId, config: ConfigPath, as_json: AsJson = False) -> None:
    """Shows the timeline of an alert."""
    with database(config) as connection:
        entries = timeline(connection, alert_id)
    if not entries:
        raise ConfigError(f"there is no alert {alert_id}")
    for each in entries:
        if as_json:
            typer.echo(json.dumps(asdict(each), ensure_ascii=False))
            continue
        what = each.act or f"{each.before} > {each.after}"
        typer.echo("\t".join((str(instant(each.noted_ms)), what, each.who or "-", each.note)))


@app.command("acknowledge")
def take_note(alert_id: AlertId, config: ConfigPath) -> None:
    """Takes note of an alert: escalation stops, the alert goes on."""
    _act(config, alert_id, lambda connection, doing: acknowledge(connection, alert_id, doing.who, doing.now_ms))


@app.command("assign")
def assign_to(
    alert_id: AlertId, to: Annotated[str, typer.Argument(help="Who looks after it.")], config: ConfigPath
) -> None:
    """Says who looks after an alert."""
    _act(config, alert_id, lambda connection, doing: assign(connection, alert_id, to, doing))


@app.command("comment")
def remark(
    alert_id: AlertId, text: Annotated[str, typer.Argument(help="What there is to say.")], config: ConfigPath
) -> None:
    """Writes a remark onto an alert's timeline."""
    _act(config, alert_id, lambda connection, doing: comment(connection, alert_id, text, doing))


@app.command("shelve")
def put_away(alert_id: AlertId, config: ConfigPath, reason: Reason, length: For = "8h") -> None:
    """Tells nobody of an alert for a while, at most 24 h; a higher severity is told."""
    lasts_ms = _length_ms(length)
    _act(
        config,
        alert_id,
        lambda connection, doing: shelve(connection, alert_id, doing.now_ms + lasts_ms, reason, doing),
    )


@app.command("unshelve")
def take_back(alert_id: AlertId, config: ConfigPath) -> None:
    """Takes an alert from the shelf; it is told again if it still fires."""
    _act(config, alert_id, lambda connection, doing: unshelve(connection, alert_id, doing))


@app.command()
def noise(
    config: ConfigPath,
    days: Annotated[float, typer.Option(help="Of how many days.", min=0.01, max=366)] = 7.0,
    as_json: AsJson = False,
) -> None:
    """Lists the rules that called most often, and how often they did so again and again."""
    with database(config) as connection:
        found = noisiest(connection, now_ms() - round(days * DAY_MS))
    for each in found:
        if as_json:
            typer.echo(json.dumps(asdict(each) | {"flap_score": each.flap_score}, ensure_ascii=False))
        else:
            told = f"{each.alerts} alerts\t{each.notifications} notifications\tflap {each.flap_score:.2f}"
            typer.echo(f"{each.rule}\t{told}\tmost: {each.noisiest_series} ({each.noisiest_count})")


@silence.command("add")
def add(
    matchers: Annotated[list[str], typer.Argument(help="site=ham*, rule=..., severity=..., label.product=...")],
    config: ConfigPath,
    reason: Reason,
    length: For = "8h",
) -> None:
    """Tells nobody of what all matchers fit; it goes on being recorded."""
    begins_ms = now_ms()
    wanted = Silence(
        0, dict(map(_matcher, matchers)), reason, who(), begins_ms, begins_ms + _length_ms(length), begins_ms
    )
    with database(config) as connection:
        found = reach(connection, wanted.matchers, begins_ms)
        number = add_silence(connection, wanted)
    typer.echo(f"silence {number} until {instant(wanted.to_ms)}; {_covers(found)}")


@silence.command("preview")
def preview(
    matchers: Annotated[list[str], typer.Argument(help="As of `add`.")], config: ConfigPath, as_json: AsJson = False
) -> None:
    """Shows what a silence would cover; changes nothing."""
    with database(config) as connection:
        found = reach(connection, dict(map(_matcher, matchers)), now_ms())
    if as_json:
        rows = [each.to_row() for each in found.open]
        typer.echo(json.dumps(asdict(found) | {"open": rows}, ensure_ascii=False))
        return
    typer.echo(_covers(found))
    for each in found.open:
        typer.echo("\t".join((each.id, each.severity, each.state, each.summary)))


@silence.command("list")
def listed(config: ConfigPath, as_json: AsJson = False) -> None:
    """Lists silences in force and to come."""
    with database(config) as connection:
        found = silences(connection, now_ms())
    for each in found:
        row: dict[str, Any] = asdict(each)
        fits = " ".join(f"{name}={pattern}" for name, pattern in each.matchers.items())
        text = "\t".join((str(each.id), f"until {instant(each.to_ms)}", each.author, fits, each.reason))
        typer.echo(json.dumps(row, ensure_ascii=False) if as_json else text)


@silence.command("end")
def end(number: Annotated[int, typer.Argument(help="Its number.")], config: ConfigPath) -> None:
    """Ends a silence now; what it covered and still fires is told."""
    with database(config) as connection:
        if not end_silence(connection, number, who(), now_ms()):
            raise ConfigError(f"no silence {number} is in force or to come")


def _act(config: Path, alert_id: str, does: Callable[[Connection, Doing], bool]) -> None:
    with database(config) as connection:
        if not does(connection, Doing(who(), now_ms())):
            raise ConfigError(f"there is no alert {alert_id}")


def _covers(found: Reach) -> str:
    devices = f"{found.device_count} of {found.device_total} devices"
    return f"covers {found.open_count} open alerts, {found.week_count} of the last 7 days, {devices}"


def _matcher(text: str) -> tuple[str, str]:
    name, equals, pattern = text.partition("=")
    if not equals:
        raise ConfigError(f"{text}: a matcher is name=pattern, for example site=ham*")
    return name, pattern


def _length_ms(text: str) -> int:
    try:
        return duration.parse(text)
    except ValueError as error:
        raise ConfigError(f"--for {text}: {error}") from error
