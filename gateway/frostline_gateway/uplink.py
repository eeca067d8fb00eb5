"""The uplink: spool to cloud, one Sparkplug session after another, for as long as the gateway runs.

Sequence of a session: bdSeq on disk, CONNECT with NDEATH as will, SUBSCRIBE, wait for the host's STATE online, NBIRTH
and DBIRTHs, wait for what the host has already, then rows. A host that goes offline ends the session: the gateway keeps
on writing to its own disk. Nothing here decides what is deleted; that is `frostline_core.commit`.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from frostline_core.commit import GatewayCommit, GatewayLimits, run_text
from frostline_core.errors import FrostlineError, ProtocolError, UnavailableError
from frostline_core.reading import Lane
from frostline_core.sparkplug import EdgeSession, Refused, WriteAsked
from frostline_gateway.devices import Devices
from frostline_gateway.spool import Spool
from frostline_gateway.uplink_births import Births
from frostline_gateway.uplink_config import UplinkConfig
from frostline_gateway.uplink_parts import Clocks, Parts, Signals, in_thread
from frostline_gateway.uplink_session import Session
from frostline_gateway.uplink_waits import Conflict, Waits

log = logging.getLogger("frostline.uplink")

COMMANDS_MAX = 100
"""Commands waiting to be followed; beyond it they are dropped and counted: a host sends again what matters."""
_REMEMBER_AGAIN_S = 5.0
_LOOK_S = 5.0

SYSTEM_CLOCKS = Clocks(lambda: time.time_ns() // 1_000_000, lambda: time.monotonic_ns() // 1_000_000)


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """One lane: rows it may have under way and has under way, and how old its oldest row is (None: it has none)."""

    window: int
    in_flight: int
    oldest_age_ms: int | None


@dataclass(frozen=True, slots=True)
class UplinkStatus:
    """How the uplink fares.

    Attributes:
        connected: The broker has accepted us.
        born: Births are out.
        host_online: The host says that it can persist.
        proved: Rows leave the spool when the cloud's database has them; False: when the broker took them.
        lanes: By lane.
        reconnects: Sessions after the first.
        identity_conflicts: How often another client seemed to use our identity.
        commands_dropped: Commands that came faster than they could be read, in this session, or followed.
        last_error: What ended the last session; "" since the births of this one.
    """

    connected: bool
    born: bool
    host_online: bool
    proved: bool
    lanes: Mapping[Lane, LaneStatus]
    reconnects: int
    identity_conflicts: int
    commands_dropped: int
    last_error: str


class Uplink:
    """Brings the spool's rows to the host, and the host's commands to the gateway.

    Args:
        config: Where the broker is.
        site: Sparkplug group.
        node: Sparkplug edge node.
        spool: The rows.
        devices: The devices of now, for births; call `device_changed` when one is born or dies.
        on_command: Follows a write, or counts a refusal; one at a time, away from the session.
        clocks: Time.
        chance: Evenly spread over [0, 1).
    """

    def __init__(  # noqa: PLR0913  # the wiring hands over each part once
        self,
        config: UplinkConfig,
        site: str,
        node: str,
        spool: Spool,
        devices: Devices,
        on_command: Callable[[WriteAsked | Refused], Awaitable[None]],
        *,
        clocks: Clocks = SYSTEM_CLOCKS,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._config, self._site, self._node = config, site, node
        self._spool, self._devices, self._on_command = spool, devices, on_command
        self._clocks = clocks
        self._waits = Waits(chance)
        self._commands: asyncio.Queue[WriteAsked | Refused] = asyncio.Queue(COMMANDS_MAX)
        self._signals = Signals(self._command, self._born, self._copied)
        self._to_remember: set[str] = set()
        self._remember = asyncio.Event()
        limits = GatewayLimits(backlog_per_s=config.backlog_messages_per_s, burst_ms=round(config.burst_s * 1000))
        commit = GatewayCommit(spool, chance, clocks.utc_ms(), limits)
        self._parts = Parts(config, spool, commit, Births(devices, spool), clocks, self._signals, chance)
        self._session: Session | None = None
        self._sessions = 0
        self._dropped = 0
        self._last_error = ""
        self._conflict = Conflict()
        self._on_conflict: Callable[[bool, Mapping[str, object]], None] = lambda *_: None

    def device_changed(self, device: str) -> None:
        """A device was born, died, or has other metrics than before. On the event loop only."""
        self._signals.changed.add(device)
        self._signals.wake.set()
        self._to_remember.add(device)
        self._remember.set()

    def on_conflict(self, told: Callable[[bool, Mapping[str, object]], None]) -> None:
        """Calls that with true whenever another client seems to use our identity, and with false when none does.

        On the event loop. The first time that is certain counts as well: who was told by a process before this one
        that there is another must hear that there is none.
        """
        self._on_conflict = told

    def status(self) -> UplinkStatus:
        """How the uplink fares now; from any thread."""
        session, now_ms = self._session, self._clocks.utc_ms()
        return UplinkStatus(
            connected=session is not None and session.connected,
            born=session is not None and session.born,
            host_online=session is not None and session.host_online,
            proved=self._config.proof == "commit",
            lanes={
                lane: LaneStatus(each.window, each.in_flight, now_ms - each.oldest_ms if each.oldest_ms else None)
                for lane, each in self._parts.commit.lanes().items()
            },
            reconnects=max(0, self._sessions - 1),
            identity_conflicts=self._waits.conflicts,
            commands_dropped=self._dropped + (session.dropped if session is not None else 0),
            last_error=self._last_error,
        )

    async def run(self) -> None:
        """Runs until cancelled; then says goodbye (NDEATH) and returns within a few seconds.

        Raises:
            ConfigError: A secret or certificate cannot be read.
        """
        loop = asyncio.get_running_loop()

        def appended() -> None:
            with suppress(RuntimeError):  # the loop is gone when the last rows are written
                loop.call_soon_threadsafe(self._signals.wake.set)

        self._spool.listen(appended)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._run_sessions(), name="uplink-sessions")
                tasks.create_task(self._run_commands(), name="uplink-commands")
                tasks.create_task(self._run_remember(), name="uplink-devices")
                tasks.create_task(self._run_conflict(), name="uplink-identity")
        except ExceptionGroup as group:  # whoever supervises decides by the error's type
            raise group.exceptions[0] from group

    async def _run_sessions(self) -> None:
        while True:
            try:
                await self._run_session()
            except (UnavailableError, ProtocolError) as error:
                self._failed(str(error))
            await asyncio.sleep(self._wait_ms() / 1000)

    async def _run_session(self) -> None:
        self._session = None
        bd_seq = await in_thread(self._spool.next_bd_seq)
        proved = self._config.proof == "commit"
        edge = EdgeSession(self._site, self._node, bd_seq, self._config.host_id, proved=proved)
        edge.deflates = self._config.compression == "deflate"
        self._sessions += 1
        self._session = Session(self._parts, edge, self._config.client_id or f"frostline-{self._site}-{self._node}")
        await self._session.run()
        self._failed("the host is offline")

    def _born(self) -> None:
        if self._last_error:
            log.info("uplink: the session stands, rows go out")
        self._last_error = ""

    def _copied(self, run: int) -> None:
        """This disk is an image of one that lived on, or was copied: whoever looks after the gateway must know."""
        self._conflict.suspected(self._clocks.steady_ms())
        self._on_conflict(True, {"copied_run": run_text(run)})

    def _failed(self, why: str) -> None:
        if why != self._last_error:
            log.warning("uplink: %s; readings stay in the spool", why)
        self._last_error = why

    def _wait_ms(self) -> int:
        """How long until the next session."""
        session = self._session
        accepted_ms, cut = (session.accepted_ms, session.cut) if session is not None else (None, False)
        wait_ms = self._waits.after(self._clocks.steady_ms(), accepted_ms, cut)
        if self._waits.suspects:
            log.error(
                "the broker ended three sessions of %s/%s within a minute: does another gateway use this identity, or a"
                " copy of this disk? Waiting %d s",
                self._site,
                self._node,
                wait_ms // 1000,
            )
            self._conflict.suspected(self._clocks.steady_ms())
            self._on_conflict(True, {"conflicts": self._waits.conflicts, "wait_ms": wait_ms})
        return wait_ms

    async def _run_conflict(self) -> None:
        """Tells when a conflict is over."""
        while True:
            await asyncio.sleep(_LOOK_S)
            session = self._session
            accepted_ms = session.accepted_ms if session is not None and session.connected else None
            if self._conflict.is_over(self._clocks.steady_ms(), accepted_ms):
                conflicts = self._waits.conflicts
                self._on_conflict(False, {"conflicts": conflicts, "over": True} if conflicts else {})

    def _command(self, command: WriteAsked | Refused) -> None:
        try:
            self._commands.put_nowait(command)
        except asyncio.QueueFull:
            self._dropped += 1

    async def _run_commands(self) -> None:
        while True:
            command = await self._commands.get()
            try:
                await self._on_command(command)
            except FrostlineError as error:
                log.warning("a command could not be followed: %s", error)

    async def _run_remember(self) -> None:
        """Writes down what devices are, so that rows can be declared after the devices are gone."""
        while True:
            await self._remember.wait()
            self._remember.clear()
            while self._to_remember:
                device = self._to_remember.pop()
                birth = self._devices.get(device)
                if birth is None:
                    continue
                try:
                    await in_thread(partial(self._spool.remember, birth.description))
                except UnavailableError:
                    self._to_remember.add(device)
                    self._remember.set()
                    await asyncio.sleep(_REMEMBER_AGAIN_S)
