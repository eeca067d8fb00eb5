"""The payload of a host's STATE message: JSON, not protobuf (specification, section 6.4.25)."""

from __future__ import annotations

import json
from dataclasses import dataclass

from frostline_core.errors import ProtocolError

_MAX_BYTES = 4096


@dataclass(frozen=True, slots=True)
class StatePayload:
    """Whether a host can take data.

    Attributes:
        online: True from its birth to its death.
        timestamp_ms: UTC milliseconds; a message older than one already seen is to be ignored.
    """

    online: bool
    timestamp_ms: int

    def encode(self) -> bytes:
        """The JSON bytes."""
        return json.dumps({"online": self.online, "timestamp": self.timestamp_ms}).encode()

    @classmethod
    def decode(cls, raw: bytes) -> StatePayload:
        """The value of a received STATE; keys that we do not know are ignored.

        Raises:
            ProtocolError: No JSON object with a Boolean `online` and a whole, non-negative `timestamp`.
        """
        if len(raw) > _MAX_BYTES:
            raise ProtocolError(f"STATE of {len(raw)} bytes; it should be under {_MAX_BYTES}")
        try:
            table = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise ProtocolError("STATE is no JSON") from error
        online = table.get("online") if isinstance(table, dict) else None
        at_ms = table.get("timestamp") if isinstance(table, dict) else None
        if not isinstance(online, bool) or type(at_ms) is not int or not 0 <= at_ms < 2**63:
            raise ProtocolError("STATE needs a Boolean 'online' and a whole number 'timestamp' (milliseconds)")
        return cls(online, at_ms)
