"""A broker that drops QoS 0 messages when too much waits, as one connection's receiver sees it."""

from __future__ import annotations

from collections.abc import Callable

_PUBLISH, _QOS_BITS = 0x30, 0x06
_MOST_LENGTH_BYTES = 4


class Qos0Dropper:
    """Cuts QoS 0 PUBLISH packets out of an MQTT stream when `drops` says so; every other packet passes.

    Packet format: MQTT 3.1.1, section 2.2 (fixed header: type and flags, then the remaining length in 1 to 4 bytes).

    Args:
        drops: Asked once for each such packet.
    """

    def __init__(self, drops: Callable[[], bool]) -> None:
        self._drops = drops
        self._rest = b""

    def __call__(self, chunk: bytes) -> bytes:
        """Takes what came, and returns the whole packets that pass."""
        self._rest += chunk
        kept = bytearray()
        while (size := _packet_size(self._rest)) is not None and size <= len(self._rest):
            packet, self._rest = self._rest[:size], self._rest[size:]
            first = packet[0]
            if first & 0xF0 != _PUBLISH or first & _QOS_BITS or not self._drops():
                kept += packet
        return bytes(kept)


def _packet_size(data: bytes) -> int | None:
    """Bytes of the packet at the start, None while that cannot be told."""
    length = 0
    for index, byte in enumerate(data[1 : 1 + _MOST_LENGTH_BYTES]):
        length |= (byte & 0x7F) << 7 * index
        if not byte & 0x80:
            return 2 + index + length
    return None
