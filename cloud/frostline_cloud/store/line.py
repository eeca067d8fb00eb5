"""InfluxDB line protocol: rows in, one line of text each out. Pure.

Syntax: https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/

What the protocol cannot say in a name or a tag is written as `%XX`, so that no device is refused for its name and two
names never become one: a backslash (at the end of a tag it would escape the separator), control characters, a leading
`#` (it makes the line a comment) or `_` in a measurement (reserved), a field with the name of a tag or `time`, a double
quote in a field's name (some servers take it for the start of a text). A `%` that two hexadecimal digits follow becomes
`%25`; `plain` undoes all of it. Everyday names pass through unchanged.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain

import orjson

from frostline_cloud.store.port import AnyRow, FieldValue, NumberRow, Place, Row, RowForm, Sheet

TAGS = ("device", "node", "site", "zone")
"""Tag keys in the order of the line: sorted, as the servers' own guides ask for speed."""

EARLIEST_MS = -9_223_372_036_854
LATEST_MS = 9_223_372_036_854
"""Times that fit 64-bit nanoseconds: years 1677 to 2262."""

_CACHED = 65_536
_RESERVED = frozenset({"time", *TAGS})
_UNSAYABLE = re.compile(r"[\x00-\x1f\x7f\\]|%(?=[0-9A-Fa-f]{2})")
_ESCAPED = re.compile(r"%([0-9A-Fa-f]{2})")
_TEXT = str.maketrans({'"': '\\"', "\\": "\\\\"})
_KEY = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ "})
_MEASUREMENT = str.maketrans({",": "\\,", " ": "\\ "})


def measurement_name(kind: str) -> str:
    """What a device kind is called in the store."""
    name = _sayable(kind)
    return _percent(name[0]) + name[1:] if name[:1] in ("#", "_") else name


def field_name(metric: str) -> str:
    """What a field is called in the store; differs from the row's name only where the protocol cannot say that."""
    if metric in _RESERVED:
        return _percent(metric[0]) + metric[1:]
    return _sayable(metric).replace('"', _percent('"'))


def tag_value(text: str) -> str:
    """What a site, node, device or zone is called in the store."""
    return _sayable(text)


