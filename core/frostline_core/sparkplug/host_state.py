"""The host application's STATE: what it says of itself, with which time, and what it hears of itself."""

from __future__ import annotations

from frostline_core.sparkplug.envelope import Outgoing
from frostline_core.sparkplug.events import StateWrong
from frostline_core.sparkplug.state import StatePayload
from frostline_core.sparkplug.topics import state_topic


class HostState:
    """STATE of one host id; lives through reconnects."""

    def __init__(self, host_id: str) -> None:
        self._host_id = host_id
        self._state_ms = 0
        self._seen_ms = 0
        self._said: StatePayload | None = None
        self._left = False

    def will(self, now_ms: int) -> Outgoing:
        """STATE for the broker to publish when we are cut off; to be made anew for every CONNECT.

        Its time is now, or that of a newer STATE seen under our id (our clock was set back, or there is a second host):
        nodes ignore whatever is older than what they have seen, and would wait for ever.
        """
        self._state_ms = max(now_ms, self._seen_ms)
        self._said = None
        self._left = False
        return self._state(StatePayload(False, self._state_ms))

    def online(self, now_ms: int) -> Outgoing:
        """STATE: we can take data. Its time is the will's, so that nodes heed the will later on.

        Where a newer STATE was seen under our id, its time is that one's, or no node would listen; the will is then
        without effect until the next connection.

        Raises:
            ValueError: There is no will yet, or `offline` was said since: connect anew, with a new will.
        """
        del now_ms  # host-topic-phid-birth-payload-timestamp: the time of the will, whatever the clock says now.
        if not self._state_ms or self._left:
            raise ValueError(
                "online needs a new connection with a new will: its time must not be newer than the will's"
            )
        return self._say(StatePayload(True, max(self._state_ms, self._seen_ms)))

    def pause(self, now_ms: int) -> Outgoing:
        """STATE: we stay connected but cannot take data (store or SQL is away); `online` ends it."""
        del now_ms  # A newer time than the will's would make nodes deaf to the will.
        return self._say(StatePayload(False, max(self._state_ms, self._seen_ms)))

    def offline(self, now_ms: int) -> Outgoing:
        """STATE: we are about to disconnect; with the time of now, as a clean stop needs."""
        self._left = True
        return self._say(StatePayload(False, max(now_ms, self._state_ms, self._seen_ms)))

    def heard(self, host: str, raw: bytes) -> list[StateWrong]:
        """The broker brings a host's STATE; another host's means nothing.

        Raises:
            ProtocolError: Ours, and malformed.
        """
        if host != self._host_id:
            return []
        seen = StatePayload.decode(raw)
        self._seen_ms = max(self._seen_ms, seen.timestamp_ms)
        if self._said is None or self._left:
            return []
        return [] if seen.online is self._said.online else [StateWrong(seen)]

    def _state(self, said: StatePayload) -> Outgoing:
        return Outgoing(state_topic(self._host_id), said.encode(), 1, True)

    def _say(self, said: StatePayload) -> Outgoing:
        self._said = said
        return self._state(said)
