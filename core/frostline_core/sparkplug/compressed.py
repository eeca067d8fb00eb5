"""Compressed payloads: a whole payload, deflated, as the body of another one with a uuid that says so.

The Sparkplug 3.0 specification leaves `uuid` and `body` to applications (section 6.4.4); this is what Eclipse Tahu and
Cirrus Link's modules write and read: zlib's format (RFC 1950) where no metric `algorithm` says otherwise, or gzip's.
The payload outside has the same seq and time as the one inside, so that order can be watched without looking into it.
"""

from __future__ import annotations

import zlib

from google.protobuf.message import DecodeError

from frostline_core.errors import ProtocolError
from frostline_core.sparkplug.codec import MAX_BYTES
from frostline_core.sparkplug.messages import PayloadMessage

COMPRESSED = b"SPBV1.0_COMPRESSED"
"""The uuid of such a payload; bytes without it are none."""
_ZLIB_OR_GZIP = 32 + zlib.MAX_WBITS
_LEVEL = 6
"""Half a microsecond a sample in large messages; level 1 gives a tenth more bytes there, and the same in small ones."""


def deflated(message: PayloadMessage) -> bytes:
    """The bytes of a payload, compressed where that makes them fewer: from about a dozen metrics on."""
    raw = message.SerializeToString()
    outside = PayloadMessage()
    outside.timestamp, outside.seq = message.timestamp, message.seq
    outside.uuid, outside.body = COMPRESSED.decode(), zlib.compress(raw, _LEVEL)
    made = outside.SerializeToString()
    return made if len(made) < len(raw) else raw


def inflated(raw: bytes) -> bytes:
    """The payload inside a compressed one; anything else comes back as it is.

    Raises:
        ProtocolError: The body is neither zlib's nor gzip's format, is cut short, holds no payload, or one larger than
            `MAX_BYTES`; no more than that is ever inflated.
    """
    if COMPRESSED not in raw:
        return raw
    try:
        outside = PayloadMessage.FromString(raw)
        if outside.uuid.encode() != COMPRESSED:
            return raw
        inside = _inflate(outside.body)
        if not outside.HasField("seq"):
            return inside
        message = PayloadMessage.FromString(inside)
    except DecodeError as error:
        raise ProtocolError(f"compressed payload is no Sparkplug B: {error}") from error
    if message.HasField("seq"):
        return inside
    message.seq = outside.seq
    return message.SerializeToString()


def _inflate(body: bytes) -> bytes:
    machine = zlib.decompressobj(_ZLIB_OR_GZIP)
    try:
        inside = machine.decompress(body, MAX_BYTES + 1)
    except zlib.error as error:
        raise ProtocolError(f"compressed payload: {error}") from error
    if len(inside) > MAX_BYTES:
        raise ProtocolError(f"compressed payload of more than {MAX_BYTES} bytes")
    if not machine.eof:
        raise ProtocolError("compressed payload is cut short")
    return inside
