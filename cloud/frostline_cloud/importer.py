"""History from CSV files into the store: one series a file, nothing overwritten, every line with a fate.

read = written + known + refused. A row that the store has already is known, so that the same file may be imported
again; a row whose instant has another value there is refused: what was measured is never replaced. Rules do not see
imported samples: they are about the past, and nobody is to be called for them. No gateway sent them, so they are in no
gateway's account; a list of its own says what came from which file (`sql/imports.py`).
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO
from zoneinfo import ZoneInfo

from frostline_cloud.store import NumberRow, Place, RejectedError, RowForm, Store
from frostline_core.errors import ConfigError
from frostline_core.units import convert

BATCH = 10_000
"""Rows that are compared with the store and written at once."""
MOST_LISTED = 1_000
"""Refused rows that are listed; more are only counted."""

_FLAGS = {"true": 1.0, "false": 0.0}
_UTC = ZoneInfo("UTC")
_SAME = 1e-12  # stores of decimals keep about 15 digits


@dataclass(frozen=True, slots=True)
class Mapped:
    """What a file's columns are.

    Attributes:
        place: Kind, site, gateway, device, zone.
        metric: The metric's name.
        time_column: Holds RFC 3339 times, local times without zone, or UTC milliseconds.
        value_column: Holds numbers, or `true` and `false`.
        zone: Of times that have none.
        source_unit: UCUM code of the values; "" where they need no conversion.
        unit: UCUM code of the metric; "" likewise.
        delimiter: Between columns.
    """

    place: Place
    metric: str
    time_column: str = "timestamp"
    value_column: str = "value"
    zone: ZoneInfo = _UTC
    source_unit: str = ""
    unit: str = ""
    delimiter: str = ","


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that was not stored.

    Attributes:
        line: Its number in the file; the first is 1.
        reason: Why.
    """

    line: int
    reason: str


@dataclass(slots=True)
class Imported:
    """What became of a file.

    Attributes:
        read: Rows, without the heading.
        written: Stored now.
        known: In the store before, with the same value.
        refused: Not stored.
        listed: The first of those, with the reason.
        first_ms: Event time of the first row that is in the store; 0 where none is.
        last_ms: Event time of the last.
    """

    read: int = 0
    written: int = 0
    known: int = 0
    refused: int = 0
    listed: list[Refused] = field(default_factory=list)
    first_ms: int = 0
    last_ms: int = 0

    def stands(self, rows: Sequence[int]) -> None:
        """Notes event times of rows that are in the store."""
        if rows:
            self.first_ms = min(rows) if not self.last_ms else min(self.first_ms, *rows)
            self.last_ms = max(self.last_ms, *rows)

    def refuse(self, line: int, reason: str) -> None:
        """Counts a row that is not stored."""
        self.refused += 1
        if len(self.listed) < MOST_LISTED:
            self.listed.append(Refused(line, reason))


@dataclass(frozen=True, slots=True)
class _Parsed:
    line: int
    at_ms: int
    value: float


Written = Callable[[Imported], None]
"""Told after each batch, and once at the end, what has become of the file until then."""
Progress = Callable[[int], None]
"""Told how many bytes of the file are read."""


@dataclass(frozen=True, slots=True)
class Into:
    """Where rows go.

    Attributes:
        store: The store.
        now_ms: UTC; what is later than this is refused.
        written: Told of each batch that is stored.
    """

    store: Store
    now_ms: int
    written: Written


def import_csv(path: Path, mapped: Mapped, into: Into, progress: Progress) -> Imported:
    """Stores a file's rows, a batch after the other.

    Args:
        path: The file: UTF-8, with a heading.
        mapped: What its columns are.
        into: Where its rows go.
        progress: Told how far it is.

    Raises:
        ConfigError: The file cannot be read, has no such columns, or the units do not fit.
        UnavailableError: The store does not answer; what was told as written is stored. The file may be imported again.
    """
    if mapped.source_unit or mapped.unit:
        convert(0.0, mapped.source_unit, mapped.unit)
    done = Imported()
    form = RowForm(mapped.place, (mapped.metric,))
    try:
        with path.open("rb") as file:
            batch: list[_Parsed] = []
            for row in _rows(_lines(file, progress), path, mapped, into.now_ms, done):
                batch.append(row)
                if len(batch) >= BATCH:
                    _store(batch, form, into, done)
                    batch.clear()
            _store(batch, form, into, done)
            into.written(done)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    except csv.Error as error:
        raise ConfigError(
            f"{path}: no CSV after row {done.read}: {error}; {done.written} rows are stored; mend it, import it again"
        ) from error
    return done


