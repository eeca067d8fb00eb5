"""The commit protocol's three values on the wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_core.commit import (
    BatchMark,
    Commit,
    Runs,
    of_spool,
    pack_batch,
    pack_commits,
    pack_runs,
    run_number,
    run_text,
    unpack_batch,
    unpack_commits,
    unpack_runs,
)
from frostline_core.commit.wire import NUMBER_MAX
from frostline_core.errors import ProtocolError
from frostline_core.reading import Stream

U64 = st.integers(0, 2**64 - 1)
NUMBER = st.integers(1, NUMBER_MAX)


@st.composite
def marks(draw: st.DrawFn) -> BatchMark:
    base, first, n = sorted(draw(st.tuples(NUMBER, NUMBER, NUMBER)))
    gap = draw(st.booleans())
    return BatchMark(draw(U64), draw(st.sampled_from(Stream)), n, first if gap else n, base, gap)


commits = st.builds(Commit, run=U64, n=st.integers(0, NUMBER_MAX), hole=st.booleans())
births = st.builds(Runs, spool=U64, held=st.dictionaries(U64, NUMBER, max_size=64), more=st.booleans())


@given(marks())
def test_a_batch_mark_comes_back_as_it_went(mark: BatchMark) -> None:
    assert unpack_batch(pack_batch(mark)) == mark


@given(births)
def test_runs_come_back_as_they_went_in_order(runs: Runs) -> None:
    back = unpack_runs(pack_runs(runs))
    assert back == runs
    assert list(back.held) == list(runs.held)


@given(st.lists(commits, min_size=1, max_size=8))
def test_commits_come_back_as_they_went(sent: list[Commit]) -> None:
    assert unpack_commits(pack_commits(sent)) == tuple(sent)


@given(st.binary(max_size=80))
def test_any_bytes_are_a_batch_or_a_protocol_error(raw: bytes) -> None:
    try:
        mark = unpack_batch(b"\x13" + raw)
    except ProtocolError:
        return
    assert pack_batch(mark) == b"\x13" + raw


@given(st.sampled_from([b"", b"\x10", b"\x11"]), st.binary(max_size=80))
def test_any_bytes_are_runs_or_a_protocol_error(head: bytes, raw: bytes) -> None:
    try:
        runs = unpack_runs(head + raw)
    except ProtocolError:
        return
    assert pack_runs(runs) == head + raw


@given(st.sampled_from([b"", b"\x10"]), st.binary(max_size=120))
def test_any_bytes_are_commits_or_a_protocol_error(head: bytes, raw: bytes) -> None:
    try:
        found = unpack_commits(head + raw)
    except ProtocolError:
        return
    assert pack_commits(found) == head + raw


def test_a_usual_mark_has_the_documented_bytes() -> None:
    mark = BatchMark(0x0102030405060708, Stream.SAMPLES, 300, 300, 290)
    assert pack_batch(mark).hex() == "11" + "0807060504030201" + "ac02" + "0a"


def test_a_gap_mark_has_the_documented_bytes() -> None:
    mark = BatchMark(1, Stream.EVENTS, 5, 3, 2, gap=True)
    assert pack_batch(mark).hex() == "12" + "0100000000000000" + "05" + "03" + "02"


def test_a_commit_carries_its_hole_in_the_lowest_bit() -> None:
    assert pack_commits([Commit(1, 5, hole=True)]).hex() == "10" + "0100000000000000" + "0b"


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        ("", "version"),
        ("21" + "00" * 8 + "0100", "version"),
        ("14" + "00" * 8 + "0100", "flags"),
        ("11" + "00" * 7, "cut short"),
        ("11" + "00" * 8, "cut short"),
        ("11" + "00" * 8 + "0000", "impossible"),
        ("11" + "00" * 8 + "0101", "impossible"),
        ("13" + "00" * 8 + "050102", "impossible"),
        ("11" + "00" * 8 + "010000", "too many"),
        ("11" + "00" * 8 + "810000", "shortest"),
        ("11" + "00" * 8 + "ff" * 9 + "0100", "63 bits"),
    ],
)
def test_a_wrong_mark_is_refused(raw: str, what: str) -> None:
    with pytest.raises(ProtocolError, match=what):
        unpack_batch(bytes.fromhex(raw))


def test_a_ninth_commit_is_refused() -> None:
    with pytest.raises(ProtocolError, match="1 to 8"):
        unpack_commits(pack_commits([Commit(1, 1)] * 8) + pack_commits([Commit(2, 1)])[1:])


def test_a_run_listed_twice_is_refused() -> None:
    raw = pack_runs(Runs(1, {2: 3}))
    with pytest.raises(ProtocolError, match="twice"):
        unpack_runs(raw + raw[9:])


def test_more_runs_than_a_birth_lists_cannot_be_packed() -> None:
    with pytest.raises(ValueError, match="65 runs"):
        pack_runs(Runs(1, dict.fromkeys(range(65), 1)))


@given(U64)
def test_a_run_reads_the_same_from_its_text(run: int) -> None:
    assert run_number(run_text(run)) == run
    assert len(run_text(run)) == 16


@pytest.mark.parametrize("text", ["", "1", "0123456789ABCDEF", "0123456789abcdeg", "0" * 17])
def test_other_text_is_no_run(text: str) -> None:
    with pytest.raises(ProtocolError, match="16 hex digits"):
        run_number(text)


def test_a_run_carries_two_bytes_of_its_spool() -> None:
    assert of_spool(0xBEEF_0000_0000_0001, 0x1234_5678_9ABC_BEEF)
    assert not of_spool(0xBEE0_0000_0000_0001, 0x1234_5678_9ABC_BEEF)


@given(st.binary(max_size=6), st.sampled_from([0, 1, 2, 126, 127]))
def test_short_marks_and_long_ones_are_read_alike(tail: bytes, behind: int) -> None:
    """What nearly every message carries has a way of its own; it must refuse and read what the other way does."""
    raw = bytes([0x11]) + bytes(range(8)) + tail + bytes([behind])
    try:
        found = unpack_batch(raw)
    except ProtocolError:
        return
    assert pack_batch(found) == raw
