"""`frostline notify`: what a receiver would read, whom a route would tell, how receivers are, what was given up."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from frostline_cloud.config import load_cloud
from frostline_cloud.instant import now_ms, utc
from frostline_cloud.notify.build import Tables
from frostline_cloud.notify.config import ReceiverConfig
from frostline_cloud.notify.dead_letters import dead_letters, revive
from frostline_cloud.notify.health import enable as enable_receiver
from frostline_cloud.notify.health import health_of
from frostline_cloud.notify.oncall.cli import oncall, plan_at
from frostline_cloud.notify.receivers.open import open_receiver
from frostline_cloud.notify.receivers.receiver import Message, Verdict
from frostline_cloud.notify.receivers.settings import PeopleSettings
from frostline_cloud.notify.routing import Facts
from frostline_cloud.notify.samples import sample
from frostline_cloud.notify.stage import Stage
from frostline_cloud.shell import AsJson, ConfigPath, database
from frostline_core.config import nearest
from frostline_core.errors import ConfigError
from frostline_core.rules import Severity

app = typer.Typer(
    no_args_is_help=True, help="Notifications: previews, routes, who is on call, receivers, and what was given up."
)
letters = typer.Typer(no_args_is_help=True, help="Notifications that were given up.")
app.add_typer(letters, name="dead-letters")
app.command()(oncall)

StageOption = Annotated[Stage | None, typer.Option(help="Only this stage; all where absent.")]


@app.command()
def preview(
    receiver: Annotated[str, typer.Argument(help="A receiver's name.")],
    config: ConfigPath,
    language: Annotated[str, typer.Option(help="Another language than the receiver's.")] = "",
    stage: StageOption = None,
    as_json: AsJson = False,
) -> None:
    """Shows what a receiver would get; sends nothing."""
    tables = _tables(config)
    found = _receiver(tables, receiver)
    texts = tables.texts()
    tongue = language or (found.language if isinstance(found, PeopleSettings) else "en")
    zone = found.time_zone if isinstance(found, PeopleSettings) else "UTC"
    texts.check(tongue, "--language" if language else f"receiver '{receiver}'")
    shown: list[dict[str, Any]] = []
    for each in Stage if stage is None else (stage,):
        body = sample(each, now_ms(), tables.notify.public_url)
        if isinstance(found, PeopleSettings):
            text = texts.render(body, receiver, tongue, zone)
            shown.append({"stage": each.value, "language": tongue, "subject": text.subject, "body": text.body})
        else:
            shown.append({"stage": each.value, "body": body})
    if as_json:
        typer.echo(json.dumps(shown, ensure_ascii=False))
        return
    for entry in shown:
        typer.echo(f"--- {entry['stage']} ---")
        said = entry["body"]
        typer.echo(
            f"{entry['subject']}\n\n{said}" if "subject" in entry else json.dumps(said, indent=2, ensure_ascii=False)
        )
        typer.echo("")


@app.command()
def test(
    receiver: Annotated[str, typer.Argument(help="A receiver's name.")],
    config: ConfigPath,
    stage: Annotated[Stage, typer.Option(help="Which stage to send.")] = Stage.FIRING,
) -> None:
    """Sends one sample to a receiver, once, and says what it answered."""
    tables = _tables(config)
    body = sample(stage, now_ms(), tables.notify.public_url)
    body["id"] = f"msg_test_{now_ms()}"

    async def send() -> tuple[bool, str]:
        opened = open_receiver(_receiver(tables, receiver), tables.texts())
        try:
            said = await opened.send(Message(body["id"], body["type"], json.dumps(body)), now_ms() // 1000)
        finally:
            await opened.close()
        answer = " ".join(filter(None, (str(said.status or ""), said.error)))
        return said.verdict is Verdict.DELIVERED, f"{said.verdict} {answer}".strip()

    delivered, answer = asyncio.run(send())
    typer.echo(answer)
    if not delivered:
        raise typer.Exit(1)


@app.command()
def route(  # noqa: PLR0913 - the options of the command
    config: ConfigPath,
    severity: Annotated[Severity, typer.Option(help="Of the alert.")] = Severity.CRITICAL,
    site: Annotated[str, typer.Option(help="Of the alert.")] = "",
    rule: Annotated[str, typer.Option(help="Its id.")] = "",
    kind: Annotated[str, typer.Option(help="Of the device.")] = "",
    zone: Annotated[str, typer.Option(help="Of the device.")] = "",
    stage: Annotated[Stage, typer.Option(help="What is told.")] = Stage.FIRING,
    label: Annotated[list[str] | None, typer.Option(help="key=value; may be repeated.")] = None,
    as_json: AsJson = False,
) -> None:
    """Shows whom an alert would be told to now, and who would be next."""
    tables = _tables(config)
    labels = dict(_label(each) for each in label or [])
    facts = Facts(severity.value, site, rule, stage, kind, zone, labels)
    now = now_ms()
    plan = plan_at(config, now)
    choice = plan.choice(facts, now)
    to = choice.receivers
    steps: list[dict[str, Any]] = [
        {
            "route": each.name,
            "after_minutes": step.after_minutes,
            "to": list(step.to),
            "now": list(plan.on_call(step.to, now)),
        }
        for each in choice.routes
        for step in each.escalate
    ]
    if as_json:
        typer.echo(json.dumps({"receivers": to, "escalate": steps}, ensure_ascii=False))
        return
    for name, by in to.items():
        unrouted = "no route takes it, and it is critical" if tables.routes else "there are no routes"
        typer.echo(f"{name}\t{f'by route {by}' if by else unrouted}")
    if not to:
        typer.echo("nobody is told")
    for step in steps:
        said = ", ".join(step["to"])
        if step["now"] != step["to"]:
            said += f" (now {', '.join(step['now'])})"
        typer.echo(f"{said}\tafter {step['after_minutes']:g} min (route {step['route']})")


@app.command()
def receivers(config: ConfigPath, as_json: AsJson = False) -> None:
    """Shows every receiver and how it is doing."""
    tables = _tables(config)
    with database(config) as connection:
        found = [health_of(connection, each.name, each.target) for each in tables.receivers]
    if as_json:
        kinds = {each.name: each.type for each in tables.receivers}
        entries = [{k: v for k, v in asdict(each).items() if k != "target"} for each in found]
        typer.echo(json.dumps([entry | {"type": kinds[entry["receiver"]]} for entry in entries], ensure_ascii=False))
        return
    for each in found:
        trouble = f"\t{each.failures} failures since {utc(each.since_ms)}: {each.reason}" if each.failures else ""
        typer.echo(f"{each.receiver}\t{each.state}{trouble}")


@app.command()
def enable(config: ConfigPath, receiver: Annotated[str, typer.Argument(help="A receiver's name.")]) -> None:
    """Tries a receiver again that is gone or rests."""
    _receiver(_tables(config), receiver)
    with database(config) as connection:
        was = enable_receiver(connection, receiver)
    typer.echo(f"{receiver} is tried again" if was else f"{receiver} was well already")


@letters.command("list")
def list_letters(
    config: ConfigPath,
    receiver: Annotated[str, typer.Option(help="Only of this receiver.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="The newest so many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Shows notifications that were given up, the newest first."""
    with database(config) as connection:
        found = dead_letters(connection, receiver or None, limit)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found], ensure_ascii=False))
        return
    for each in found:
        tried = f"{each.attempts} attempts"
        typer.echo(f"{each.id}\t{utc(each.created_ms)}\t{each.receiver}\t{each.type}\t{tried}\t{each.error}")
    if not found:
        typer.echo("none")


@letters.command("replay")
def replay_letters(
    config: ConfigPath,
    ids: Annotated[list[str] | None, typer.Argument(help="Ids from `list`.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    receiver: Annotated[str, typer.Option(help="Only of this receiver.")] = "",
) -> None:
    """Has the running process try them for another 24 h; what is superseded by newer news stays."""
    if bool(ids) == everything:
        raise ConfigError("name the ids to replay, or say --all")
    with database(config) as connection:
        count = revive(connection, now_ms(), receiver or None, ids or None)
    typer.echo(f"{count} notifications will be tried again by the running ingest")


def _tables(path: Path) -> Tables:
    return load_cloud(path).notices


def _receiver(tables: Tables, name: str) -> ReceiverConfig:
    found: dict[str, Any] = {each.name: each for each in tables.receivers}
    if name not in found:
        raise ConfigError(f"no receiver '{name}'{nearest(name, list(found))}")
    made: ReceiverConfig = found[name]
    return made


def _label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise ConfigError(f"--label {text}: must be key=value")
    return key, value