def _rows(lines: Iterator[str], path: Path, mapped: Mapped, now_ms: int, done: Imported) -> Iterator[_Parsed]:
    reader = csv.reader(lines, delimiter=mapped.delimiter)
    heading = [name.strip() for name in next(reader, [])]
    missing = [name for name in (mapped.time_column, mapped.value_column) if name not in heading]
    if missing:
        raise ConfigError(f"{path}: no column {' and no column '.join(missing)}; it has {', '.join(heading) or 'none'}")
    at, value = heading.index(mapped.time_column), heading.index(mapped.value_column)
    before_ms = -1
    for cells in reader:
        if not cells:
            continue
        done.read += 1
        try:
            if len(cells) <= max(at, value):
                raise ValueError(f"has {len(cells)} columns of {len(heading)}")
            at_ms = _instant(cells[at].strip(), mapped.zone, before_ms)
            if at_ms > now_ms:
                raise ValueError(f"{cells[at].strip()} is in the future")
            number = _number(cells[value].strip())
            if mapped.source_unit != mapped.unit:
                number = convert(number, mapped.source_unit, mapped.unit)
        except ValueError as error:
            done.refuse(reader.line_num, str(error))
            continue
        before_ms = at_ms
        yield _Parsed(reader.line_num, at_ms, number)


def _lines(file: BinaryIO, progress: Progress) -> Iterator[str]:
    read = 0
    for number, raw in enumerate(file):
        read += len(raw)
        if number % 1000 == 0:
            progress(read)
        yield raw.decode("utf-8-sig" if number == 0 else "utf-8", errors="replace")
    progress(read)


def _instant(text: str, zone: ZoneInfo, before_ms: int) -> int:
    """UTC milliseconds; of a local time that comes twice a year the later one, if the row before is not earlier."""
    if text.isdecimal():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"'{text:.60}' is no time") from error
    if moment.tzinfo is not None:
        return _ms(moment)
    local = moment.replace(tzinfo=zone)
    first = _ms(local)
    if datetime.fromtimestamp(first / 1000, zone).replace(tzinfo=None, fold=0) != moment:
        raise ValueError(f"{text} does not exist in {zone.key}: the clock is put forward then")
    return first if first > before_ms else max(first, _ms(local.replace(fold=1)))


def _ms(moment: datetime) -> int:
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


def _number(text: str) -> float:
    if text.lower() in _FLAGS:
        return _FLAGS[text.lower()]
    try:
        value = float(text)
    except ValueError as error:
        raise ValueError(f"'{text:.60}' is no number" if text else "no value") from error
    if not math.isfinite(value):
        raise ValueError(f"{text} is no measurement")
    return value


def _store(batch: Sequence[_Parsed], form: RowForm, into: Into, done: Imported) -> None:
    if not batch:
        return
    wanted, known = _distinct(batch, done)
    done.stands(list(wanted))
    for at_ms, value in into.store.samples(form.place, form.names[0], min(wanted), max(wanted) + 1):
        there = wanted.pop(at_ms, None)
        if there is None:
            continue
        if math.isclose(there.value, value, rel_tol=_SAME):
            known += 1
        else:
            done.refuse(there.line, f"the store has {value:g} at that instant")
    stored = _written(list(wanted.values()), form, into.store, done)
    done.written += stored
    done.known += known
    into.written(done)


def _distinct(batch: Sequence[_Parsed], done: Imported) -> tuple[dict[int, _Parsed], int]:
    """The first row of each instant, and how many rows repeat it."""
    wanted: dict[int, _Parsed] = {}
    known = 0
    for row in batch:
        first = wanted.setdefault(row.at_ms, row)
        if first is row:
            continue
        if first.value == row.value:
            known += 1
        else:
            done.refuse(row.line, f"the instant of line {first.line}, with another value")
    return wanted, known


def _written(rows: Sequence[_Parsed], form: RowForm, store: Store, done: Imported) -> int:
    try:
        if rows:
            store.write([NumberRow(form, row.at_ms, (row.value,)) for row in rows])
    except RejectedError as error:
        for index, reason in error.rows:
            done.refuse(rows[index].line, reason)
        return len(rows) - len(error.rows)
    return len(rows)
