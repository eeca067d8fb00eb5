"""`frostline gateway`: run, check, status, sample, systemd."""

from __future__ import annotations

import asyncio
import http.client
import json
import signal
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import typer

from frostline_core.errors import FrostlineError
from frostline_core.logs import setup
from frostline_gateway import service
from frostline_gateway.config import GatewayConfig, build_drivers, load_gateway
from frostline_gateway.run import run as run_gateway
from frostline_gateway.status import from_spool
from frostline_gateway.trial import Found, trial, unmatched

app = typer.Typer(no_args_is_help=True, help="The process on the gateway: reads devices, spools, sends to the cloud.")

ConfigPath = Annotated[Path, typer.Option("--config", "-c", help="gateway.toml")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
_HTTP_S = 5.0


@app.command()
def run(
    config: ConfigPath,
    ready_file: Annotated[
        Path | None, typer.Option(help="Written once all is started: JSON with the HTTP host and port.")
    ] = None,
) -> None:
    """Runs the gateway until SIGTERM or SIGINT."""
    loaded = load_gateway(config)
    setup(loaded.log.level, loaded.log.format)

    def listening(host: str, port: int) -> None:
        if ready_file is not None:
            ready_file.write_text(json.dumps({"ready": True, "http": {"host": host, "port": port}}), encoding="utf-8")

    async def main() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await run_gateway(loaded, stop, listening)

    try:
        asyncio.run(main())
    except* FrostlineError as group:
        raise _first(group) from group


@app.command()
def check(
    config: ConfigPath,
    as_json: AsJson = False,
    timeout_s: Annotated[float, typer.Option(help="Longest wait for each device.", min=0.1, max=300)] = 10.0,
) -> None:
    """Checks the configuration, then reads every device once and shows what it says. Stores and sends nothing."""
    loaded = load_gateway(config)
    setup("ERROR")
    found = asyncio.run(trial(build_drivers(loaded), timeout_s))
    for device, metric in unmatched(loaded.overrides, found):
        found.setdefault(device, Found("override")).error = f"[[override]]: there is no metric '{metric}' to override"
    if as_json:
        typer.echo(json.dumps({device: _document(each) for device, each in sorted(found.items())}, default=repr))
    else:
        from frostline_gateway.show import show_trial

        show_trial(found)
    if any(each.error for each in found.values()):
        raise typer.Exit(1)


@app.command()
def status(config: ConfigPath, as_json: AsJson = False) -> None:
    """What the running gateway says of itself; while it is down, what its spool holds."""
    loaded = load_gateway(config)
    found = _ask(loaded) or from_spool(loaded)
    if as_json:
        typer.echo(json.dumps(found))
    else:
        from frostline_gateway.show import show_status

        show_status(found)


@app.command()
def sample() -> None:
    """Prints a configuration to start from."""
    typer.echo((files("frostline_gateway") / "sample.toml").read_text(encoding="utf-8"), nl=False)


@app.command()
def systemd() -> None:
    """Prints a hardened service unit for systemd."""
    typer.echo(service.unit(), nl=False)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _ask(config: GatewayConfig) -> dict[str, Any] | None:
    """The status document of the running process; None if nobody answers."""
    connection = http.client.HTTPConnection(config.http.host, config.http.port, timeout=_HTTP_S)
    try:
        connection.request("GET", "/status")
        found = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return found if isinstance(found, dict) and (found.get("site"), found.get("node")) == _who(config) else None


def _who(config: GatewayConfig) -> tuple[str, str]:
    return config.site, config.node


def _document(found: Found) -> dict[str, Any]:
    description = found.description
    return {
        "driver": found.driver,
        "kind": description.kind if description else "",
        "error": found.error,
        "readings": {
            name: {"value": each.value, "at_ms": each.at_ms, "quality": each.quality.name.lower()}
            for name, each in sorted(found.readings.items())
        },
    }
