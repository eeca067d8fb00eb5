"""One session of the uplink: connect, wait for the host, births, then rows as the commit protocol says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from frostline_core.commit import Commit, Send, Verdict, run_text, unpack_commits
from frostline_core.commit.account import ACCOUNT, pack_account
from frostline_core.errors import ProtocolError, UnavailableError
from frostline_core.sparkplug import (
    CommitCame,
    EdgeSession,
    HostState,
    Metric,
    RebirthAsked,
    Refused,
    UndeclaredError,
)
from frostline_gateway.uplink_mqtt import Link
from frostline_gateway.uplink_parts import Parts, in_thread
from frostline_gateway.uplink_rows import RowMessages
from frostline_gateway.uplink_waits import Turn

log = logging.getLogger("frostline.uplink")

REST_MOST_S = 1.0
SENDS_MOST = 64
"""Rows read from the spool at once, so that commits and commands are looked at in between."""
REBIRTH_LEAST_MS = 1_000
"""Births at most once in this time, whoever asks; data waits as long."""
ACCOUNT_EVERY_MS = 300_000
"""The cloud is told our account after births, and so often; not before the next burst where those are apart."""
ACCOUNT_DAYS = 3


class Session:
    """From CONNECT to the end of the connection, or until the host goes offline. Used once.

    Args:
        parts: Of the uplink.
        edge: Sparkplug's side, with its own bdSeq.
        client_id: At the broker.
    """

    def __init__(self, parts: Parts, edge: EdgeSession, client_id: str) -> None:
        self._parts, self._edge = parts, edge
        self._messages = RowMessages(edge, parts.births, parts.clocks.utc_ms)
        self._link = Link(parts.config, client_id, edge.will(), parts.signals.wake.set)
        self._our_turn = Turn(parts.chance)
        self._born_at_ms: int | None = None
        self._born_spool = 0
        self._unhanded: dict[int, Commit] = {}
        self._came: list[Commit] = []
        self._alarms: set[int] = set()
        self._copies: list[int] = []
        self._told_at_ms: int | None = None
        self._to_tell = ""
        self.accepted_ms: int | None = None

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us and the connection stands."""
        return self._link.accepted and not self._link.lost

    @property
    def born(self) -> bool:
        """Whether births are out."""
        return self._edge.born and self.connected

    @property
    def host_online(self) -> bool:
        """Whether the host says that it can persist."""
        return self._edge.host_online and self.connected

    @property
    def cut(self) -> bool:
        """Whether the broker accepted us and the connection was lost."""
        return self._link.accepted and bool(self._link.lost)

    @property
    def dropped(self) -> int:
        """Messages that came faster than they could be read."""
        return self._link.dropped

    async def run(self) -> None:
        """Runs the session; returns when the host went offline after the births.

        Raises:
            UnavailableError: The broker does not answer, refuses us, or the connection is lost.
        """
        try:
            await self._link.open()
            self.accepted_ms = self._parts.clocks.steady_ms()
            await self._link.subscribe(self._edge.subscriptions())
            while await self._turn():
                self._tell_copies()
                await self._rest()
        finally:
            self._tell_copies()
            self._parts.commit.session_ended()
            last = self._edge.death(self._parts.clocks.utc_ms()) if self._edge.born else None
            await self._link.close(last)

    async def _turn(self) -> bool:
        """Looks at everything once; False when the host is gone."""
        self._parts.signals.wake.clear()
        self._hear()
        if self._link.lost:
            raise UnavailableError(self._link.lost)
        if not self._edge.may_birth or self._birth_wait_ms():
            await in_thread(self._apply)
            return not self._edge.born
        if await self._births():
            sends = await in_thread(self._apply_and_choose)
            self._hear()
            if self._edge.may_birth and not self._parts.signals.rebirth:
                self._tell()
                self._send_rows(sends)  # else no DATA until the next births; the rows will be chosen again
        else:
            await in_thread(self._apply)
        return True

    async def _rest(self) -> None:
        now = self._parts.clocks.steady_ms()
        wake_ms = self._parts.commit.wake_ms(now)
        rest_s = REST_MOST_S if wake_ms is None else min(REST_MOST_S, max(wake_ms - now, 0) / 1000)
        if self._birth_wait_ms():
            rest_s = min(rest_s, self._birth_wait_ms() / 1000)
        try:
            async with asyncio.timeout(rest_s):
                await self._parts.signals.wake.wait()
        except TimeoutError:
            return

    def _birth_wait_ms(self) -> int:
        """Until it is our turn among all that heard the host come back."""
        return 0 if self._edge.born else self._our_turn.wait_ms(self._parts.clocks.steady_ms())

    # ---- what comes
    def _hear(self) -> None:
        while (message := self._link.received()) is not None:
            for command in self._edge.receive(message.topic, message.payload, self._parts.clocks.utc_ms()):
                if isinstance(command, CommitCame):
                    self._commits(command.raw)
                elif isinstance(command, RebirthAsked):
                    self._parts.signals.rebirth = True
                elif isinstance(command, HostState):
                    log.debug("host is %s", "online" if command.online else "offline")
                    self._our_turn.heard(command.online, self._parts.clocks.steady_ms())
                else:
                    self._parts.signals.commands(command)
        while (handed := self._link.handed()) is not None:
            if handed in self._unhanded:
                self._came.append(self._unhanded.pop(handed))

    def _commits(self, raw: bytes) -> None:
        try:
            self._came += unpack_commits(raw)
        except ProtocolError as error:
            self._parts.signals.commands(Refused("NCMD", raw, str(error)))

    def _apply(self) -> None:
        """Does what the commits say that came since the last look; touches the disk."""
        came, self._came = self._came, []
        for commit in came:
            try:
                verdict = self._parts.commit.on_commit(commit, self._parts.clocks.steady_ms())
            except UnavailableError as error:  # the host will say it again when it sees the rows again
                log.warning("committed rows stay in the spool for now: %s", error)
                continue
            if verdict in (Verdict.IMPOSSIBLE, Verdict.IMAGE) and commit.run not in self._alarms:
                self._alarms.add(commit.run)
                self._copies.append(commit.run)
                log.error("commit %d of run %s is %s: is this disk a copy?", commit.n, run_text(commit.run), verdict)

    def _tell_copies(self) -> None:
        while self._copies:
            self._parts.signals.copied(self._copies.pop())

    # ---- what goes
    async def _births(self) -> bool:
        """Births that are due; False while they have to wait, and data with them."""
        signals, spool = self._parts.signals, self._parts.spool
        if not self._edge.born or signals.rebirth or spool.spool_id != self._born_spool:
            return await self._birth()
        while signals.changed:
            self._device(signals.changed.pop())
        return True

    async def _birth(self) -> bool:
        now = self._parts.clocks.steady_ms()
        if self._born_at_ms is not None and now - self._born_at_ms < REBIRTH_LEAST_MS:
            return False
        self._parts.commit.session_ended()
        self._parts.signals.rebirth = False
        self._told_at_ms = None
        self._parts.signals.changed.clear()
        self._born_spool = self._parts.spool.spool_id
        runs = self._parts.commit.announcement() if self._edge.proved else None
        utc = self._parts.clocks.utc_ms()
        for message in self._edge.birth(utc, self._parts.births.node(runs), self._parts.births.live()):
            self._link.publish(message)
        self._born_at_ms = now
        self._parts.signals.born()
        await in_thread(lambda: self._parts.commit.session_started(now, utc))
        return True

    def _device(self, device: str) -> None:
        if self._parts.births.answers(device):
            self._link.publish(self._edge.device_birth(self._parts.clocks.utc_ms(), self._parts.births.of(device)))
            return
        try:
            self._link.publish(self._edge.device_death(self._parts.clocks.utc_ms(), device))
        except UndeclaredError:
            return  # it was born and died between two looks

    def _send_rows(self, sends: Sequence[Send]) -> None:
        for send in sends:
            messages = self._messages.of(send)
            if not messages:  # the node's birth comes first; the rows will be chosen again
                self._parts.signals.rebirth = True
                self._parts.signals.wake.set()
                break
            mid = [self._link.publish(message) for message in messages][-1]
            if not self._edge.proved:
                self._unhanded[mid] = Commit(send.mark.run, send.mark.n)
        if len(sends) == SENDS_MOST:
            self._parts.signals.wake.set()  # there may be more; else a row, a commit or a timer wakes us

    def _apply_and_choose(self) -> list[Send]:
        """Both in one go: changing threads costs more than either."""
        self._apply()
        self._look_at_account()
        return self._choose()

    def _look_at_account(self) -> None:
        """Reads the account when the cloud is to be told of it; a disk that does not answer is told of elsewhere."""
        now, every_ms = self._parts.clocks.steady_ms(), max(ACCOUNT_EVERY_MS, int(self._parts.config.burst_s * 1000))
        if not self._edge.proved or (self._told_at_ms is not None and now - self._told_at_ms < every_ms):
            return
        self._told_at_ms = now
        try:
            self._to_tell = pack_account(self._parts.spool.told(ACCOUNT_DAYS))
        except UnavailableError as error:
            log.debug("the account cannot be read: %s", error)

    def _tell(self) -> None:
        if self._to_tell:
            told, self._to_tell = Metric(ACCOUNT, value=self._to_tell), ""
            self._link.publish(self._edge.data(self._parts.clocks.utc_ms(), "", [told]))

    def _choose(self) -> list[Send]:
        commit, clocks = self._parts.commit, self._parts.clocks
        commit.tick(clocks.steady_ms())
        sends: list[Send] = []
        while len(sends) < SENDS_MOST:
            send = commit.next(clocks.steady_ms(), clocks.utc_ms())
            if send is None:
                break
            sends.append(send)
        return sends
