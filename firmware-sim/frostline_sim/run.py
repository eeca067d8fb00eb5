"""Runs a world: physics, servers and faults in one event loop. The wiring, in flow order."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from frostline_core.errors import FrostlineError, UnavailableError
from frostline_sim.broker import run_broker
from frostline_sim.config import WorldConfig
from frostline_sim.references import MQTT
from frostline_sim.serve.gate import Gate
from frostline_sim.serve.json_sensors import JsonSensors
from frostline_sim.serve.llrp import Reader
from frostline_sim.serve.modbus import Bus
from frostline_sim.serve.sysfs import SysfsTree
from frostline_sim.serve.truth import Truth, write_whole
from frostline_sim.world.world import World

_log = logging.getLogger("frostline.sim")
_STEP_S = 0.1
_MOST_BEHIND_S = 1.0
"""Wall-clock seconds that the world catches up at most at once; beyond, the machine is too slow and it lags."""


class Line(Protocol):
    """Something that a `link_down` fault can cut."""

    async def turn(self, *, down: bool) -> None:
        """Cuts it, or mends it."""


@dataclass(slots=True)
class RunningWorld:
    """A world that is being served.

    Attributes:
        world: The physics, for those who want to look or interfere.
        truth: What has been given out.
        ports: By name: each TCP bus, reader and link, and `mqtt` for a broker of its own.
        paths: By name: each serial bus, and `sysfs` for the tree.
        lines: What `link_down` can cut, by name.
    """

    world: World
    truth: Truth
    ports: dict[str, int] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    lines: dict[str, Line] = field(default_factory=dict)

    def ready(self) -> Mapping[str, Any]:
        """What a parent process needs to know, as plain JSON values."""
        return {"ready": True, "ports": self.ports, "paths": self.paths}


@asynccontextmanager
async def serve(
    config: WorldConfig, *, speed: float | None = None, seed: int | None = None
) -> AsyncIterator[RunningWorld]:
    """Serves a world while the context is open.

    Args:
        config: The world, checked.
        speed: World seconds per wall-clock second, in place of the config's.
        seed: In place of the config's.

    Raises:
        ConfigError: A profile is absent or does not fit its device.
        UnavailableError: A port or path cannot be had, or a broker does not answer.
    """
    running = RunningWorld(World(config, seed), Truth())
    async with AsyncExitStack() as stack:
        readers = await _start_field(running, stack)
        sensors = await _start_json(running, stack)
        tree = _start_sysfs(running, stack)
        await _start_links(running, sensors, stack)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_advance(running, speed or config.speed), name="world")]
            tasks += [group.create_task(each.run(), name=f"reader-{each.config.name}") for each in readers]
            if sensors is not None:
                tasks.append(group.create_task(sensors.run(), name="json-sensors"))
            if tree is not None:
                tasks.append(group.create_task(_renew(tree), name="sysfs"))
            try:
                yield running
            finally:
                for task in tasks:
                    task.cancel()


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How `frostline sim run` was called.

    Attributes:
        speed: In place of the config's.
        seed: In place of the config's.
        duration_s: Wall-clock seconds to run; None runs until a signal.
        truth_file: Where the ground truth is written at the end.
        ready_file: Where the ready line is written besides standard output.
    """

    speed: float | None = None
    seed: int | None = None
    duration_s: float | None = None
    truth_file: Path | None = None
    ready_file: Path | None = None


