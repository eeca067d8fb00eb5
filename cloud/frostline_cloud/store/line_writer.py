"""Writes rows as line protocol, and finds the culprits when a server refuses some of them. Knows no HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from frostline_cloud.store.line import LineEncoder
from frostline_cloud.store.port import AnyRow, Place, RejectedError, Row, Sheet
from frostline_core.errors import UnavailableError

Send = Callable[[bytes], None]
"""Posts lines. Raises UnavailableError, or RefusedError when the server says that lines are wrong."""

SEARCH_S = 30.0
"""How long the search for culprits may take before the rest of a refused group is given up as a whole."""

BODY_BYTES = 8 * 1024 * 1024
"""Longest request, but for a single longer line: servers take 25 MB (InfluxDB 1) or more unless told otherwise."""
_PART_VALUES, _STEP = 2_000, 50
"""So many numbers are written at once, of so many rows at a time."""

_OWN = ("frostline", "frostline", "frostline")
_PROBE = Place("frostline_check", *_OWN)
_GENERATION = Place("frostline_generation", *_OWN)
_DAY_MS = 86_400_000


class RefusedError(Exception):
    """The server refuses something in these lines; it may have stored the others.

    Attributes:
        too_large: The body was too long; its parts may be welcome.
    """

    def __init__(self, reason: str, too_large: bool = False) -> None:
        super().__init__(reason)
        self.too_large = too_large


class LineWriter:
    """The writing half of a store that takes line protocol.

    Args:
        send: Posts the lines of one request.
        read_generation: Reads the highest generation number that the store holds.
        clock: Seconds since 1970; own rows (check, generation) carry the time of their day's start, so that they are
            one point a day, within a retention of a day or more.
        mark_every_ms: The same for generation, where of two values for one instant a server may keep the lower.
    """

    def __init__(
        self,
        send: Send,
        read_generation: Callable[[], float | None],
        clock: Callable[[], float] = time.time,
        mark_every_ms: int = _DAY_MS,
    ) -> None:
        self._post = send
        self._read_generation = read_generation
        self._clock, self._mark_every_ms = clock, mark_every_ms
        self._encoder = LineEncoder()
        self._generation: int | None = None
        self._generation_lock = threading.Lock()

    def write(self, rows: Sequence[AnyRow]) -> None:
        """The store port's `write`."""
        rejected: list[tuple[int, str]] = []
        for text in self._texts(rows, rejected):
            rejected += [(text.rows[i], reason) for i, reason in self._deliver(text)]
        if rejected:
            raise RejectedError(sorted(rejected))

    def _texts(self, rows: Sequence[AnyRow], rejected: list[tuple[int, str]]) -> Iterator[_Text]:
        """The rows as requests."""
        found: list[_Text] = []
        numbers = len(rows.forms) if isinstance(rows, Sheet) else 0
        start = 0
        while isinstance(rows, Sheet) and start < numbers:
            end = _cut(rows, start)
            try:
                found.append(_Text(self._encoder.body(rows, start, end), range(start, end)))
            except ValueError:
                found += self._one_by_one(rows, range(start, end), rejected)
            start = end
        if numbers < len(rows):
            found += self._one_by_one(rows, range(numbers, len(rows)), rejected)
        return _joined(found)

    def _one_by_one(self, rows: Sequence[AnyRow], places: range, rejected: list[tuple[int, str]]) -> list[_Text]:
        lines, indexes, refused = self._encoder.lines(rows[places.start : places.stop])
        rejected += [(places[i], reason) for i, reason in refused]
        return [
            _Text(b"\n".join(lines[start:end]), [places[i] for i in indexes[start:end]], lines[start:end])
            for start, end in _bodies(lines)
        ]

    def check(self) -> None:
        """The store port's `check`: writes one small line, because only that shows that writing works."""
        try:
            self._send(self._own_line(_PROBE, "ok", 1.0, _DAY_MS))
        except RefusedError as error:
            raise UnavailableError(f"store refuses even a check line: {error}") from error

    def generation(self) -> int:
        """The store port's `generation`, asked of the store once, and again after it did not answer."""
        with self._generation_lock:
            if self._generation is None:
                self._generation = int(self._read_generation() or 0)
            return self._generation

    def doubt(self) -> None:
        """The store is asked for its generation again."""
        self._generation = None

    def mark_generation(self, number: int) -> None:
        """The store port's `mark_generation`; a number that is not higher than the highest changes nothing."""
        if number <= self.generation():
            return
        with self._generation_lock:
            try:
                self._send(self._own_line(_GENERATION, "number", float(number), self._mark_every_ms))
            except RefusedError as error:
                raise UnavailableError(f"store refuses the generation mark: {error}") from error
            self._generation = max(number, self._generation or 0)

    def _send(self, body: bytes) -> None:
        try:
            self._post(body)
        except UnavailableError:
            self._generation = None  # it may come back with less than it had
            raise

    def _own_line(self, place: Place, field: str, value: float, every_ms: int) -> bytes:
        at_ms = int(self._clock() * 1000) // every_ms * every_ms
        return self._encoder.line(Row(place, at_ms, [(field, value)])).encode()

    def _deliver(self, text: _Text) -> list[tuple[int, str]]:
        """Sends; where something is refused, halves until each culprit is alone. A line may be sent several times."""
        try:
            self._send(text.body)
        except RefusedError as error:
            if not error.too_large:
                self.check()  # a server that refuses everything (a wrong port, a proxy) must not cost any row
            return self._culprits(text.lines(), error)
        return []

    def _culprits(self, lines: Sequence[bytes], first: RefusedError) -> list[tuple[int, str]]:
        culprits: list[tuple[int, str]] = []
        until = time.monotonic() + SEARCH_S
        refused = [(0, len(lines), first)]
        while refused:
            start, end, error = refused.pop()
            if end - start == 1:
                culprits.append((start, str(error)))
                continue
            if time.monotonic() > until:
                culprits += [
                    (i, f"one of {end - start} rows that were refused together: {error}") for i in range(start, end)
                ]
                continue
            middle = (start + end) // 2
            for part in ((start, middle), (middle, end)):
                try:
                    self._send(b"\n".join(lines[slice(*part)]))
                except RefusedError as again:
                    refused.append((*part, again))
        return culprits


