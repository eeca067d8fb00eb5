"""The three metrics that the commit protocol adds to Sparkplug, as bytes.

Each value starts with one byte: version 1 in the high nibble, flags in the low one. Numbers are varints (7 bits a byte,
least significant first, shortest spelling only), run and spool ids 8 bytes little endian. Every metric is `Bytes`; a
host that does not know them loses nothing. Source: commit protocol version 1, section 2.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from frostline_core.errors import ProtocolError
from frostline_core.reading import Stream

BATCH = "Frostline/Batch"
"""Declared in NBIRTH and every DBIRTH; in each NDATA or DDATA that is a batch, transient."""
RUNS = "Frostline/Runs"
"""Only in NBIRTH, with value."""
COMMIT = "Frostline/Commit"
"""Declared in NBIRTH; sent by the host in NCMD."""
GAP = "Frostline/Gap"
"""String, JSON: reason, samples, from_ms, to_ms; always NDATA.

In a batch with the gap flag, of the rows that it stands for. In an ordinary events batch, of readings that never
reached the spool and so have no numbers: the host lists them as lost all the same.
"""

VERSION = 1
RUNS_MAX = 64
COMMITS_MAX = 8
NUMBER_MAX = 2**62 - 1
"""Highest number of a row: doubled, it still fits the 63 bits that SQL and varints share."""

_ID = struct.Struct("<Q")
_SAMPLES_FLAG, _GAP_FLAG, _MORE_FLAG = 1, 2, 1
_PLAIN_HEAD = bytes([VERSION << 4 | _SAMPLES_FLAG])
_VARINT_MAX_BYTES = 9  # 63 bits


@dataclass(slots=True, unsafe_hash=True)
class BatchMark:
    """Which row of which spool a DATA message is.

    Not frozen only because a frozen dataclass costs three times as much to make, and there is one for each message;
    nothing may change one.

    Attributes:
        run: Id of the run, unsigned 64 bits.
        stream: What the run belongs to.
        n: The row's number, from 1; of a gap row the highest that it covers.
        first: Lowest number that the row covers; n unless it is a gap row.
        base: Lowest number of this run that the gateway still held when it sent this.
        gap: Whether the row stands for rows that were dropped.
    """

    run: int
    stream: Stream
    n: int
    first: int
    base: int
    gap: bool = False


Regular = tuple[int, int, int, Any, int, tuple[float, ...], bytes, int]
"""A batch of samples as nearly all are: (run, n, base, plan, at_ms, values, payload, seq).

