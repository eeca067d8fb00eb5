"""The part of MQTT 3.1.1 that a load generator needs, as bytes: a hundred connections in one event loop, no threads.

Section numbers are those of the OASIS standard MQTT Version 3.1.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from frostline_core.errors import ProtocolError

MOST_PACKET = 1024 * 1024 + 64 * 1024
"""Largest packet that is taken: a payload of 1 MiB with its topic."""
_LONGEST_TEXT = 65_535


class Kind(IntEnum):
    """Control packet types, section 2.2.1."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    SUBSCRIBE = 8
    SUBACK = 9
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14


PINGREQ = bytes([Kind.PINGREQ << 4, 0])
DISCONNECT = bytes([Kind.DISCONNECT << 4, 0])


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes when the connection breaks."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


@dataclass(frozen=True, slots=True)
class Login:
    """Who connects; an empty username sends none."""

    client_id: str
    keepalive_s: int = 60
    username: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet as it came: its type, the four flag bits and what follows the length."""

    kind: int
    flags: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Received:
    """A PUBLISH that came; `packet_id` is 0 at QoS 0."""

    topic: str
    payload: bytes
    qos: int
    packet_id: int


def connect(login: Login, will: Will | None = None) -> bytes:
    """CONNECT with a clean session (section 3.1)."""
    flags, tail = 0x02, _text(login.client_id)
    if will is not None:
        flags |= 0x04 | will.qos << 3 | (0x20 if will.retain else 0)
        tail += _text(will.topic) + _data(will.payload)
    if login.username:
        flags |= 0xC0
        tail += _text(login.username) + _text(login.password)
    head = _text("MQTT") + bytes([4, flags]) + login.keepalive_s.to_bytes(2, "big")
    return _packet(Kind.CONNECT << 4, head + tail)


def subscribe(packet_id: int, filters: Sequence[tuple[str, int]]) -> bytes:
    """SUBSCRIBE to topic filters with their QoS (section 3.8)."""
    body = packet_id.to_bytes(2, "big") + b"".join(_text(text) + bytes([qos]) for text, qos in filters)
    return _packet(Kind.SUBSCRIBE << 4 | 0x02, body)


def publish(topic: bytes, payload: bytes, *, retain: bool = False) -> bytes:
    """PUBLISH at QoS 0 (section 3.3); the topic is UTF-8."""
    return _packet(Kind.PUBLISH << 4 | int(retain), len(topic).to_bytes(2, "big") + topic + payload)


def puback(packet_id: int) -> bytes:
    """PUBACK for a PUBLISH that came at QoS 1 (section 3.4)."""
    return _packet(Kind.PUBACK << 4, packet_id.to_bytes(2, "big"))


def received(packet: Packet) -> Received:
    """The content of a PUBLISH packet.

    Raises:
        ProtocolError: It is cut short, or its topic is no UTF-8.
    """
    qos, body = packet.flags >> 1 & 3, packet.body
    size = int.from_bytes(body[:2], "big")
    head = 2 + size + (2 if qos else 0)
    if len(body) < max(2, head):
        raise ProtocolError("mqtt: PUBLISH is cut short")
    try:
        topic = body[2 : 2 + size].decode()
    except UnicodeDecodeError as error:
        raise ProtocolError("mqtt: a topic is not UTF-8") from error
    packet_id = int.from_bytes(body[2 + size : head], "big") if qos else 0
    return Received(topic, body[head:], qos, packet_id)


class Parser:
    """Cuts a stream of bytes into packets."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[Packet]:
        """The packets that are whole now.

        Raises:
            ProtocolError: A length that MQTT does not allow, or above `MOST_PACKET`.
        """
        self._rest += data
        found = []
        while (packet := self._next()) is not None:
            found.append(packet)
        return found

    def _next(self) -> Packet | None:
        length = shift = 0
        for at in range(1, 5):
            if at >= len(self._rest):
                return None
            length |= (self._rest[at] & 0x7F) << shift
            shift += 7
            if not self._rest[at] & 0x80:
                return self._take(at + 1, length)
        raise ProtocolError("mqtt: a packet length of more than four bytes")

    def _take(self, head: int, length: int) -> Packet | None:
        if length > MOST_PACKET:
            raise ProtocolError(f"mqtt: a packet of {length} bytes; at most {MOST_PACKET} are taken")
        if len(self._rest) < head + length:
            return None
        packet = Packet(self._rest[0] >> 4, self._rest[0] & 15, bytes(self._rest[head : head + length]))
        del self._rest[: head + length]
        return packet


def _packet(first: int, body: bytes) -> bytes:
    """The fixed header with its variable length (section 2.2.3), then the body."""
    size, left = bytearray(), len(body)
    while True:
        left, digit = left >> 7, left & 0x7F
        size.append(digit | (0x80 if left else 0))
        if not left:
            return bytes([first]) + bytes(size) + body


def _text(text: str) -> bytes:
    return _data(text.encode())


def _data(data: bytes) -> bytes:
    if len(data) > _LONGEST_TEXT:
        raise ValueError(f"{len(data)} bytes do not fit into an MQTT string")
    return len(data).to_bytes(2, "big") + data
