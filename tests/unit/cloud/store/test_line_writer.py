"""How culprits are found, with a server that is a function."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_cloud.store.line_writer import LineWriter, RefusedError
from frostline_cloud.store.port import AnyRow, NumberRow, Place, RejectedError, Row, RowForm, Sheet
from frostline_core.errors import UnavailableError

PLACE = Place("m", "s", "n", "d")


class Server:
    """Stores the lines that it likes, and refuses a request that has one that it does not."""

    def __init__(self, most_bytes: int = 10**9) -> None:
        self.lines: set[bytes] = set()
        self.requests = 0
        self.most_bytes = most_bytes

    def send(self, body: bytes) -> None:
        self.requests += 1
        if len(body) > self.most_bytes:
            raise RefusedError("too long", too_large=True)
        lines = body.split(b"\n")
        self.lines |= {line for line in lines if b"bad=" not in line}
        if any(b"bad=" in line for line in lines):
            raise RefusedError("partial write: bad")


def _rows(count: int, bad: set[int]) -> list[Row]:
    return [Row(PLACE, i, [("bad" if i in bad else "good", 1.0)]) for i in range(count)]


def _writer(server: Server, now_s: float = 1e9) -> LineWriter:
    return LineWriter(server.send, lambda: None, lambda: now_s)


@given(st.integers(1, 200), st.sets(st.integers(0, 199)))
def test_exactly_the_culprits_are_named_and_all_others_stored(count: int, bad: set[int]) -> None:
    server = Server()
    bad = {i for i in bad if i < count}
    rejected: list[int] = []
    try:
        _writer(server).write(_rows(count, bad))
    except RejectedError as error:
        rejected = [index for index, _ in error.rows]
    assert rejected == sorted(bad)
    assert len([line for line in server.lines if b"good=" in line]) == count - len(bad)


GOOD, BAD = RowForm(PLACE, ("good",)), RowForm(PLACE, ("bad",))


@given(st.integers(1, 60), st.sets(st.integers(0, 59)), st.integers(0, 9), st.sets(st.integers(0, 9)), st.booleans())
def test_culprits_of_a_sheet_are_named_by_their_places(
    count: int, bad: set[int], further: int, worse: set[int], odd: bool
) -> None:
    server = Server()
    values = [(math.nan if odd and i == count // 2 else 1.0,) for i in range(count)]
    others: list[AnyRow] = [Row(PLACE, 100 + i, [("bad" if i in worse else "good", 1.0)]) for i in range(further)]
    sheet = Sheet([BAD if i in bad else GOOD for i in range(count)], list(range(count)), values, others)
    rejected: list[int] = []
    try:
        _writer(server).write(sheet)
    except RejectedError as error:
        rejected = [index for index, _ in error.rows]
    wanted = (
        {i for i in bad if i < count} | {count + i for i in worse if i < further} | ({count // 2} if odd else set())
    )
    assert rejected == sorted(wanted)
    assert len([line for line in server.lines if b"good=" in line]) == len(sheet) - len(wanted)


def test_a_sheet_is_the_rows_that_it_is_made_of() -> None:
    others: list[AnyRow] = [Row(PLACE, 3, [("x_text", "a")])]
    sheet = Sheet([GOOD, BAD], [1, 2], [(1.0,), (2.0,)], others)
    wanted = [NumberRow(GOOD, 1, (1.0,)), NumberRow(BAD, 2, (2.0,)), *others]
    assert (list(sheet), len(sheet), sheet[1:], sheet[-1]) == (wanted, 3, wanted[1:], others[0])
    with pytest.raises(IndexError):
        sheet[3]


def test_one_request_is_enough_for_a_usual_sheet_with_text_lines_in_it() -> None:
    server = Server()
    others: list[AnyRow] = [Row(PLACE, 5, [("x_text", "two\nlines")])]
    _writer(server).write(Sheet([GOOD] * 30_000, list(range(30_000)), [(1.0,)] * 30_000, others))
    assert server.requests == 1


def test_one_culprit_among_thousands_costs_few_requests() -> None:
    server = Server()
    with pytest.raises(RejectedError):
        _writer(server).write(_rows(4096, {1234}))
    assert server.requests <= 2 + 2 * 12


def test_a_body_that_is_too_long_is_sent_in_parts_and_nothing_is_refused() -> None:
    server = Server(most_bytes=100)
    _writer(server).write(_rows(50, set()))
    assert len(server.lines) == 50


def test_a_line_that_is_too_long_by_itself_is_refused_alone() -> None:
    server = Server(most_bytes=100)
    rows = _rows(5, set())
    rows[2].fields.append(("note_text", "x" * 200))
    with pytest.raises(RejectedError) as caught:
        _writer(server).write(rows)
    assert caught.value.rows == ((2, "too long"),)
    assert len(server.lines) == 4


def test_a_server_that_refuses_everything_is_unavailable_and_no_row_is_given_up() -> None:
    def refuse(body: bytes) -> None:
        raise RefusedError("client sent an HTTP request to an HTTPS server")

    with pytest.raises(UnavailableError, match="HTTPS server"):
        LineWriter(refuse, lambda: None).write(_rows(3, set()))


def test_a_server_that_goes_away_during_the_search_is_unavailable() -> None:
    server = Server()

    def send(body: bytes) -> None:
        if server.requests > 3:
            raise UnavailableError("gone")
        server.send(body)

    with pytest.raises(UnavailableError, match="gone"):
        LineWriter(send, lambda: None).write(_rows(100, {50}))


def test_generation_never_goes_down_and_is_one_point_a_day() -> None:
    server = Server()
    writer = _writer(server)
    for number in (5, 3, 5, 9):
        writer.mark_generation(number)
    assert writer.generation() == 9
    marks = [line for line in server.lines if line.startswith(b"frostline_generation")]
    assert len(marks) == 2
    assert {line.split()[-1] for line in marks} == {b"999993600000"}, "the start of the day"


def test_a_mark_that_failed_is_tried_again() -> None:
    server = Server()
    fails = [True]

    def send(body: bytes) -> None:
        if fails:
            raise UnavailableError("down")
        server.send(body)

    writer = LineWriter(send, lambda: 4.0)
    with pytest.raises(UnavailableError):
        writer.mark_generation(7)
    assert writer.generation() == 4
    fails.clear()
    writer.mark_generation(7)
    assert writer.generation() == 7
