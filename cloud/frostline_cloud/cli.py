"""`frostline cloud`: run, check, and API tokens."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import Annotated

import typer

from frostline_cloud.api import tokens
from frostline_cloud.api.tokens import Role
from frostline_cloud.check import findings
from frostline_cloud.config import CloudConfig, load_cloud
from frostline_cloud.delivery_cli import letters, refetch
from frostline_cloud.gone_cli import retire, write_off
from frostline_cloud.import_cli import import_history
from frostline_cloud.instant import now_ms, utc
from frostline_cloud.run import run as run_parts
from frostline_cloud.shell import ConfigPath, database
from frostline_core.errors import FrostlineError
from frostline_core.logs import setup

app = typer.Typer(no_args_is_help=True, help="Ingest, rules, alerts, API and console.")
token = typer.Typer(no_args_is_help=True, help="API tokens.")
app.add_typer(token, name="token")
app.add_typer(letters, name="dead-letters")
app.command()(refetch)
app.command("write-off")(write_off)
app.command()(retire)
app.command("import")(import_history)


@app.command()
def run(config: ConfigPath) -> None:
    """Everything in one process."""
    _run(load_cloud(config), ingest=True, web=True)


@app.command()
def ingest(config: ConfigPath) -> None:
    """Ingest, rules and notify only; the API runs elsewhere (needs a store and SQL that two processes can share)."""
    _run(load_cloud(config), ingest=True, web=False)


@app.command()
def serve(config: ConfigPath) -> None:
    """API and console only; ingest runs elsewhere."""
    _run(load_cloud(config), ingest=False, web=True)


@app.command()
def check(
    config: ConfigPath, as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False
) -> None:
    """Checks config and rules whole, and whether SQL, the store and the broker answer."""
    loaded = load_cloud(config)
    found = findings(loaded)
    if as_json:
        typer.echo(json.dumps({"config": str(config), "findings": found}))
    else:
        for part, finding in found.items():
            typer.echo(f"{part:8} {finding or 'ok'}")
    if any(found.values()):
        raise typer.Exit(1)


@token.command("create")
def create(
    config: ConfigPath,
    name: Annotated[str, typer.Argument(help="Who or what will use it.")],
    role: Annotated[Role, typer.Option(help="What it may do.")] = Role.VIEWER,
    days: Annotated[float | None, typer.Option(help="How long it is valid; until it is revoked where absent.")] = None,
) -> None:
    """Makes a token and prints it: this once, since only its hash is kept."""
    with database(config) as connection:
        typer.echo(tokens.create_token(connection, name, role, now_ms(), days=days))


@token.command("list")
def show(config: ConfigPath) -> None:
    """Names, roles and dates; never the tokens."""
    with database(config) as connection:
        for each in tokens.list_tokens(connection):
            state = "valid" if each.valid(now_ms()) else "ended"
            typer.echo(f"{each.name}\t{each.role}\t{state}\t{utc(each.created_ms)}")


@token.command("revoke")
def revoke(config: ConfigPath, name: Annotated[str, typer.Argument(help="As it was created.")]) -> None:
    """Makes a token worthless at once."""
    with database(config) as connection:
        tokens.revoke_token(connection, name, now_ms())


def _run(config: CloudConfig, *, ingest: bool, web: bool) -> None:
    setup(config.log.level, config.log.format)

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        await run_parts(config, stop, ingest=ingest, web=web)

    try:
        asyncio.run(main())
    except* FrostlineError as group:
        raise _first(group) from group


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