One row of the spool, no gap: `first` is n. What the plan is, is up to whoever reads it (`sparkplug.Shortcut`); values
are finite, of one instant and good. `seq` is the message's. A tuple because there is one for each message, made once
and looked at again when it is stored and ruled. Of a node that numbers nothing, run is -1 and n and base are 0.
"""


@dataclass(frozen=True, slots=True)
class Runs:
    """What a gateway holds when it is born.

    Attributes:
        spool: Id of the spool file, unsigned 64 bits.
        held: The runs, oldest first, each with the highest number ever given in it.
        more: There are more than fit; the host then calls nothing in doubt.
    """

    spool: int
    held: Mapping[int, int]
    more: bool = False


@dataclass(frozen=True, slots=True)
class Commit:
    """Every number up to `n` of a run is applied or listed as lost, durably.

    Attributes:
        run: Id of the run.
        n: 0 where the host knows nothing of it.
        hole: A message was missing: send again from n + 1 now.
    """

    run: int
    n: int
    hole: bool = False


def run_text(run: int) -> str:
    """A run's or spool's id as 16 hex digits, most significant first: the key in SQL and in logs."""
    return f"{run:016x}"


def run_number(text: str) -> int:
    """The id behind `run_text`.

    Raises:
        ProtocolError: Not 16 lower-case hex digits.
    """
    if len(text) != 16 or not set(text) <= set("0123456789abcdef"):
        raise ProtocolError(f"a run is 16 hex digits, not {text[:40]!r}")
    return int(text, 16)


def of_spool(run: int, spool: int) -> bool:
    """Whether a run carries that spool's two bytes: its upper 16 bits are the spool id's lower 16."""
    return run >> 48 == spool & 0xFFFF


def pack_batch(mark: BatchMark) -> bytes:
    """Flags, run, n, n - base and, for a gap row, n - first: 11 to 14 bytes in practice."""
    flags = mark.stream | (_GAP_FLAG if mark.gap else 0)
    head = bytes([VERSION << 4 | flags]) + _ID.pack(mark.run) + _varint(mark.n) + _varint(mark.n - mark.base)
    return head + _varint(mark.n - mark.first) if mark.gap else head


def unpack_batch(raw: bytes) -> BatchMark:
    """The mark in a `Frostline/Batch` value.

    Raises:
        ProtocolError: Another version, cut short, too long, or numbers that no gateway could mean.
    """
    if raw[:1] == _PLAIN_HEAD and (mark := _short(raw)) is not None:
        return mark
    flags = _flags(raw, BATCH, _SAMPLES_FLAG | _GAP_FLAG)
    run, at = _id(raw, 1, BATCH)
    n, at = _unvarint(raw, at, BATCH)
    behind, at = _unvarint(raw, at, BATCH)
    gap = bool(flags & _GAP_FLAG)
    span, at = _unvarint(raw, at, BATCH) if gap else (0, at)
    _ended(raw, at, BATCH)
    if not 1 <= n <= NUMBER_MAX or not span <= behind < n:
        raise ProtocolError(f"{BATCH}: impossible numbers: n {n}, base {n - behind}, first {n - span}")
    return BatchMark(run, Stream(flags & _SAMPLES_FLAG), n, n - span, n - behind, gap)


def _short(raw: bytes) -> BatchMark | None:
    """The same for what nearly every message carries: samples, no gap, numbers of at most 3 bytes and 1 byte.

    None for anything else, be it right or wrong.
    """
    size = len(raw)
    if not 11 <= size <= 13 or raw[-1] > 0x7F or raw[-2] > 0x7F or not raw[-2]:
        return None
    n = raw[9]
    if size == 12:
        n = n & 0x7F | raw[10] << 7 if n > 0x7F else 0
    elif size == 13:
        n = n & 0x7F | (raw[10] & 0x7F) << 7 | raw[11] << 14 if n > 0x7F < raw[10] else 0
    behind = raw[-1]
    if behind >= n:
        return None
    return BatchMark(int.from_bytes(raw[1:9], "little"), Stream.SAMPLES, n, n, n - behind)


def pack_runs(runs: Runs) -> bytes:
    """The spool's id and each run with its last number.

    Raises:
        ValueError: More than 64 runs.
    """
    if len(runs.held) > RUNS_MAX:
        raise ValueError(f"{len(runs.held)} runs; a birth lists at most {RUNS_MAX}")
    head = bytes([VERSION << 4 | (_MORE_FLAG if runs.more else 0)]) + _ID.pack(runs.spool)
    return head + b"".join(_ID.pack(run) + _varint(last) for run, last in runs.held.items())


def unpack_runs(raw: bytes) -> Runs:
    """What a `Frostline/Runs` value lists.

    Raises:
        ProtocolError: Another version, cut short, more than 64 runs, a run twice or without rows.
    """
    more = bool(_flags(raw, RUNS, _MORE_FLAG))
    spool, at = _id(raw, 1, RUNS)
    held: dict[int, int] = {}
    while at < len(raw):
        run, at = _id(raw, at, RUNS)
        last, at = _unvarint(raw, at, RUNS)
        if run in held or not 1 <= last <= NUMBER_MAX or len(held) == RUNS_MAX:
            raise ProtocolError(f"{RUNS}: run {run_text(run)} twice, empty, or over {RUNS_MAX} runs")
        held[run] = last
    return Runs(spool, held, more)


def pack_commits(commits: Sequence[Commit]) -> bytes:
    """Up to 8 commits of one node, each as run and doubled number plus hole.

    Raises:
        ValueError: None, or more than 8.
    """
    if not 1 <= len(commits) <= COMMITS_MAX:
        raise ValueError(f"{len(commits)} commits; a message carries 1 to {COMMITS_MAX}")
    return bytes([VERSION << 4]) + b"".join(_ID.pack(c.run) + _varint(c.n * 2 + c.hole) for c in commits)


def unpack_commits(raw: bytes) -> tuple[Commit, ...]:
    """The commits in a `Frostline/Commit` value.

    Raises:
        ProtocolError: Another version, cut short, none or more than 8.
    """
    _flags(raw, COMMIT, 0)
    commits: list[Commit] = []
    at = 1
    while at < len(raw):
        run, at = _id(raw, at, COMMIT)
        doubled, at = _unvarint(raw, at, COMMIT)
        commits.append(Commit(run, doubled >> 1, bool(doubled & 1)))
        if len(commits) > COMMITS_MAX:
            break
    if not 1 <= len(commits) <= COMMITS_MAX:
        raise ProtocolError(f"{COMMIT}: {len(commits)} commits or more; 1 to {COMMITS_MAX} are allowed")
    return tuple(commits)


def _flags(raw: bytes, metric: str, known: int) -> int:
    if not raw or raw[0] >> 4 != VERSION:
        raise ProtocolError(f"{metric}: not version {VERSION}: {raw[:1].hex() or 'empty'}")
    flags = raw[0] & 0x0F
    if flags & ~known:
        raise ProtocolError(f"{metric}: unknown flags {flags:#x}")
    return flags


def _id(raw: bytes, at: int, metric: str) -> tuple[int, int]:
    if at + _ID.size > len(raw):
        raise ProtocolError(f"{metric}: cut short in an id")
    return _ID.unpack_from(raw, at)[0], at + _ID.size


def _ended(raw: bytes, at: int, metric: str) -> None:
    if at != len(raw):
        raise ProtocolError(f"{metric}: {len(raw) - at} bytes too many")


def _varint(value: int) -> bytes:
    if not 0 <= value <= NUMBER_MAX * 2 + 1:
        raise ValueError(f"{value} does not fit a varint of 63 bits")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _unvarint(raw: bytes, at: int, metric: str) -> tuple[int, int]:
    value = 0
    for i, byte in enumerate(raw[at : at + _VARINT_MAX_BYTES]):
        value |= (byte & 0x7F) << 7 * i
        if byte <= 0x7F:
            if byte == 0 and i:
                raise ProtocolError(f"{metric}: a number is not in its shortest spelling")
            return value, at + i + 1
    raise ProtocolError(f"{metric}: a number is cut short or longer than 63 bits")
