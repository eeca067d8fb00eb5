"""STATE: what the gateways are told of us. It means "able to persist", which the gate decides."""

from __future__ import annotations

import logging
from collections.abc import Callable

from frostline_cloud.ingest.broker import Broker
from frostline_cloud.ingest.config import IngestConfig
from frostline_cloud.ingest.gate import PersistGate
from frostline_cloud.ingest.status import IngestStatus
from frostline_core.errors import UnavailableError
from frostline_core.moment import Moment
from frostline_core.sparkplug import HostSession

log = logging.getLogger("frostline.ingest")


class Presence:
    """Online or offline, and why; says so whenever it changes.

    Args:
        publish: The session that words it, and the broker that carries it.
        check: Raises UnavailableError unless store and SQL can write.
        config: When to say offline, and when online again.
        status: Where people look.
        clock: The time.
    """

    def __init__(
        self,
        publish: tuple[HostSession, Broker],
        check: Callable[[], None],
        config: IngestConfig,
        status: IngestStatus,
        clock: Callable[[], Moment],
    ) -> None:
        self._session, self._broker = publish
        self._check, self._status, self._clock = check, status, clock
        self._offline_after_s = config.offline_after_s
        self._gate = PersistGate(config.offline_after_s, config.online_after_s)

    @property
    def open(self) -> bool:
        """Whether we may say online."""
        return self._gate.open

    @property
    def failing(self) -> bool:
        """Whether the last try failed, though we still say online."""
        return self._gate.failing

    @property
    def reason(self) -> str:
        """Why not online; "" when we are."""
        return self._gate.reason

    def probe(self, now: Moment) -> None:
        """Tries store and SQL, for better or worse."""
        try:
            self._check()
        except UnavailableError as error:
            self.failed(now, str(error))
        else:
            self.succeeded(now)

    def doubt(self) -> None:
        """Looks whether an outage goes on: gateways that wait longer and longer before they send again do not tell.

        Only a flush ends it, since a probe may pass where data does not.
        """
        began_ms = self._clock().steady_ms
        try:
            self._check()
        except UnavailableError as error:
            self.failed(self._clock(), str(error), began_ms)

    def waits(self, now: Moment, since_ms: int) -> None:
        """A write that began then (steady) has not ended; one that takes as long as an outage is one."""
        if now.steady_ms - since_ms >= self._offline_after_s * 1000:
            self.failed(now, "the store does not answer", since_ms)

    def failed(self, now: Moment, reason: str, since_ms: int | None = None) -> None:
        """Store or SQL could not write; the attempt began at `since_ms` (steady)."""
        if self._status.notes.get("persist") != reason:
            log.warning("cannot persist: %s", reason)
            self._status.notes["persist"] = reason
        if self._gate.failed(now.steady_ms, reason, since_ms):
            log.error("cannot persist for %.0f s: STATE offline, gateways buffer: %s", self._offline_after_s, reason)
            self.say(now.utc_ms)

    def succeeded(self, now: Moment) -> None:
        """Store and SQL have taken something."""
        self._status.notes.pop("persist", None)
        if self._gate.succeeded(now.steady_ms):
            log.info("store and SQL can write: STATE online")
            self.say(now.utc_ms)

    def say(self, now_ms: int) -> None:
        """Publishes what holds now, if there is a session."""
        if self._status.connected:
            session = self._session
            said = session.online(now_ms) if self._gate.open else session.pause(now_ms)
            self._broker.publish(said.topic, said.payload, said.qos, said.retain)
