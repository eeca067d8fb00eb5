"""`frostline demo`: the whole system on this machine, for a person or, with --json, for a script."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import typer
from rich.console import Console

from frostline_core.errors import FrostlineError
from frostline_sim.demo import view
from frostline_sim.demo.story import Account, Demo, Plan, account, alerts, drain, running

app = typer.Typer(invoke_without_command=True)

_TABLE_EVERY_S = 10.0


@app.callback(invoke_without_command=True)
def demo(  # noqa: PLR0913 - a command line's options
    duration: float = typer.Option(0.0, min=0, help="Stop after so many seconds; 0: run until Ctrl-C."),
    speed: float = typer.Option(60.0, min=1, max=600, help="World seconds per second."),
    seed: int = typer.Option(7, help="Same seed, same world."),
    port: int = typer.Option(8080, min=0, max=65535, help="Port of the console; 0 takes a free one."),
    as_json: bool = typer.Option(False, "--json", help="Print nothing but one JSON object at the end."),
    keep: Path | None = typer.Option(None, help="Folder for configs, databases and logs; a temporary one otherwise."),
) -> None:
    """Simulated cold rooms, a truck and RFID; gateways, cloud, alerts and webhooks; an account of every reading.

    Exits with 0 only if every reading is accounted for and none is lost.
    """
    folder = keep.resolve() if keep else Path(tempfile.mkdtemp(prefix="frostline-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=as_json, quiet=as_json, highlight=False)
    try:
        result = asyncio.run(_demo(Plan(folder, speed, seed, 0 if as_json else port), duration, console))
    except FrostlineError as error:
        typer.echo(f"frostline demo: {error}", err=True)
        raise typer.Exit(2) from error
    if as_json:
        typer.echo(json.dumps(asdict(result)))
    else:
        view.summary(console, result)
    good = not result.residue and not result.lost
    if good and keep is None:
        shutil.rmtree(folder, ignore_errors=True)
    raise typer.Exit(0 if good else 1)


async def _demo(plan: Plan, duration_s: float, console: Console) -> Account:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    console.print(f"configs, databases and logs: {plan.folder}")
    async with running(plan, console.print) as started:
        console.print(f"console: [bold]{started.console}[/bold]   API: {started.console}api/docs")
        console.print(
            "the freezer's door opens in about 12 s; the shelf is emptied a little later; Ctrl-C stops it all",
            soft_wrap=True,
        )
        await _watch(started, stop, duration_s, console)
        console.print("\nstopping the field, then draining the gateways ...")
        await drain(started)
        return await account(started)


async def _watch(demo: Demo, stop: asyncio.Event, duration_s: float, console: Console) -> None:
    """Shows values, alerts and webhooks until it is time to stop."""
    began, tabled, seen, heard = time.monotonic(), 0.0, 0, 0
    while not stop.is_set() and (not duration_s or time.monotonic() - began < duration_s):
        demo.processes.check()
        if time.monotonic() - tabled >= _TABLE_EVERY_S and time.monotonic() - began > 2:
            tabled = time.monotonic()
            console.print()
            console.print(view.values_table((await demo.get("devices"))["items"]))
        if not console.quiet:
            fired = await alerts(demo)
            for each in fired[seen:]:
                console.print(view.alert_line(each), soft_wrap=True)
            for webhook in demo.webhooks[heard:]:
                console.print(view.webhook_line(webhook), soft_wrap=True)
            seen, heard = len(fired), len(demo.webhooks)
        try:
            await asyncio.wait_for(stop.wait(), 0.5)
        except TimeoutError:
            continue