async def run(config: WorldConfig, options: RunOptions) -> None:
    """Serves a world until SIGTERM, SIGINT or the end of its time; says on standard output when it is ready."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    try:
        await _serve_until(stopped, config, options)
    except* FrostlineError as failed:
        raise failed.exceptions[0] from None


async def _serve_until(stopped: asyncio.Event, config: WorldConfig, options: RunOptions) -> None:
    async with serve(config, speed=options.speed, seed=options.seed) as running:
        line = json.dumps(running.ready())
        if options.ready_file is not None:
            write_whole(options.ready_file, line + "\n")
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
        try:
            async with asyncio.timeout(options.duration_s):
                await stopped.wait()
        except TimeoutError:
            _log.info("the time is over")
        if options.truth_file is not None:
            running.truth.write(options.truth_file, running.world)


async def _start_field(running: RunningWorld, stack: AsyncExitStack) -> Sequence[Reader]:
    config = running.world.config
    for each in config.modbus:
        bus = Bus(each, running.world, running.truth)
        stack.push_async_callback(bus.stop)
        await bus.start()
        running.lines[each.name] = bus
        if each.transport == "rtu":
            running.paths[each.name] = each.path
        else:
            running.ports[each.name] = bus.port
    readers = [Reader(each, running.world, running.truth) for each in config.reader]
    for reader in readers:
        stack.push_async_callback(reader.stop)
        await reader.start()
        running.lines[reader.config.name] = reader
        running.ports[reader.config.name] = reader.port
    return readers


async def _start_json(running: RunningWorld, stack: AsyncExitStack) -> JsonSensors | None:
    config = running.world.config.mqtt
    if config is None:
        return None
    url = config.url
    if not url:
        context = run_broker()
        broker = await asyncio.to_thread(context.__enter__)
        stack.push(context.__exit__)
        url, running.ports[MQTT] = broker.url, broker.port
    sensors = JsonSensors(config, url, running.world, running.truth)
    stack.push_async_callback(sensors.stop)
    await sensors.start()
    running.lines[MQTT] = sensors
    return sensors


def _start_sysfs(running: RunningWorld, stack: AsyncExitStack) -> SysfsTree | None:
    config = running.world.config.sysfs
    if config is None:
        return None
    root = Path(config.root) if config.root else Path(tempfile.mkdtemp(prefix="frostline-sys-"))
    if not config.root:
        stack.callback(shutil.rmtree, root, ignore_errors=True)
    tree = SysfsTree(config, root, running.world, running.truth)
    try:
        tree.write(tree.look())
    except OSError as error:
        raise UnavailableError(f"sysfs: cannot write below {root}: {error}") from error
    running.paths["sysfs"] = str(root.absolute())
    return tree


async def _start_links(running: RunningWorld, sensors: JsonSensors | None, stack: AsyncExitStack) -> None:
    for link in running.world.config.link:
        far = sensors.address if sensors is not None and link.to == MQTT else _address(link.to)
        gate = Gate(link.listen, link.port, partial(_same, far))
        stack.push_async_callback(gate.stop)
        try:
            await gate.start()
        except OSError as error:
            raise UnavailableError(f"link {link.name}: cannot listen: {error}") from error
        running.lines[link.name] = gate
        running.ports[link.name] = gate.port


def _address(text: str) -> tuple[str, int]:
    host, port = text.rsplit(":", 1)
    return host, int(port)


def _same(address: tuple[str, int]) -> tuple[str, int]:
    return address


async def _advance(running: RunningWorld, speed: float) -> None:
    """Moves the world on with the wall clock; cuts and mends a line when a fault begins and ends, not in between."""
    world, last_s, left_ms = running.world, time.monotonic(), 0.0
    cut: set[str] = set()
    on: set[int] = set()
    while True:
        now_s = time.monotonic()
        left_ms += min(now_s - last_s, _MOST_BEHIND_S) * speed * 1000
        last_s = now_s
        whole = int(left_ms)
        world.step(whole)
        left_ms -= whole
        on = _tell(world, on)
        wanted = {name for name in running.lines if world.link_down(name)}
        for name in wanted ^ cut:
            await running.lines[name].turn(down=name in wanted)
        cut = wanted
        await asyncio.sleep(_STEP_S)


def _tell(world: World, before: set[int]) -> set[int]:
    """Logs the faults that began or ended; returns those that are on."""
    on = set(world.timeline.on(world.now_s))
    for i in sorted(on ^ before):
        fault = world.timeline.faults[i]
        _log.info("%s %s: %s", "begins" if i in on else "ends", fault.type, fault.target)
    return on


async def _renew(tree: SysfsTree) -> None:
    while True:
        try:
            await asyncio.to_thread(tree.write, tree.look())
        except OSError as error:
            raise UnavailableError(f"sysfs: cannot write below {tree.root}: {error}") from error
        await asyncio.sleep(tree.config.period_s)
