"""A small file is there as a whole: the text before, or the new one."""

from __future__ import annotations

from pathlib import Path

import pytest

from frostline_gateway import whole_file


def test_the_new_text_is_in_place_of_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "rules.json"
    whole_file.write(path, "a long text")
    whole_file.write(path, "ü")
    assert path.read_text(encoding="utf-8") == "ü"
    assert list(tmp_path.iterdir()) == [path]


def test_where_the_disk_does_not_take_it_nothing_is_left_of_it(tmp_path: Path) -> None:
    path = tmp_path / "rules.json"
    path.mkdir()
    with pytest.raises(OSError, match="rules"):
        whole_file.write(path, "text")
    assert list(tmp_path.iterdir()) == [path]
