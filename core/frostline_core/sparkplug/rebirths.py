"""Whom to ask for a rebirth, and when: births cost a node and the host most, and a storm of them feeds itself."""

from __future__ import annotations

from collections.abc import Iterator

NodeKey = tuple[str, str]
"""Group and node."""
_MOST_NODES = 10_000


class Rebirths:
    """At most one request to a node in an interval, and a bounded rate to all of them together.

    Every `now_ms` is of one clock, which only goes forward.
    """

    def __init__(self, interval_ms: int, rate_per_s: float) -> None:
        """Nothing is wanted yet; the first second's worth of requests may go at once."""
        self._interval_ms = interval_ms
        self._rate_per_s = rate_per_s
        self._tokens = rate_per_s
        self._filled_ms: int | None = None
        self._wanted: dict[NodeKey, str] = {}
        self._asked_ms: dict[NodeKey, int] = {}

    def want(self, key: NodeKey, reason: str, now_ms: int) -> bool:
        """Whether to ask now; else `due` says so later. At 10,000 nodes waiting, a new one has to come again."""
        if key in self._wanted or len(self._wanted) < _MOST_NODES:
            self._wanted[key] = reason
        return key in self._wanted and self._ask(key, now_ms)

    def born(self, key: NodeKey) -> None:
        """The node's births came."""
        self._wanted.pop(key, None)

    def due(self, now_ms: int) -> Iterator[tuple[NodeKey, str]]:
        """The nodes that had to wait and may be asked now, with the reason."""
        for key, reason in list(self._wanted.items()):
            if self._ask(key, now_ms):
                yield key, reason
        if len(self._asked_ms) > _MOST_NODES:
            self._asked_ms = {key: at for key, at in self._asked_ms.items() if now_ms - at < self._interval_ms}

    def _ask(self, key: NodeKey, now_ms: int) -> bool:
        asked_ms = self._asked_ms.get(key)
        if asked_ms is not None and now_ms - asked_ms < self._interval_ms:
            return False
        passed_s = 0.0 if self._filled_ms is None else (now_ms - self._filled_ms) / 1000
        self._tokens = min(self._rate_per_s, self._tokens + passed_s * self._rate_per_s)
        self._filled_ms = now_ms
        if self._tokens < 1:
            return False
        self._tokens -= 1
        self._asked_ms[key] = now_ms
        del self._wanted[key]
        return True
