"""When devices of one gateway are not in service, as the cloud tells the gateway: one text in place of the one before.

    {"version": "0123456789abcdef", "pauses": [["room-1", 1700000000000, 1700003600000]]}

A device ("" is every device of the gateway), and from when to when, in event time. Every pause carries its end, so that
it also ends while the cloud is away.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from frostline_core.errors import ConfigError

PAUSES = "Frostline/Pauses"
"""Node metric (String, writable) of a gateway whose local rules heed pauses: the version that it has, "" for none."""
MOST_PAUSES = 1_000
"""Most pauses of one gateway."""
MOST_BYTES = 128 * 1024
"""Longest text; half of what brokers commonly take as a payload."""


class Span(NamedTuple):
    """One pause.

    Attributes:
        device: The device; "" is every device of the gateway.
        from_ms: Event time at which it begins.
        to_ms: Event time at which it is over.
    """

    device: str
    from_ms: int
    to_ms: int


def pack(spans: Sequence[Span]) -> str:
    """The text of these pauses.

    Raises:
        ConfigError: They are too many, or too long.
    """
    if len(spans) > MOST_PAUSES:
        raise ConfigError(f"{len(spans)} pauses of one gateway; the most is {MOST_PAUSES}")
    listed = [list(each) for each in sorted(spans)]
    text = json.dumps({"version": _version(listed), "pauses": listed}, separators=(",", ":"))
    if len(text.encode()) > MOST_BYTES:
        raise ConfigError(f"the pauses of one gateway have {len(text)} characters; the most is {MOST_BYTES} bytes")
    return text


def unpack(text: str) -> tuple[str, tuple[Span, ...]]:
    """Version and pauses of what `pack` wrote.

    Raises:
        ConfigError: It is no such text.
    """
    if len(text.encode(errors="replace")) > MOST_BYTES:
        raise ConfigError(f"pauses: more than {MOST_BYTES} bytes")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"pauses: no JSON: {error}") from error
    if not isinstance(found, dict) or found.keys() != {"version", "pauses"}:
        raise ConfigError("pauses: must have version and pauses")
    version, listed = found["version"], found["pauses"]
    if not isinstance(listed, list) or len(listed) > MOST_PAUSES or not all(map(_is_span, listed)):
        raise ConfigError(f"pauses: pauses: must be a list of at most {MOST_PAUSES} times device, from, to")
    if version != _version(listed):
        raise ConfigError("pauses: version: does not fit what was sent")
    return version, tuple(Span(*each) for each in listed)


def _version(listed: Sequence[Sequence[object]]) -> str:
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()[:16]


def _is_span(entry: Any) -> bool:
    if not isinstance(entry, list) or len(entry) != 3 or not isinstance(entry[0], str):
        return False
    return all(type(at_ms) is int for at_ms in entry[1:]) and entry[1] <= entry[2]