def plain(stored: str) -> str:
    """The name or tag before it was made sayable."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), stored)


@dataclass(slots=True)
class _Pieces:
    """A line of one form, cut at its values: `pieces` has the `keys`, and an empty place after each."""

    form: RowForm
    pieces: list[bytes]
    keys: list[bytes]


class LineEncoder:
    """Renders rows; remembers what it derived from 65,536 places, field names and forms, then starts anew.

    May be used by several threads at once: the worst that a race does is to derive something twice.
    """

    def __init__(self) -> None:
        self._prefixes: dict[int, tuple[Place, str]] = {}
        self._keys: dict[str, str] = {}
        self._further: dict[str, bytes] = {}  # one object for all forms that have the name
        self._forms: dict[int, _Pieces] = {}

    def lines(self, rows: Sequence[AnyRow]) -> tuple[list[bytes], list[int], list[tuple[int, str]]]:
        """Renders rows.

        Returns:
            The lines, without line feed; for each line the index of its row; and index and reason of each row that
            cannot be a line.
        """
        lines: list[bytes] = []
        indexes: list[int] = []
        refused: list[tuple[int, str]] = []
        for index, row in enumerate(rows):
            try:
                lines.append(self.line(row).encode() if isinstance(row, Row) else self.number_line(row))
            except ValueError as error:  # a lone surrogate is one too
                refused.append((index, str(error)))
            else:
                indexes.append(index)
        return lines, indexes, refused

    def body(self, sheet: Sheet, start: int, end: int) -> bytes:
        """Rows of numbers from `start` to `end` as one text, a line each, in a few calls for all of them.

        Raises:
            ValueError: One of them cannot be a line; `lines` says which.
        """
        times = sheet.times[start:end]
        if not EARLIEST_MS < min(times) <= max(times) < LATEST_MS:
            raise ValueError("a time is outside the years 1677 to 2262")
        values = sheet.values[start:end]
        keys = [self._keys_of(form) for form in sheet.forms[start:end]]
        widths = list(map(len, keys))
        if widths != list(map(len, values)):
            raise ValueError("a row with more or fewer values than names")
        numbers = orjson.dumps(list(chain.from_iterable(values)))
        if b"n" in numbers:  # "null": not a number, or infinite
            raise ValueError("a number that no store keeps")
        texts = numbers[1:-1].split(b",")
        stamps = (b" " + orjson.dumps(times)[1:-1].replace(b",", b"\n, ")).split(b",")
        for end_at, stamp in zip(accumulate(widths), stamps, strict=True):
            texts[end_at - 1] += stamp
        parts = [b""] * (2 * len(texts))
        parts[0::2] = chain.from_iterable(keys)
        parts[1::2] = texts
        return b"".join(parts)

    def _keys_of(self, form: RowForm) -> list[bytes]:
        entry = self._forms.get(id(form))
        return (entry if entry is not None and entry.form is form else self._cut(form)).keys

    def number_line(self, row: NumberRow) -> bytes:
        """A row of numbers; its values are written by one call, which is what makes it fast.

        Raises:
            ValueError: As `line`.
        """
        entry = self._forms.get(id(row.form))
        if entry is None or entry.form is not row.form:
            entry = self._cut(row.form)
        numbers = orjson.dumps(row.values)
        if b"n" in numbers:  # "null": not a number, or infinite
            name = next(name for name, value in row.fields if not math.isfinite(float(value)))
            raise ValueError(f"{name} is {dict(row.fields)[name]}: no number that a store keeps")
        if not EARLIEST_MS < row.at_ms < LATEST_MS:
            raise ValueError(f"time {row.at_ms} ms is outside the years 1677 to 2262")
        if len(entry.pieces) == 2:  # one value: no pieces to put together
            return b"%b%b %d" % (entry.pieces[0], numbers[1:-1], row.at_ms)
        pieces = entry.pieces.copy()
        pieces[1::2] = numbers[1:-1].split(b",")
        return b"%b %d" % (b"".join(pieces), row.at_ms)

    def line(self, row: AnyRow) -> str:
        """One row as `measurement,tags fields milliseconds`.

        Raises:
            ValueError: No fields, a number that is not finite, or a time that no server keeps.
        """
        if not row.fields:
            raise ValueError("a row without fields")
        if not EARLIEST_MS < row.at_ms < LATEST_MS:
            raise ValueError(f"time {row.at_ms} ms is outside the years 1677 to 2262")
        entry = self._prefixes.get(id(row.place))
        prefix = entry[1] if entry is not None and entry[0] is row.place else self._prefix(row.place)
        keys, to_key = self._keys.get, self._key
        parts = [  # the hot path: a float is finite exactly when its difference with itself is 0
            (keys(name) or to_key(name))
            + (repr(value) if value.__class__ is float and value - value == 0.0 else _value(name, value))
            for name, value in row.fields
        ]
        return f"{prefix} {','.join(parts)} {row.at_ms}"

    def _cut(self, form: RowForm) -> _Pieces:
        if not form.names:
            raise ValueError("a row without fields")
        pieces = [b""] * (2 * len(form.names))
        pieces[0::2] = [self._further.get(name) or self._further_key(name) for name in form.names]
        pieces[0] = f"{self._prefix(form.place)} {self._key(form.names[0])}".encode()
        if len(self._forms) >= _CACHED:
            self._forms.clear()
        entry = self._forms[id(form)] = _Pieces(form, pieces, pieces[0::2])
        return entry

    def _prefix(self, place: Place) -> str:
        if not place.measurement:
            raise ValueError("a row without measurement")
        values = (place.device, place.node, place.site, place.zone)
        tags = [f"{key}={tag_value(v).translate(_KEY)}" for key, v in zip(TAGS, values, strict=True) if v]
        prefix = ",".join([measurement_name(place.measurement).translate(_MEASUREMENT), *tags])
        if len(self._prefixes) >= _CACHED:
            self._prefixes.clear()
        self._prefixes[id(place)] = (place, prefix)
        return prefix

    def _key(self, name: str) -> str:
        if not name:
            raise ValueError("a field without name")
        key = f"{field_name(name).translate(_KEY)}="
        if len(self._keys) >= _CACHED:
            self._keys.clear()
        self._keys[name] = key
        return key

    def _further_key(self, name: str) -> bytes:
        """The key of a value that is not the first of its line."""
        key = f",{self._key(name)}".encode()
        if len(self._further) >= _CACHED:
            self._further.clear()
        self._further[name] = key
        return key


def _value(name: str, value: FieldValue) -> str:
    if isinstance(value, str):
        return f'"{value.translate(_TEXT)}"'
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{name} is {number}: no number that a store keeps")
    return repr(number)


def _sayable(text: str) -> str:
    return _UNSAYABLE.sub(lambda match: _percent(match[0]), text)


def _percent(character: str) -> str:
    return f"%{ord(character):02X}"
