"""`frostline cloud write-off` and `retire`: somebody says what will not come back."""

from __future__ import annotations

from typing import Annotated

import typer

from frostline_cloud.client import Api, TokenFile, answered, api_client, own_address, place
from frostline_cloud.config import load_cloud
from frostline_cloud.instant import now_ms
from frostline_cloud.shell import ConfigPath, opened, who
from frostline_cloud.writeoff import MOST_REASON, NothingToWriteOffError, WriteOff
from frostline_cloud.writeoff import write_off as give_up
from frostline_core.errors import ConfigError

SiteName = Annotated[str, typer.Argument(help="The site.")]
NodeName = Annotated[str, typer.Argument(help="The gateway.")]


def write_off(  # noqa: PLR0913 - the options of the command
    config: ConfigPath,
    site: SiteName,
    node: NodeName,
    run: Annotated[str, typer.Argument(help="The run in doubt, 16 hex digits, as the API and the console show it.")],
    reason: Annotated[str, typer.Option(help="Why nothing will come: the card is destroyed, the gateway was stolen.")],
    api: Api = "",
    token_file: TokenFile = None,
) -> None:
    """List the rest of a run as lost; its alert then resolves. What comes after all is still applied."""
    if not 0 < len(reason.strip()) <= MOST_REASON:
        raise ConfigError(f"--reason: 1 to {MOST_REASON} characters")
    if api:
        with api_client(api, token_file) as client:
            path = place("nodes", site, node, "runs", run, "write-off")
            first = int(answered(client.post(path, json={"reason": reason}))["first"])
    else:
        first = _directly(config, WriteOff(site, node, run, reason, who()))
    typer.echo(f"{site}/{node} run {run}: everything from batch {first} on is listed as lost")


def retire(  # noqa: PLR0913 - the options of the command
    config: ConfigPath,
    site: SiteName,
    node: NodeName,
    device: Annotated[str, typer.Argument(help="The device; without it, the gateway with all its devices.")] = "",
    api: Annotated[
        str, typer.Option(help="Address of the process with ingest; http.listen of the config if absent.")
    ] = "",
    token_file: TokenFile = None,
) -> None:
    """Say that a device is gone for good: its alerts resolve, no rule waits for it, its history stays."""
    names = [site, node, device] if device else [site, node]
    with api_client(api or own_address(load_cloud(config)), token_file) as client:
        answered(client.post(place("devices" if device else "nodes", *names, "retire")))
    typer.echo(f"{'/'.join(names)} is retired; a birth of that name brings it back")


def _directly(config: ConfigPath, wanted: WriteOff) -> int:
    try:
        with opened(load_cloud(config)) as engine:
            return give_up(engine, wanted, now_ms()).first
    except NothingToWriteOffError as error:
        raise ConfigError(str(error)) from error
