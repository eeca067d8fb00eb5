"""`frostline cloud dead-letters` and `refetch`: by the API of the running process, or directly on SQL."""

from __future__ import annotations

import base64
import json
from typing import Annotated

import typer

from frostline_cloud.client import Api, TokenFile, answered, api_client, own_address, place
from frostline_cloud.config import load_cloud
from frostline_cloud.instant import utc
from frostline_cloud.letters import PAGE, SHOWN, Letter, opened
from frostline_cloud.shell import ConfigPath, instant_of
from frostline_cloud.sql.ledger import Span
from frostline_core.errors import ConfigError

letters = typer.Typer(no_args_is_help=True, help="What could not be stored: list, show, take in after all.")

AsJson = Annotated[bool, typer.Option("--json", help="JSON, one object a line.")]
Site = Annotated[str | None, typer.Option(help="Only this site.")]
Node = Annotated[str | None, typer.Option(help="Only this gateway.")]
Since = Annotated[str | None, typer.Option(help="Only what came since: UTC milliseconds, or 2026-01-31T12:00:00Z.")]


@letters.command("list")
def list_letters(  # noqa: PLR0913 - the options of the command
    config: ConfigPath,
    site: Site = None,
    node: Node = None,
    since: Since = None,
    api: Api = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """What could not be stored, newest first: number, time, state, place, size and reason."""
    waits = taken = 0
    with opened(config, api, token_file) as found:
        for letter in found.listed(_span(site, node, since)):
            typer.echo(json.dumps(letter) if as_json else _line(letter))
            waits, taken = waits + (letter["replayed_ms"] is None), taken + (letter["replayed_ms"] is not None)
    if not as_json:
        typer.echo(f"{waits} wait, {taken} were taken in" if waits or taken else "no dead letters", err=True)


@letters.command()
def show(
    config: ConfigPath,
    letter_id: Annotated[int, typer.Argument(help="Its number.", min=1)],
    api: Api = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """One dead letter with the bytes that came."""
    with opened(config, api, token_file) as found:
        letter = _known(found.one(letter_id), letter_id)
        if as_json:
            typer.echo(json.dumps(letter))
            return
        for name in SHOWN:
            shown = _utc(letter[name]) if name.endswith("_ms") else letter[name]
            typer.echo(f"{name.removesuffix('_ms'):12} {shown}")
        typer.echo(f"{'raw':12} {base64.b64decode(letter['raw']).hex()}")


@letters.command()
def replay(  # noqa: PLR0913 - the options of the command
    config: ConfigPath,
    letter_ids: Annotated[list[int] | None, typer.Argument(help="Their numbers.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every letter that site, node and since let through.")
    ] = False,
    site: Site = None,
    node: Node = None,
    since: Since = None,
    api: Api = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Take letters in after all, with the births of today. Rules do not see them. Exit code 1 when some stay."""
    if bool(letter_ids) == everything:
        raise ConfigError("name the letters, or say --all")
    stayed = 0
    with opened(config, api, token_file, writing=True) as found:
        for letter_id in letter_ids or found.waiting(_span(site, node, since)):
            done = _known(found.replay(letter_id), letter_id)
            stayed += bool(done["reason"])
            text = (
                f"{letter_id}\tstays: {done['reason']}" if done["reason"] else f"{letter_id}\t{done['samples']} stored"
            )
            typer.echo(json.dumps(done) if as_json else text)
    if stayed:
        raise typer.Exit(1)


def refetch(  # noqa: PLR0913 - the options of the command
    config: ConfigPath,
    site: Annotated[str, typer.Option(help="The site.")],
    node: Annotated[str, typer.Option(help="The gateway.")],
    start: Annotated[str, typer.Option("--from", help="UTC milliseconds, or 2026-01-31T12:00:00Z.")],
    end: Annotated[str, typer.Option("--to", help="The same; not included.")],
    device: Annotated[str, typer.Option(help="Only this device.")] = "",
    api: Annotated[
        str, typer.Option(help="Address of the process with ingest; http.listen of the config if absent.")
    ] = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Have a gateway send a span of time again, as far as it still has it."""
    with api_client(api or own_address(load_cloud(config)), token_file) as client:
        body = {"from_ms": instant_of(start, "--from"), "to_ms": instant_of(end, "--to"), "device": device}
        asked = answered(client.post(place("nodes", site, node, "refetch"), json=body))
    said = f"{site}/{node} was asked; what it still has arrives in the background"
    typer.echo(json.dumps(asked) if as_json else said)


def _span(site: str | None, node: str | None, since: str | None) -> Span:
    return Span(site, node, None if since is None else instant_of(since, "--since"), None, None, PAGE)


def _known(letter: Letter | None, letter_id: int) -> Letter:
    if letter is None:
        raise ConfigError(f"there is no dead letter {letter_id}")
    return letter


def _line(letter: Letter) -> str:
    place = "/".join(part for part in (letter["site"], letter["node"], letter["device"]) if part)
    taken = "taken in" if letter["replayed_ms"] is not None else "waits"
    return f"{letter['id']}\t{_utc(letter['at_ms'])}\t{taken}\t{place}\t{letter['size']} bytes\t{letter['reason']}"


def _utc(at_ms: int | None) -> str:
    return "" if at_ms is None else utc(at_ms)
