"""Under load the rows of one device that go to the disk together become one row, and so one message. Pure.

A message costs the cloud as much as fifty values do, and on the wire as much as five; a row costs the disk 128 bytes.
With few rows there is nothing to win, and each poll stays a message of its own, unless the config lets rows wait for
more than a second to save bytes (`[spool] flush_s`). Nothing else waits for this: a group is what has come meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from frostline_core.reading import Stream
from frostline_gateway.spool import NewRow


@dataclass(frozen=True, slots=True)
class RowLimits:
    """What a row that was put together may hold.

    Attributes:
        load: So many rows in a group are a load; fewer stay as they are.
        samples: Most samples.
        size: Most bytes of payload.
    """

    load: int = 50
    samples: int = 500
    size: int = 64 * 1024


def together(rows: Sequence[NewRow], limits: RowLimits) -> list[NewRow]:
    """The group with fewer, larger rows; events stay apart, and the samples of a device in their order.

    Payloads are put one after the other: a protobuf message that is read from both has the repeated fields of both.
    Source: https://protobuf.dev/programming-guides/encoding/#last-one-wins
    """
    if len(rows) < limits.load:
        return list(rows)
    kept: list[NewRow] = []
    places: dict[tuple[str, bool, str], int] = {}
    for row in rows:
        key = row.device, row.raw, row.boot
        place = places.get(key)
        if row.stream is Stream.SAMPLES and place is not None and _fits(kept[place], row, limits):
            kept[place] = _joined(kept[place], row)
            continue
        if row.stream is Stream.SAMPLES:
            places[key] = len(kept)
        kept.append(row)
    return kept


def _fits(row: NewRow, more: NewRow, limits: RowLimits) -> bool:
    return row.samples + more.samples <= limits.samples and len(row.payload) + len(more.payload) <= limits.size


def _joined(row: NewRow, more: NewRow) -> NewRow:
    return replace(
        row,
        payload=row.payload + more.payload,
        samples=row.samples + more.samples,
        first_ms=min(row.first_ms, more.first_ms),
        last_ms=max(row.last_ms, more.last_ms),
    )
