"""What a gap row tells when rows were dropped for more than one reason: each with its samples and its span.

A row of one reason has it in its column, and no payload. Where neighbours of other reasons are put into one row, so
that a short disk is not filled with gaps, the payload is a JSON list of [reason, samples, from_ms, to_ms]: one entry a
reason, of which there are three, so at most about 300 bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from frostline_gateway.spool.rows import Lost


def pack(causes: Iterable[Lost]) -> bytes:
    """The payload; empty where all have one reason."""
    merged: dict[str, Lost] = {}
    for cause in causes:
        known = merged.get(cause.reason)
        merged[cause.reason] = cause if known is None else _joined(known, cause)
    if len(merged) < 2:
        return b""
    entries = [[each.reason, each.samples, each.from_ms, each.to_ms] for each in merged.values()]
    return json.dumps(entries, separators=(",", ":")).encode()


def unpack(payload: bytes, whole: Lost) -> Sequence[Lost]:
    """What `pack` wrote; `whole` alone where there is nothing, or nothing that can be read."""
    if not payload:
        return (whole,)
    try:
        return tuple(
            Lost(str(reason), int(samples), int(from_ms), int(to_ms))
            for reason, samples, from_ms, to_ms in json.loads(payload)
        )
    except (ValueError, TypeError):
        return (whole,)


def _joined(one: Lost, other: Lost) -> Lost:
    samples = (one.samples or 0) + (other.samples or 0)
    starts = [each.from_ms for each in (one, other) if each.from_ms is not None]
    return Lost(one.reason, samples, min(starts, default=None), max(one.to_ms, other.to_ms))
