"""What other threads want of ingest: small errands, done on its own thread between two turns of its loop.

Only ingest has the broker's session and the births, and neither is for several threads.
"""

from __future__ import annotations

import json
import queue
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

from frostline_core.errors import FrostlineError, UnavailableError
from frostline_core.sparkplug import HostSession, Metric

REFETCH: Final = "Frostline/Refetch"
"""Node metric (String, JSON) that a gateway declares when it can send a span of time again."""
MOST_WAITING: Final = 100
WAIT_S: Final = 10.0


class NotPossibleError(FrostlineError):
    """The gateway cannot do that now; the message says why, and asking again changes nothing by itself."""


@dataclass(frozen=True, slots=True)
class Refetch:
    """A span of time that a gateway is to send again, as far as it still has it.

    Attributes:
        site: Its site.
        node: The gateway.
        from_ms: Measured not before, UTC milliseconds.
        to_ms: Measured before.
        device: Only this device; "" is all of them.
    """

    site: str
    node: str
    from_ms: int
    to_ms: int
    device: str = ""

    def to_json(self) -> str:
        """The value of `Frostline/Refetch`."""
        told: dict[str, object] = {"from_ms": self.from_ms, "to_ms": self.to_ms}
        if self.device:
            told["device"] = self.device
        return json.dumps(told)


def refetch_command(session: HostSession, wanted: Refetch, now_ms: int) -> tuple[str, bytes]:
    """Topic and payload of the command.

    Raises:
        NotPossibleError: The gateway is not known, not online, or does not offer that.
    """
    where, view = f"{wanted.site}/{wanted.node}", session.node(wanted.site, wanted.node)
    if view is None or not view.online:
        raise NotPossibleError(f"{where} is not online")
    if ("", REFETCH) not in view.by_name:
        raise NotPossibleError(f"{where} does not offer to send anything again")
    return session.command(wanted.site, wanted.node, "", [Metric(REFETCH, value=wanted.to_json())], now_ms)


@dataclass(frozen=True, slots=True)
class Retirement:
    """A device that is gone for good: sold, renamed, replaced under another name.

    Attributes:
        site: Its site.
        node: Its gateway.
        device: The device; None is the gateway with all its devices.
        who: Who says so.
    """

    site: str
    node: str
    device: str | None
    who: str


def must_be_offline(session: HostSession, wanted: Retirement) -> None:
    """Whoever is heard is not gone.

    Raises:
        NotPossibleError: It is online.
    """
    view = session.node(wanted.site, wanted.node)
    if view is None or not view.online:
        return
    if wanted.device is None:
        raise NotPossibleError(f"{wanted.site}/{wanted.node} is online: stop the gateway first")
    found = view.devices.get(wanted.device)
    if found is not None and found.online:
        where = f"{wanted.site}/{wanted.node}/{wanted.device}"
        raise NotPossibleError(f"{where} is online: take it out of the gateway's config first")


class Errands:
    """A bounded queue of work; whoever asks waits for the result.

    Args:
        wake: Ends ingest's sleep.
        most: How many may wait.
    """

    def __init__(self, wake: Callable[[], None], most: int = MOST_WAITING) -> None:
        self._wake = wake
        self._waiting: queue.Queue[tuple[Future[None], Callable[[], None]]] = queue.Queue(most)

    def ask(self, work: Callable[[], None], wait_s: float = WAIT_S) -> None:
        """Has `work` done on ingest's thread, and raises what it raises.

        Raises:
            UnavailableError: Too many are waiting, or ingest has not come to it in time; it will not be done then.
        """
        future: Future[None] = Future()
        try:
            self._waiting.put_nowait((future, work))
        except queue.Full as error:
            raise UnavailableError(f"{self._waiting.maxsize} commands are waiting for ingest already") from error
        self._wake()
        try:
            future.result(wait_s)
        except TimeoutError as error:
            if future.cancel():
                raise UnavailableError(f"ingest was busy for {wait_s:.0f} s; nothing was sent") from error
            future.result()  # it has just begun, and takes no time

    def run(self) -> None:
        """Does everything that waits; called by ingest's thread."""
        while True:
            try:
                future, work = self._waiting.get_nowait()
            except queue.Empty:
                return
            if not future.set_running_or_notify_cancel():
                continue
            try:
                work()
            except FrostlineError as error:
                future.set_exception(error)
            else:
                future.set_result(None)
