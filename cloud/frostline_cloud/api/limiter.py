"""Failed log-ins per address: after too many, an address waits."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from threading import Lock


@dataclass
class FailureLimit:
    """Counts failures per address in a sliding window; safe from any thread.

    Attributes:
        most: Failures allowed in the window.
        window_ms: Length of the window.
        addresses: Addresses remembered; at the bound the one that failed longest ago is forgotten.
    """

    most: int = 10
    window_ms: int = 60_000
    addresses: int = 10_000
    _failures: OrderedDict[str, deque[int]] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def wait_ms(self, address: str, now_ms: int) -> int:
        """How long this address must wait before it may try again; 0 when it may."""
        with self._lock:
            times = self._failures.get(address)
            if times is None or len(times) < self.most:
                return 0
            return max(0, times[0] + self.window_ms - now_ms)

    def failed(self, address: str, now_ms: int) -> None:
        """Notes a failure."""
        with self._lock:
            times = self._failures.setdefault(address, deque(maxlen=self.most))
            times.append(now_ms)
            self._failures.move_to_end(address)
            while len(self._failures) > self.addresses:
                self._failures.popitem(last=False)
