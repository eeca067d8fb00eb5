"""Lines that a server has acknowledged and may not have on its disk yet: held for a while, and sent again if it died.

For a server that acknowledges first and writes later. A process that has lived for `HELD_S` after an acknowledgement
has written what it acknowledged; whether it is still the same is asked now and then, since a restart between two
requests looks like nothing at all. What is sent twice is stored once.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from frostline_cloud.store.influx import Posts
from frostline_cloud.store.line_writer import RefusedError
from frostline_core.errors import UnavailableError

HELD_S: Final = 10.0
"""VictoriaMetrics writes each 5 s unless told otherwise (`-inmemoryDataFlushInterval`), older ones each second."""
HELD_BYTES: Final = 64 * 1024 * 1024
"""Beyond it the oldest go: at a million points a second two seconds are held."""


@dataclass(frozen=True, slots=True)
class _Sent:
    at_s: float
    body: bytes


class Held:
    """Posts lines as another does; of a server that died it makes good what that may have lost.

    Args:
        posts: Posts them.
        started: When the server's process began, as text; "" where it does not say: then only failures are noticed.
            Raises UnavailableError.
        clock: Seconds that only go forward.
    """

    def __init__(self, posts: Posts, started: Callable[[], str], clock: Callable[[], float]) -> None:
        self._posts, self._started, self._clock = posts, started, clock
        self._sent: deque[_Sent] = deque()
        self._size = 0
        self._start: str | None = None
        self._looked_s = 0.0
        self._doubts = False
        self._lock = threading.Lock()

    def send(self, body: bytes) -> None:
        """Posts the lines of one request; see `line_writer.Send`."""
        with self._lock:
            if self._start is None:
                self._look(self._clock())
            self._settle()
            try:
                self._posts.send(body)
            except UnavailableError:
                self._doubts = True
                raise
            self._keep(body)

    def settle(self) -> None:
        """Sends again what the server may have lost, if it may have lost anything.

        Raises:
            UnavailableError: It does not answer.
        """
        with self._lock:
            self._settle()

    def close(self) -> None:
        """Closes the connections."""
        self._posts.close()

    def _settle(self) -> None:
        if self._sent and (now_s := self._clock()) - self._looked_s >= HELD_S:
            self._look(now_s)
        if self._doubts:
            self._again()

    def _look(self, now_s: float) -> None:
        """Asks which process it is; what the same one acknowledged long enough ago is on its disk."""
        try:
            start = self._started()
        except UnavailableError:
            self._doubts = bool(self._sent)
            raise
        if self._start not in (None, start):
            self._doubts = True
        self._start, self._looked_s = start, now_s
        while not self._doubts and self._sent and now_s - self._sent[0].at_s >= HELD_S:
            self._drop()

    def _again(self) -> None:
        self._start, self._looked_s = self._started(), self._clock()
        for each in list(self._sent):
            with suppress(RefusedError):  # it has taken it before: what it does not like is dealt with
                self._posts.send(each.body)
        now_s, bodies = self._clock(), [each.body for each in self._sent]
        self._sent = deque(_Sent(now_s, body) for body in bodies)
        self._doubts = False

    def _keep(self, body: bytes) -> None:
        self._sent.append(_Sent(self._clock(), body))
        self._size += len(body)
        while self._size > HELD_BYTES:
            self._drop()

    def _drop(self) -> None:
        self._size -= len(self._sent.popleft().body)
