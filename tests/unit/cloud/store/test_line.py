"""The encoder against a parser of line protocol that works as InfluxDB's own does."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_cloud.store.line import LineEncoder, field_name, measurement_name, plain
from frostline_cloud.store.port import FieldValue, NumberRow, Place, Row, RowForm, Sheet

_HORRORS = st.text(st.sampled_from(" ,=\"\\%#_\n\t'abc2é°Ω日0F"), min_size=1, max_size=12)
_WORDS = _HORRORS | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
_PLACES = st.builds(Place, _WORDS, _WORDS, _WORDS, _WORDS, _WORDS | st.just(""))
_VALUES = st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(exclude_categories=["Cs"]))
_NAMES = _WORDS | st.sampled_from(["time", "site", "zone", "air_temperature"])
_ROWS = st.builds(
    Row, _PLACES, st.integers(-(2**40), 2**42), st.lists(st.tuples(_NAMES, _VALUES), min_size=1, max_size=5)
)


def _split(text: str, separator: str) -> list[str]:
    """Splits where the separator is neither escaped by the character before it nor inside double quotes."""
    parts, start, quoted = [], 0, False
    for i, character in enumerate(text):
        escaped = i > 0 and text[i - 1] == "\\"
        if character == separator and not escaped and not quoted:
            parts.append(text[start:i])
            start = i + 1
    return [*parts, text[start:]]


def _split_fields(text: str) -> tuple[list[tuple[str, FieldValue]], int]:
    fields: list[tuple[str, FieldValue]] = []
    while True:
        key_end = next(m.start() for m in re.finditer("=", text) if text[m.start() - 1] != "\\")
        key, text = _unescape(text[:key_end]), text[key_end + 1 :]
        if text[0] == '"':
            match = re.match(r'"((?:[^"\\]|\\.)*)"', text, re.DOTALL)
            assert match
            fields.append((key, re.sub(r'\\(["\\])', r"\1", match[1])))
        else:
            match = re.match(r"[-+0-9.eE]+", text)
            assert match
            fields.append((key, float(match[0])))
        text = text[match.end() :]
        if text[0] == " ":
            return fields, int(text[1:])
        assert text[0] == ","
        text = text[1:]


def _unescape(text: str) -> str:
    return re.sub(r"\\([ ,=])", r"\1", text)


def _parse(line: str) -> Row:
    assert not line.startswith("#")
    head = next(line[: m.start()] for m in re.finditer(" ", line) if line[m.start() - 1] != "\\")
    assert "\n" not in head
    measurement, *tags = _split(head, ",")
    found = {}
    for tag in tags:
        key, value = _split(tag, "=")
        found[key] = plain(_unescape(value))
    fields, at_ms = _split_fields(line[len(head) + 1 :])
    place = Place(plain(_unescape(measurement)), found["site"], found["node"], found["device"], found.get("zone", ""))
    return Row(place, at_ms, [(plain(name), value) for name, value in fields])


@given(_ROWS)
def test_a_parser_reads_back_what_was_written(row: Row) -> None:
    assert _parse(LineEncoder().line(row)) == row


@given(_WORDS, _WORDS)
def test_two_names_never_become_one(one: str, other: str) -> None:
    assert (one == other) == (field_name(one) == field_name(other))
    assert (one == other) == (measurement_name(one) == measurement_name(other))


def test_everyday_names_stay_as_they_are() -> None:
    place = Place("cold_room", "site-1", "gw.1", "room_7", "freezer 1")
    row = Row(place, 1_700_000_000_000, [("air_temperature", -18.25), ("state_text", 'said "ok"')])
    assert LineEncoder().line(row) == (
        r"cold_room,device=room_7,node=gw.1,site=site-1,zone=freezer\ 1 "
        r'air_temperature=-18.25,state_text="said \"ok\"" 1700000000000'
    )


def test_numbers_keep_every_bit_and_stay_floats() -> None:
    place = Place("m", "s", "n", "d")
    assert LineEncoder().line(Row(place, 1, [("a", 0.1 + 0.2), ("b", 1)])) == (
        "m,device=d,node=n,site=s a=0.30000000000000004,b=1.0 1"
    )


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (Row(Place("m", "s", "n", "d"), 1, [("t", math.nan)]), "t is nan"),
        (Row(Place("m", "s", "n", "d"), 1, [("t", -math.inf)]), "t is -inf"),
        (Row(Place("m", "s", "n", "d"), 1, []), "without fields"),
        (Row(Place("m", "s", "n", "d"), 1, [("", 1.0)]), "without name"),
        (Row(Place("", "s", "n", "d"), 1, [("t", 1.0)]), "without measurement"),
        (Row(Place("m", "s", "n", "d"), 2**63, [("t", 1.0)]), "outside the years"),
        (Row(Place("m", "s", "n", "d"), 1, [("t_text", "\ud800")]), "surrogates not allowed"),
    ],
)
def test_a_row_that_cannot_be_a_line_is_named_and_the_others_are_rendered(row: Row, reason: str) -> None:
    good = Row(Place("m", "s", "n", "d"), 1, [("t", 1.0)])
    lines, indexes, refused = LineEncoder().lines([good, row, good])
    assert len(lines) == 2
    assert indexes == [0, 2]
    assert [index for index, _ in refused] == [1]
    assert reason in refused[0][1]


def test_equal_places_that_are_other_objects_render_alike() -> None:
    encoder = LineEncoder()
    rows = [Row(Place("m", "s", "n", f"d{i % 2}"), 1, [("t", 1.0)]) for i in range(100)]
    lines, _, _ = encoder.lines(rows)
    assert len(set(lines)) == 2


_NUMBERS = st.lists(st.tuples(_NAMES, st.floats(allow_nan=False, allow_infinity=False)), min_size=1, max_size=6)


@given(_PLACES, st.integers(-(2**40), 2**42), _NUMBERS)
def test_a_row_of_numbers_says_what_an_ordinary_row_says(
    place: Place, at_ms: int, fields: list[tuple[str, float]]
) -> None:
    encoder = LineEncoder()
    names, values = zip(*fields, strict=True)
    row = NumberRow(RowForm(place, names), at_ms, values)
    for _ in range(2):  # the second time from what it remembers
        fast, slow = encoder.number_line(row).decode(), encoder.line(Row(place, at_ms, list(fields)))
        assert _parts(fast) == _parts(slow)


def _parts(line: str) -> tuple[str, list[tuple[str, FieldValue]], str]:
    """What stands before the fields, the fields, and the time: 1e16 and 1e+16 are one number."""
    head, text, at = _split(line, " ")
    pairs = [_split(field, "=") for field in _split(text, ",")]
    return head, [(key, float(value)) for key, value in pairs], at


_FINITE = st.floats(allow_nan=False, allow_infinity=False)
_FORMS = st.lists(
    st.builds(RowForm, _PLACES, st.lists(_NAMES, min_size=1, max_size=4).map(tuple)), min_size=1, max_size=3
)


@given(_FORMS, st.data())
def test_many_rows_in_one_text_are_the_lines_that_they_are_one_by_one(
    forms: list[RowForm], data: st.DataObject
) -> None:
    encoder = LineEncoder()
    chosen = data.draw(st.lists(st.sampled_from(forms), min_size=1, max_size=8))
    times = data.draw(st.lists(st.integers(-(2**40), 2**42), min_size=len(chosen), max_size=len(chosen)))
    values = [data.draw(st.tuples(*[_FINITE] * len(form.names))) for form in chosen]
    sheet = Sheet(chosen, times, values)
    lines, _, refused = encoder.lines(sheet)
    assert not refused
    start = data.draw(st.integers(0, len(chosen) - 1))
    assert encoder.body(sheet, start, len(chosen)).split(b"\n") == lines[start:]


@pytest.mark.parametrize(
    ("at_ms", "values"),
    [(1, (1.0, math.nan)), (1, (math.inf, 1.0)), (2**63, (1.0, 2.0)), (1, (1.0,)), (1, (1.0, 2.0, 3.0))],
)
def test_a_row_that_cannot_be_a_line_makes_no_text(at_ms: int, values: tuple[float, ...]) -> None:
    form = RowForm(Place("room", "s", "g", "d"), ("good", "odd"))
    other = (1.0, 2.0, 3.0)[: 4 - len(values)]  # so that there are as many numbers as names
    with pytest.raises(ValueError, match=r"time|number|values"):
        LineEncoder().body(Sheet([form, form], [at_ms, 1], [values, other]), 0, 2)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_row_of_numbers_refuses_what_is_no_number(value: float) -> None:
    row = NumberRow(RowForm(Place("room", "s", "g", "d"), ("good", "odd")), 1, (1.0, value))
    with pytest.raises(ValueError, match="odd is"):
        LineEncoder().number_line(row)


def test_forms_are_told_apart_though_they_are_remembered_by_identity() -> None:
    encoder = LineEncoder()
    for n in range(200):
        row = NumberRow(RowForm(Place("room", "s", "g", f"d{n}"), ("a",)), 1, (1.0,))
        assert encoder.number_line(row) == f"room,device=d{n},node=g,site=s a=1.0 1".encode()
