"""Lines that a server has acknowledged and may not have on its disk yet: held for a while, and sent again if it died.

For a server that acknowledges first and writes later. A process that has lived for `HELD_S` after an acknowledgement
has written what it acknowledged; whether it is still the same is asked now and then, since a restart between two
requests looks like nothing at all. What is sent twice is stored once.

The lines are on our own disk before anybody is told that they are stored: whoever comes after a process of ours that
died with the server finds them there (decision 14).
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from frostline_cloud.store.influx import Posts
from frostline_cloud.store.line_writer import RefusedError
from frostline_cloud.store.segment import Segment
from frostline_core.errors import FrostlineError, UnavailableError

log = logging.getLogger("frostline.store")

HELD_S: Final = 10.0
"""VictoriaMetrics writes each 5 s unless told otherwise (`-inmemoryDataFlushInterval`), older ones each second."""
HELD_BYTES: Final = 256 * 1024 * 1024
"""Beyond it the oldest go, which is said: at a million points a second some ten seconds are held."""
PART_BYTES, PART_S = HELD_BYTES // 16, 5.0
"""One file; what is held goes file by file."""


@dataclass(slots=True)
class _Part:
    """A file of what is held, and when its first and its last lines were acknowledged."""

    segment: Segment
    began_s: float
    last_s: float


class Held:
    """Posts lines as another does; of a server that died it makes good what that may have lost.

    Args:
        posts: Posts them.
        started: When the server's process began, as text; "" where it does not say: then only failures are noticed.
            Raises UnavailableError.
        clock: Seconds that only go forward.
        folder: Where lines are held; None: in files without a name, which end with this process.

    Attributes:
        again_s: When lines were last sent again; None: never.
    """

    def __init__(
        self, posts: Posts, started: Callable[[], str], clock: Callable[[], float], folder: Path | None = None
    ) -> None:
        self._posts, self._started, self._clock, self._folder = posts, started, clock, folder
        self._parts: deque[_Part] = deque()
        self._open: _Part | None = None
        self._start: str | None = None
        self._looked_s = 0.0
        self.again_s: float | None = None
        self._doubts = self._is_short = False
        self._lock = threading.Lock()
        self._disk = ThreadPoolExecutor(1, "held")

    def send(self, body: bytes) -> None:
        """Posts the lines of one request; see `line_writer.Send`."""
        with self._lock:
            self._settle()
            segment = self._room(len(body))
            segment.append(body)
            syncing = self._disk.submit(segment.sync)  # beside the request: both wait
            try:
                self._posts.send(body)
                syncing.result()
            except (FrostlineError, RefusedError) as error:
                with suppress(UnavailableError):
                    syncing.result()
                segment.take_back(body)
                self._doubts = self._doubts or isinstance(error, UnavailableError)
                raise

    def settle(self) -> None:
        """Sends again what the server may have lost, if it may have lost anything.

        Raises:
            UnavailableError: It does not answer.
        """
        with self._lock:
            self._settle()

    def close(self) -> None:
        """Closes the connections; what is held is left to whoever comes next."""
        self._disk.shutdown()
        self._posts.close()
        while self._parts:
            self._parts.popleft().segment.close()

    def _settle(self) -> None:
        now_s = self._clock()
        if self._start is None or (self._parts and now_s - self._looked_s >= HELD_S):
            self._look(now_s)
        if self._doubts:
            self._again()

    def _look(self, now_s: float) -> None:
        """Asks which process it is; what the same one acknowledged long enough ago is on its disk."""
        self._take_over(now_s)
        try:
            start = self._started()
        except UnavailableError:
            self._doubts = bool(self._parts)
            raise
        self._doubts = self._doubts or any(each.segment.start != start for each in self._parts)
        self._start, self._looked_s = start, now_s
        while not self._doubts and self._parts and now_s - self._parts[0].last_s >= HELD_S:
            self._drop()

    def _take_over(self, now_s: float) -> None:
        """What a process of ours held that has ended: nobody knows when, so all of it was acknowledged just now."""
        for segment in Segment.left_behind(self._folder):
            self._parts.appendleft(_Part(segment, now_s, now_s))
            self._doubts = self._doubts or not segment.start

    def _again(self) -> None:
        self._start, self._looked_s = self._started(), self._clock()
        for each in self._parts:
            for body in each.segment.bodies():
                with suppress(RefusedError):  # it has taken it before: what it does not like is dealt with
                    self._posts.send(body)
        now_s = self._clock()
        for each in self._parts:
            each.segment.start, each.last_s = self._start, now_s
        if self._parts:
            self.again_s = now_s
        self._open, self._doubts = None, False

    def _room(self, size: int) -> Segment:
        """The file for further lines of the server as it is."""
        now_s, part = self._clock(), self._open
        if part is None or part.segment.size + size > PART_BYTES or now_s - part.began_s >= PART_S:
            part = self._open = _Part(Segment.begin(self._folder, self._start or ""), now_s, now_s)
            self._parts.append(part)
        part.last_s = now_s
        while len(self._parts) > 1 and sum(each.segment.size for each in self._parts) + size > HELD_BYTES:
            if not self._is_short:
                text = "more than %d MiB in %.0f s: if the store's server dies now, what it had not written is missing"
                log.warning(text, HELD_BYTES // 1024**2, HELD_S)
            self._is_short = True
            self._drop()
        return part.segment

    def _drop(self) -> None:
        part = self._parts.popleft()
        if part is self._open:
            self._open = None
        part.segment.drop()
