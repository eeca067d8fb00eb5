"""`frostline sim`: run a world, make load, run a broker."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
from importlib.resources import files
from pathlib import Path

import typer

from frostline_core import logs
from frostline_core.config import secret
from frostline_sim.references import load_world

app = typer.Typer(help="Simulated devices that speak the real protocols.", no_args_is_help=True)


@app.command()
def run(  # noqa: PLR0913 - a command line's options
    world: Path = typer.Argument(help="The world file; `frostline sim sample` prints one."),
    speed: float | None = typer.Option(None, min=0.01, max=3600, help="World seconds per second, for the file's."),
    seed: int | None = typer.Option(None, help="In place of the file's."),
    truth: Path | None = typer.Option(None, help="Write what was served to this file at the end, as JSON."),
    ready_file: Path | None = typer.Option(None, help="Write the ready line to this file too."),
    duration: float | None = typer.Option(None, min=0, help="Stop after so many seconds."),
) -> None:
    """Serves a world until it is told to stop; prints one JSON line with the ports when all is served."""
    from frostline_sim.run import RunOptions
    from frostline_sim.run import run as run_world

    logs.setup()
    asyncio.run(run_world(load_world(world), RunOptions(speed, seed, duration, truth, ready_file)))


@app.command()
def check(world: Path = typer.Argument(help="The world file.")) -> None:
    """Checks a world file, with its profiles, without serving it."""
    from frostline_sim.serve.modbus import Bus
    from frostline_sim.serve.truth import Truth
    from frostline_sim.world.world import World

    config = load_world(world)
    made = World(config)
    units = sum(len(Bus(bus, made, Truth()).config.unit) for bus in config.modbus)
    typer.echo(f"{world}: {len(made.kinds)} devices, {units} Modbus units, {len(config.fault)} faults: correct")


@app.command()
def sample() -> None:
    """Prints a world file that runs as it is."""
    typer.echo((files("frostline_sim") / "sample_world.toml").read_text(encoding="utf-8"), nl=False)


@app.command()
def load(  # noqa: PLR0913 - a command line's options
    url: str = typer.Option(..., help="The broker, mqtt://host:port."),
    nodes: int = typer.Option(10, min=1, max=1000, help="Edge nodes, each with a connection."),
    devices: int = typer.Option(5, min=1, max=999, help="Devices of each node."),
    metrics: int = typer.Option(10, min=1, max=500, help="Metrics of each device, all in each message."),
    rate: float = typer.Option(100.0, min=0.1, max=100_000, help="DDATA messages a second, of all nodes together."),
    duration: float = typer.Option(10.0, min=0.1, help="Seconds."),
    group: str = typer.Option("load", help="Sparkplug group."),
    host_id: str = typer.Option("", help="Primary host to wait for; empty waits for none."),
    proved: bool = typer.Option(False, help="Speak the commit protocol; wait for the last commit."),
    username: str = typer.Option("", help="For the broker."),
    password: str = typer.Option("", help="A reference: ${env:NAME} or ${file:/path}."),
) -> None:
    """Publishes Sparkplug data from many nodes at a set rate; prints what was sent as JSON."""
    from frostline_sim.load.node import Shape
    from frostline_sim.load.run import Load, Target

    logs.setup()
    target = Target(url, username, secret(password, "--password") if password else "")
    made = Load(Shape(group, nodes, devices, metrics, rate, host_id, proved), target)
    typer.echo(json.dumps(asyncio.run(made.run(duration))))


@app.command()
def broker(
    port: int = typer.Option(0, min=0, max=65535, help="0 takes a free port."),
    listen: str = typer.Option(
        "127.0.0.1", help="Address to listen on. There is no password: keep it on the loopback."
    ),
    ready_file: Path | None = typer.Option(None, help="Write the ready line to this file too."),
) -> None:
    """Runs an MQTT broker for development: everything in memory, no password."""
    from frostline_sim.broker import run_broker
    from frostline_sim.serve.truth import write_whole

    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    with run_broker(port, listen) as running:
        line = json.dumps({"ready": True, "ports": {"mqtt": running.port}})
        if ready_file is not None:
            write_whole(ready_file, line + "\n")
        typer.echo(line)
        stopped.wait()
