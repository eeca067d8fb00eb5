"""The gate: STATE means "able to persist". Pure: time is passed in, by a clock that only goes forward.

Failing for `offline_after_s` closes it (gateways then keep everything on their own disks), succeeding for
`online_after_s` opens it again. It starts open or closed as the first probe says.
"""

from __future__ import annotations


class PersistGate:
    """Whether this host may say that it is online."""

    def __init__(self, offline_after_s: float, online_after_s: float) -> None:
        self._offline_after_ms = offline_after_s * 1000
        self._online_after_ms = online_after_s * 1000
        self.open = False
        self.reason = "not probed yet"
        self._tried = False
        self._failing_since: int | None = None
        self._well_since: int | None = None

    @property
    def failing(self) -> bool:
        """Open, though the last write failed: whether that is an outage is still to be found out."""
        return self.open and self._failing_since is not None

    def succeeded(self, now_ms: int) -> bool:
        """Store and SQL have taken a write, or a probe; True when that opens the gate."""
        self._failing_since = None
        if self.open:
            return False
        if self._well_since is None:
            self._well_since = now_ms
        if self._tried and now_ms - self._well_since < self._online_after_ms:
            return False
        self._tried = self.open = True
        self.reason = ""
        return True

    def failed(self, now_ms: int, reason: str, since_ms: int | None = None) -> bool:
        """Store or SQL could not write; True when that closes the gate.

        Args:
            now_ms: When that was known.
            reason: Why.
            since_ms: When the attempt began, if that was earlier: one that hangs is an outage from its start.
        """
        self._well_since, self._tried = None, True
        self.reason = reason
        if self._failing_since is None:
            self._failing_since = now_ms if since_ms is None else since_ms
        if not self.open or now_ms - self._failing_since < self._offline_after_ms:
            return False
        self.open = False
        return True
