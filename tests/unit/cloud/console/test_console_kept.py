"""What pages share is bounded, and the newest of it stays."""

from __future__ import annotations

from frostline_cloud.console.kept import Kept


def test_what_was_put_last_is_got() -> None:
    kept: Kept[str, int] = Kept(2)
    assert kept.get("a") is None
    kept.put("a", 1)
    kept.put("a", 2)
    assert kept.get("a") == 2


def test_what_was_put_first_goes_at_the_bound() -> None:
    kept: Kept[str, int] = Kept(2)
    for key in ("a", "b", "a", "c"):
        kept.put(key, 0)
    assert [key for key in "abc" if kept.get(key) is not None] == ["a", "c"]
