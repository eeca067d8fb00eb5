"""Files of lines: whose they are, and what a power cut leaves of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_cloud.store.segment import Segment
from frostline_core.errors import UnavailableError


@pytest.fixture
def segment(tmp_path: Path) -> Iterator[Segment]:
    made = Segment.begin(tmp_path, "123.4")
    made.append(b"first")
    made.append(b"second\nline")
    made.sync()
    yield made
    made.close()


def left(folder: Path) -> list[tuple[str, list[bytes]]]:
    """What is taken over, and closed at once."""
    found = Segment.left_behind(folder)
    told = [(each.start, list(each.bodies())) for each in found]
    for each in found:
        each.close()
    return told


def cut(folder: Path, size: int, tail: bytes = b"") -> None:
    """What a power cut leaves of the file."""
    (path,) = folder.iterdir()
    path.write_bytes(path.read_bytes()[:size] + tail)


def test_it_gives_back_what_was_appended(segment: Segment) -> None:
    assert list(segment.bodies()) == [b"first", b"second\nline"]


def test_it_is_left_to_others_only_by_an_end(segment: Segment, tmp_path: Path) -> None:
    assert left(tmp_path) == []
    other = Segment.begin(tmp_path, "")
    other.append(b"x")
    other.close()
    assert left(tmp_path) == [("", [b"x"])]


def test_what_was_taken_back_is_gone(segment: Segment) -> None:
    segment.append(b"third, and long")
    segment.take_back(b"third, and long")
    segment.append(b"4th")
    assert list(segment.bodies()) == [b"first", b"second\nline", b"4th"]


def test_what_was_dropped_is_gone(tmp_path: Path) -> None:
    made = Segment.begin(tmp_path, "1")
    made.drop()
    assert list(tmp_path.iterdir()) == []


@given(cut_off=st.integers(1, 30), tail=st.sampled_from([b"", bytes(40), b"\x05\0\0\0ab\0cd"]))
def test_of_a_torn_end_only_whole_lines_are_left(
    tmp_path_factory: pytest.TempPathFactory, cut_off: int, tail: bytes
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    made = Segment.begin(folder, "1")
    for lines in (b"a a=1 1", b"b b=1 1", b"c c=1 1"):
        made.append(lines)
    made.close()
    cut(folder, made.size - cut_off, tail)
    ((_, found),) = left(folder)
    whole = [b"a a=1 1", b"b b=1 1", b"c c=1 1"][: 3 - -(-cut_off // 11)]
    assert found[: len(whole)] == whole
    assert all(b"\0" not in each for each in found)


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("ours", encoding="utf-8")
    (tmp_path / "odd.held").write_bytes(b"something else")
    (tmp_path / "empty.held").touch()
    assert left(tmp_path) == []
    assert len(list(tmp_path.iterdir())) == 3


def test_without_a_folder_it_has_no_name_and_works_as_well() -> None:
    made = Segment.begin(None, "1")
    made.append(b"x")
    made.sync()
    assert list(made.bodies()) == [b"x"]
    assert Segment.left_behind(None) == []
    made.drop()


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "held").touch()
    with pytest.raises(UnavailableError, match="cannot be kept"):
        Segment.begin(tmp_path / "held", "1")