@dataclass(slots=True)
class _Text:
    """Lines for one request.

    Attributes:
        body: The lines.
        rows: The row of each.
        cut: The lines one by one; None where each line feed ends one.
    """

    body: bytes
    rows: Sequence[int]
    cut: list[bytes] | None = None

    def lines(self) -> list[bytes]:
        return self.body.split(b"\n") if self.cut is None else self.cut


def _cut(sheet: Sheet, start: int) -> int:
    """Where a part of the rows of numbers ends that is surely no large request."""
    end, values = start, 0
    while end < len(sheet.forms) and values < _PART_VALUES:
        step = sheet.values[end : end + _STEP]
        values += sum(map(len, step))
        end += len(step)
    return end


def _joined(texts: list[_Text]) -> Iterator[_Text]:
    """As few requests as there may be."""
    group: list[_Text] = []
    size = 0
    for each in texts:
        if group and size + len(each.body) >= BODY_BYTES:
            yield _one(group)
            group, size = [], 0
        group.append(each)
        size += len(each.body) + 1
    if group:
        yield _one(group)


def _one(group: list[_Text]) -> _Text:
    if len(group) == 1:
        return group[0]
    cut = None if all(each.cut is None for each in group) else [line for each in group for line in each.lines()]
    return _Text(b"\n".join([each.body for each in group]), [row for each in group for row in each.rows], cut)


def _bodies(lines: Sequence[bytes]) -> list[tuple[int, int]]:
    """Where to cut lines into requests: (start, end) of each."""
    found, start, size = [], 0, 0
    for index, line in enumerate(lines):
        if size + len(line) >= BODY_BYTES and index > start:
            found.append((start, index))
            start, size = index, 0
        size += len(line) + 1
    return [*found, (start, len(lines))] if lines else []
