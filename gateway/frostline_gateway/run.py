"""The one wiring file of the gateway: builds every part in flow order and runs it until it is told to stop.

    drivers (supervised) -> intake (sampler, rows) -> spool -> uplink ~ MQTT
       ^                       -> local rules -> outputs
       +-------------------------------+--------------- commands <- uplink

Nothing upstream of the spool knows whether the uplink is connected. The stop goes the same way: drivers end, what is
in memory goes to the disk, then the uplink says NDEATH and leaves.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from frostline_core.config import secret
from frostline_core.errors import ConfigError
from frostline_edge.driver import Driver, DriverConfig, Writer
from frostline_edge.supervisor import Health, supervise
from frostline_gateway import service
from frostline_gateway.commands import Commands
from frostline_gateway.config import GatewayConfig, build_drivers
from frostline_gateway.devices import Devices
from frostline_gateway.diary import Diary
from frostline_gateway.http import serving
from frostline_gateway.intake import Intake, IntakeLimits
from frostline_gateway.machine_clock import boot_id, look
from frostline_gateway.refetch import Refetches
from frostline_gateway.spool import Spool
from frostline_gateway.spool.disk import default_budget, sync_folder
from frostline_gateway.spool.rows import Lost
from frostline_gateway.status import Parts, snapshot
from frostline_gateway.timekeeper import Timekeeper
from frostline_gateway.uplink import SYSTEM_CLOCKS, Uplink

if TYPE_CHECKING:  # loaded only where there are local rules
    from frostline_gateway.local_rules.local import LocalRules

log = logging.getLogger("frostline.gateway")

_STOP_S = 10.0
_STUCK_S = 60.0
"""The event loop that has not turned for so long is not healthy."""
_RUNNING, _CLOCK, _RULE_STATES = "running", "clock", "rules.json"
UNCLEAN = "the gateway did not stop cleanly; what was read last and not yet on the disk is missing"


def now_ms() -> int:
    """UTC milliseconds."""
    return time.time_ns() // 1_000_000


async def run(config: GatewayConfig, stop: asyncio.Event, listening: Callable[[str, int], None]) -> None:
    """Runs the gateway until `stop` is set.

    Args:
        config: Checked.
        stop: Set from outside to end.
        listening: Told where status and metrics are served, once they are.

    Raises:
        ConfigError: A driver cannot be built, a folder cannot be made, or the HTTP address is taken.
        UnavailableError: The spool cannot be opened.
    """
    drivers = build_drivers(config)
    _check_secrets(config)
    _make_folder(config.data_dir)
    with ExitStack() as stack:
        spool = stack.enter_context(await asyncio.to_thread(_open_spool, config))
        writer = stack.enter_context(ThreadPoolExecutor(1, "spool"))
        limits = IntakeLimits(config.spool.flush_s, config.spool.flush_rows, config.spool.memory_rows)
        devices = Devices()
        intake = Intake(spool, devices, config.overrides, now_ms, limits)
        diary = Diary(intake.event, now_ms)
        commands = Commands(devices, partial(_writer_of, drivers), diary.command, now_ms)
        refetches = Refetches(spool.refetch, commands)
        keeper = Timekeeper(
            config.clock.trust, round(config.clock.wait_s * 1000), look, boot_id(), config.data_dir / _CLOCK
        )
        clocks = replace(SYSTEM_CLOCKS, utc_ms=keeper.now_ms)
        local, follow = _local_rules(config, drivers, intake, diary, keeper), refetches.follow
        if local is not None:
            from frostline_gateway.local_rules.orders import pauses_order, rules_order
            from frostline_gateway.local_rules.standing import Standing

            follow = Standing(pauses_order(local), commands, devices, follow).follow
            if config.rules.folder is None:
                follow = Standing(rules_order(local, diary.local_rules), commands, devices, follow).follow
        uplink = Uplink(config.uplink, config.site, config.node, spool, devices, follow, clocks=clocks)
        intake.on_device(uplink.device_changed)
        uplink.on_conflict(diary.identity)
        intake.keep_time(keeper)
        _tell_unclean(config, spool, intake, keeper.now_ms())
        parts = Parts(config, spool, intake, diary, uplink, commands, keeper, now_ms, now_ms(), local=local)
        pulse = _Pulse()
        address = stack.enter_context(serving(config.http, partial(snapshot, parts), pulse.fault))
        listening(*address)
        drained = await _run_parts(parts, drivers, writer, stop, pulse)
    if drained:
        _mark(config).unlink(missing_ok=True)


async def _run_parts(
    parts: Parts,
    drivers: list[tuple[DriverConfig, Driver]],
    writer: ThreadPoolExecutor,
    stop: asyncio.Event,
    pulse: _Pulse,
) -> bool:
    """Starts every task, waits for the stop, and ends them in flow order; whether all that was read is on the disk."""
    async with asyncio.TaskGroup() as group:
        field = [
            group.create_task(_supervised(parts, each.name, partial(driver.run, parts.intake)), name=each.name)
            for each, driver in drivers
        ]
        intake = group.create_task(parts.intake.run(writer), name="intake")
        rules = [] if parts.local is None else [group.create_task(_supervised(parts, "rules", parts.local.run))]
        uplink = group.create_task(_supervised(parts, "uplink", parts.uplink.run), name="uplink")
        alive = group.create_task(pulse.run(), name="pulse")
        clock = group.create_task(parts.keeper.run(parts.diary.clock), name="clock")
        service.tell("READY=1")
        log.info("%s/%s: %d drivers, spool %s", parts.config.site, parts.config.node, len(drivers), parts.spool.path)
        await stop.wait()
        service.tell("STOPPING=1")
        parts.intake.close()
        await _end(rules)
        if parts.local is not None:
            await parts.local.stop()
        await _end([*field, clock])
        await _end([intake])
        drained = await parts.intake.flush(writer)
        if not drained:
            log.error("stopped with samples in memory that the disk did not take: %s", parts.intake.error)
        await _end([uplink, alive])
        log.info("stopped; %d rows wait in the spool", parts.spool.held_rows)
    return drained


def _supervised(parts: Parts, name: str, start: Callable[[], Coroutine[Any, Any, None]]) -> Coroutine[Any, Any, None]:
    health = parts.health[name] = Health()
    return supervise(name, start, health=health)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    """Cancels tasks and waits for their ends, at most 10 s: a stop that hangs helps nobody."""
    for task in tasks:
        task.cancel()
    if tasks:
        _, hanging = await asyncio.wait(tasks, timeout=_STOP_S)
        for task in hanging:
            log.error("%s: did not end within %.0f s", task.get_name(), _STOP_S)


class _Pulse:
    """Shows that the event loop turns: to systemd's watchdog and to /healthz."""

    def __init__(self) -> None:
        self._beat_s = time.monotonic()

    def fault(self) -> str:
        """Why the process is not healthy, or ""; called from other threads."""
        silent_s = time.monotonic() - self._beat_s
        return f"the event loop has not turned for {silent_s:.0f} s" if silent_s > _STUCK_S else ""

    async def run(self) -> None:
        """Beats until cancelled."""
        every_s = min(service.watchdog_s() or 5.0, 5.0)
        while True:
            self._beat_s = time.monotonic()
            service.tell("WATCHDOG=1")
            await asyncio.sleep(every_s)


