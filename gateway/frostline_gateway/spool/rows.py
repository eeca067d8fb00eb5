"""What goes into the spool, and what its account says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from frostline_core.commit import GAP
from frostline_core.reading import DataType, Stream
from frostline_core.sparkplug.codec import encode
from frostline_core.sparkplug.payload import Metric, Payload

ROW_COST = 128
"""What a row weighs besides its payload: its columns, its index entry, its share of half-filled pages."""
NOTHING_LOST: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True)
class NewRow:
    """One batch to be kept until the cloud has it: one DATA message of one device.

    Attributes:
        stream: Events are dropped last and sent in order; samples may be overtaken by newer ones.
        device: The device that it is of; "" for the node.
        payload: Sparkplug payload with metric names and types, without aliases and seq.
        samples: How many samples it holds.
        first_ms: Event time of its oldest sample, UTC milliseconds.
        last_ms: Event time of its newest sample, UTC milliseconds.
        raw: It holds raw identifications only (each read of a tag): the first to go when the disk is short.
        boot: "" with times of day; else the start of the machine that all its stamps count milliseconds from. Such a
            row waits, without a number, until the time of day is known.
    """

    stream: Stream
    device: str
    payload: bytes
    samples: int
    first_ms: int
    last_ms: int
    raw: bool = False
    boot: str = ""


@dataclass(frozen=True, slots=True)
class AccountDelta:
    """What one append adds to the day's account; read = kept + filtered + rejected.

    Attributes:
        read: Readings that drivers emitted.
        kept: Of these, samples worth keeping; they are in the rows of this append, or in `lost`.
        filtered: Readings that said nothing new.
        rejected: Readings that no metric describes, or of the wrong type.
        lost: Samples kept that never reached the spool, by reason.
    """

    read: int = 0
    kept: int = 0
    filtered: int = 0
    rejected: int = 0
    lost: Mapping[str, int] = field(default_factory=lambda: NOTHING_LOST)


@dataclass(frozen=True, slots=True)
class Account:
    """Every reading since the spool was made: kept = committed + pending + lost.

    A sample that is sent again out of the ring is read and kept a second time, and committed, pending or lost with it.

    Attributes:
        read: Readings that drivers emitted.
        kept: Samples worth keeping.
        filtered: Readings that said nothing new.
        rejected: Readings that no metric describes, or of the wrong type.
        committed: Samples that the cloud has.
        pending: Samples in the spool, also those that wait for the time of day.
        lost: Samples dropped, by reason.
    """

    read: int = 0
    kept: int = 0
    filtered: int = 0
    rejected: int = 0
    committed: int = 0
    pending: int = 0
    lost: Mapping[str, int] = field(default_factory=lambda: NOTHING_LOST)


@dataclass(frozen=True, slots=True)
class Lost:
    """Samples that are gone: why, how many (None: not known), and the span of time that they fell in."""

    reason: str
    samples: int | None
    from_ms: int | None
    to_ms: int


def gap_payload(lost: Lost, parts: Sequence[Lost] = ()) -> bytes:
    """The payload that tells the host: one `Frostline/Gap` metric, JSON with reason, samples, from_ms and to_ms.

    Args:
        lost: The whole.
        parts: The same by reason, where there is more than one: `parts`, a list of such objects.
    """
    told: dict[str, object] = _told(lost)
    if len(parts) > 1:
        told["parts"] = [_told(each) for each in parts]
    text = json.dumps(told, separators=(",", ":"))
    return encode(Payload(lost.to_ms, None, (Metric(GAP, None, lost.to_ms, DataType.STRING, text),)))


def _told(lost: Lost) -> dict[str, object]:
    return {"reason": lost.reason, "samples": lost.samples, "from_ms": lost.from_ms, "to_ms": lost.to_ms}


def loss_notice(lost: Lost) -> NewRow:
    """An ordinary events row that tells of readings which never reached the spool, so have no numbers."""
    return NewRow(
        Stream.EVENTS, "", gap_payload(lost), 0, lost.to_ms if lost.from_ms is None else lost.from_ms, lost.to_ms
    )
