"""The part of MQTT 3.1.1 that a client of many messages needs: packets to bytes, and bytes to packets in bulk. Pure.

For ingest and for load, where a general client costs more than the messages do. Section numbers are those of the OASIS
standard MQTT Version 3.1.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from frostline_core.errors import ProtocolError

MOST_PACKET = 1024 * 1024 + 64 * 1024
"""Largest packet that is taken: a payload of 1 MiB with its topic."""
_LONGEST_TEXT = 65_535
_MOST_TOPICS, _LONGEST_KEPT = 50_000, 1_024
"""Topics that a parser remembers, and the bytes of the longest: whoever may publish chooses them."""


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


_PUBLISH = int(Kind.PUBLISH << 4)
_KIND_AND_QOS = 0xF6
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


@dataclass(slots=True)
class Received:
    """A PUBLISH that came; `packet_id` is 0 at QoS 0. Not frozen because there is one for each message."""

    topic: str
    payload: bytes
    qos: int = 0
    packet_id: int = 0


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


def publish(topic: bytes, payload: bytes, *, retain: bool = False, qos: int = 0, packet_id: int = 0) -> bytes:
    """PUBLISH (section 3.3); the topic is UTF-8. At QoS 1 it needs a packet id that is not 0."""
    numbered = packet_id.to_bytes(2, "big") if qos else b""
    body = len(topic).to_bytes(2, "big") + topic + numbered + payload
    return _packet(Kind.PUBLISH << 4 | qos << 1 | int(retain), body)


def puback(packet_id: int) -> bytes:
    """PUBACK for a PUBLISH that came at QoS 1 (section 3.4)."""
    return _packet(Kind.PUBACK << 4, packet_id.to_bytes(2, "big"))


Message = tuple[str, bytes]
"""Topic and payload of a PUBLISH that came at QoS 0: nearly all, and a tuple costs a third of an object."""


class Parser:
    """Cuts a stream of bytes into packets. After an error it is of no further use.

    It holds at most one unfinished packet and what came with it.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._wanted = 2
        self._topics: dict[bytes, str] = {}

    def feed(self, data: bytes) -> list[Received | Packet]:
        """The packets that are whole now, in order; each PUBLISH as `Received`.

        Raises:
            ProtocolError: As `cut`.
        """
        return [Received(*each) if isinstance(each, tuple) else each for each in self.cut(data)]

    def cut(self, data: bytes) -> list[Message | Received | Packet]:
        """The packets that are whole now, in order; a PUBLISH at QoS 0 as `Message`, another as `Received`.

        Raises:
            ProtocolError: A length that MQTT does not allow, or above `MOST_PACKET`; a PUBLISH that is cut short, of
                QoS 3, or whose topic is not UTF-8.
        """
        if self._rest:
            self._rest += data
            if len(self._rest) < self._wanted:
                return []
            data = bytes(self._rest)
        found: list[Message | Received | Packet] = []
        at, have = 0, len(data)
        topics = self._topics
        self._wanted = 2
        while have - at >= 2:
            length, body = data[at + 1], at + 2
            if length > 0x7F:
                length, body = _length(data, at + 1)
                if not body:
                    break
            end = body + length
            if end > have:
                self._wanted = end - at
                break
            first = data[at]
            if first & _KIND_AND_QOS == _PUBLISH and length > 2:
                name = body + 2
                payload = name + (data[body] << 8 | data[body + 1])
                topic = topics.get(data[name:payload])
                if topic is None or payload > end:
                    topic = self._topic(data[name:payload], payload <= end)
                found.append((topic, data[payload:end]))
            elif first & 0xF0 == _PUBLISH:
                found.append(self._received(data, first, body, end))
            else:
                found.append(Packet(first >> 4, first & 15, data[body:end]))
            at = end
        self._rest = bytearray(data[at:])
        return found

    def _received(self, data: bytes, first: int, body: int, end: int) -> Received:
        qos = first >> 1 & 3
        name = body + 2
        payload = name + (data[body] << 8 | data[body + 1]) if end - body >= 2 else end + 1
        raw = data[name:payload]
        if qos:
            payload += 2
        if payload > end or qos == 3:
            raise ProtocolError("mqtt: PUBLISH is cut short, or of QoS 3")
        topic = self._topics.get(raw)
        if topic is None:
            topic = self._topic(raw)
        return Received(topic, data[payload:end], qos, int.from_bytes(data[payload - 2 : payload], "big") if qos else 0)

    def _topic(self, raw: bytes, whole: bool = True) -> str:
        if not whole:
            raise ProtocolError("mqtt: PUBLISH is cut short")
        try:
            topic = raw.decode()
        except UnicodeDecodeError as error:
            raise ProtocolError("mqtt: a topic is not UTF-8") from error
        if len(self._topics) >= _MOST_TOPICS:
            self._topics.clear()
        if len(raw) <= _LONGEST_KEPT:
            self._topics[raw] = topic
        return topic


def _length(data: bytes, at: int) -> tuple[int, int]:
    """A packet's length and where its body begins, (0, 0) while it is not whole (section 2.2.3)."""
    length = 0
    for i in range(4):
        if at + i >= len(data):
            return 0, 0
        length |= (data[at + i] & 0x7F) << 7 * i
        if not data[at + i] & 0x80:
            if length > MOST_PACKET:
                raise ProtocolError(f"mqtt: a packet of {length} bytes; at most {MOST_PACKET} are taken")
            return length, at + i + 1
    raise ProtocolError("mqtt: a packet length of more than four bytes")


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