def _writer_of(drivers: list[tuple[DriverConfig, Driver]], device: str) -> Writer | None:
    """The driver that can write to a device: the one whose configuration names it."""
    for _, driver in drivers:
        if device in driver.devices() and isinstance(driver, Writer):
            return driver
    return None


def _local_rules(
    config: GatewayConfig,
    drivers: list[tuple[DriverConfig, Driver]],
    intake: Intake,
    diary: Diary,
    keeper: Timekeeper,
) -> LocalRules | None:
    """The rules that work without the cloud; None where there is no output that they could switch.

    Raises:
        ConfigError: The rules have a fault, or an output is on a device that no driver can write to.
    """
    if not config.output:
        return None
    from frostline_gateway.local_rules.build import Surroundings, build, rules_of
    from frostline_gateway.local_rules.local import Place

    def known_ms() -> int | None:
        return keeper.now_ms() if keeper.known is not None else None

    around = Surroundings(intake.devices, partial(_writer_of, drivers), diary.output, known_ms, keeper.now_ms)
    place = Place(config.site, config.node, config.data_dir / _RULE_STATES)
    local = build(place, rules_of(config.rules, config.output, config.site, config.node), config.output, around)
    intake.on_samples(local.hear)
    return local


def _check_secrets(config: GatewayConfig) -> None:
    """What only this machine has: a missing secret or certificate is told at once, not after the first connection."""
    uplink = config.uplink
    if uplink.password.get_secret_value():
        secret(uplink.password, "uplink.password")
    for key in ("ca_file", "cert_file", "key_file"):
        path = getattr(uplink, key)
        if path is not None and not os.access(path, os.R_OK):
            raise ConfigError(f"uplink.{key}: {path} cannot be read")


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"data_dir: cannot make {path}: {error.strerror}") from error


def _open_spool(config: GatewayConfig) -> Spool:
    path = config.spool_path
    return Spool.open(path, config.spool.budget_bytes or default_budget(path), now_ms, config.spool.keep_ms)


def _mark(config: GatewayConfig) -> Path:
    """The file that is there while the process runs; found at a start, it tells of an unclean end."""
    return config.data_dir / _RUNNING


def _tell_unclean(config: GatewayConfig, spool: Spool, intake: Intake, now_ms: int) -> None:
    """After an unclean end: what was read and not yet on the disk is lost, how much nobody knows; say when."""
    mark = _mark(config)
    if not mark.exists():
        mark.touch()
        sync_folder(mark)  # a power cut would take the name, and nobody would be told of it
        return
    # A spool moves that instant with each group, so not before the notice is on the disk. A new one has none.
    from_ms = spool.read_ms or mark.stat().st_mtime_ns // 1_000_000
    intake.tell_lost(Lost(UNCLEAN, None, from_ms, now_ms))
    log.warning(UNCLEAN)
