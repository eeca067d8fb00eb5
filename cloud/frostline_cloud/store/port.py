"""The store port: what ingest and the API need of a time-series database, whichever it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, overload

from frostline_core.errors import FrostlineError

FieldValue = float | str
Sample = tuple[int, float]
"""When (UTC milliseconds), and the value."""


class RejectedError(FrostlineError):
    """The store refuses some rows for what they are (type conflict, too old, malformed); the others are written.

    Attributes:
        rows: Index in the written sequence, and the store's reason, for each row that is not stored.
    """

    def __init__(self, rows: Sequence[tuple[int, str]]) -> None:
        super().__init__(f"{len(rows)} rows rejected, first: {rows[0][1] if rows else ''}")
        self.rows = tuple(rows)


@dataclass(frozen=True, slots=True)
class Place:
    """Measurement (the device kind) and tags of a row: bounded by the fleet, never by what it measures."""

    measurement: str
    site: str
    node: str
    device: str
    zone: str = ""


@dataclass(slots=True)
class Row:
    """One line: everything one device measured at one instant.

    Attributes:
        place: Shared, so that a store can cache what it derives from it (by identity of the frozen value).
        at_ms: UTC milliseconds.
        fields: Field name to value; numbers always float (booleans 0.0 or 1.0), text in fields
            whose name ends in `_text`.
    """

    place: Place
    at_ms: int
    fields: list[tuple[str, FieldValue]]


@dataclass(frozen=True, slots=True, eq=False)
class RowForm:
    """What rows of one form have in common; shared, so that a store can cache what it derives from it, by identity.

    Attributes:
        place: Of every such row.
        names: Field names, in the order of the values.
    """

    place: Place
    names: tuple[str, ...]


@dataclass(slots=True)
class NumberRow:
    """A row of numbers only, as devices send them again and again: values without names.

    Attributes:
        form: Place and names.
        at_ms: UTC milliseconds.
        values: As many as `form.names`.
    """

    form: RowForm
    at_ms: int
    values: Sequence[float]

    @property
    def place(self) -> Place:
        """See `Row.place`."""
        return self.form.place

    @property
    def fields(self) -> list[tuple[str, FieldValue]]:
        """See `Row.fields`."""
        return list(zip(self.form.names, self.values, strict=True))


AnyRow = Row | NumberRow


@dataclass(slots=True)
class Sheet(Sequence[AnyRow]):
    """Many rows: those of numbers in columns, without an object for each; behind them the others.

    Attributes:
        forms: Place and names of each row of numbers.
        times: UTC milliseconds of each.
        values: Its values, as many as names.
        others: Further rows.
    """

    forms: Sequence[RowForm] = ()
    times: Sequence[int] = ()
    values: Sequence[Sequence[float]] = ()
    others: list[AnyRow] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.forms) + len(self.others)

    @overload
    def __getitem__(self, index: int) -> AnyRow: ...

    @overload
    def __getitem__(self, index: slice) -> list[AnyRow]: ...

    def __getitem__(self, index: int | slice) -> AnyRow | list[AnyRow]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        numbers = len(self.forms)
        if place >= numbers:
            return self.others[place - numbers]
        return NumberRow(self.forms[place], self.times[place], self.values[place])

    def __iter__(self) -> Iterator[AnyRow]:
        yield from map(NumberRow, self.forms, self.times, self.values)
        yield from self.others


@dataclass(frozen=True, slots=True)
class Bucket:
    """What a series did in one interval; an interval without samples has no bucket, so that a chart shows the gap."""

    at_ms: int
    mean: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest value of a field."""

    field: str
    value: FieldValue
    at_ms: int


class Store(Protocol):
    """A time-series database. Every method may be called from any thread; every call has a time-out inside."""

    def write(self, rows: Sequence[AnyRow]) -> None:
        """Stores the rows durably, or raises. Idempotent: same place, field and instant overwrite.

        Raises:
            UnavailableError: Nothing is known to be stored; the same rows may be written again.
            RejectedError: Some rows are refused for good; all others are stored.
        """

    def series(self, place: Place, field: str, start_ms: int, end_ms: int, bucket_ms: int) -> list[Bucket]:
        """A numeric field over [start_ms, end_ms), in buckets aligned to multiples of bucket_ms since 1970.

        The place's zone is no part of the question: a device that moved keeps its history.

        Raises:
            UnavailableError: The store does not answer.
        """

    def samples(self, place: Place, field: str, start_ms: int, end_ms: int) -> Iterator[Sample]:
        """A numeric field over [start_ms, end_ms) as it was measured, in order of time, one value an instant.

        Read in parts as the caller goes on: in memory is a part, at most the samples of one day. What is written
        meanwhile may or may not appear. The place's zone is no part of the question, and text fields have no samples.

        Raises:
            UnavailableError: The store does not answer; also in the midst of reading.
        """

    def latest(self, place: Place) -> list[Latest]:
        """The newest value of every field of a device, whatever zone it stood in, in order of field.

        Raises:
            UnavailableError: The store does not answer.
        """

    def generation(self, at_least: int = 0) -> int:
        """The highest number given to `mark_generation`, 0 at first (commit protocol, section 5: SQL restored).

        Args:
            at_least: What it was told before; a store that shows late what is new must be sure before it says less.

        Raises:
            UnavailableError: It does not answer, or cannot be sure yet.
        """

    def mark_generation(self, number: int) -> None:
        """Remembers a number durably."""

    def check(self) -> None:
        """Raises UnavailableError unless the store can take writes now."""

    def close(self) -> None:
        """Releases everything; writes that returned are durable."""
