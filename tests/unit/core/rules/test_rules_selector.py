"""Selecting series by globs."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from frostline_core.rules import Selector, Series

ROOM = Series("hamburg", "gw-1", "room-1", "cold_room", "freezer-1", "air_temperature", {"product": "fish"})


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ({"metric": "air_temperature"}, True),
        ({"metric": "setpoint"}, False),
        ({"metric": ["setpoint", "air_*"]}, True),
        ({"metric": "*", "zone": "freezer-*"}, True),
        ({"metric": "*", "zone": "chiller-*"}, False),
        ({"metric": "*", "site": ["bremen", "hamburg"], "node": "gw-?", "kind": "cold_[r]oom"}, True),
        ({"metric": "*", "device": "ROOM-1"}, False),
        ({"metric": "*", "labels": {"product": "f*"}}, True),
        ({"metric": "*", "labels": {"product": "meat"}}, False),
        ({"metric": "*", "labels": {"owner": "*"}}, False),
    ],
)
def test_a_series_is_selected_when_every_key_matches(select: dict[str, Any], expected: bool) -> None:
    assert Selector.model_validate(select).matches(ROOM) is expected


@pytest.mark.parametrize("select", [{}, {"metric": []}, {"metric": ""}, {"metric": 3}, {"metric": "a", "zones": "b"}])
def test_a_selector_without_sense_is_refused(select: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Selector.model_validate(select)


word = st.text(alphabet="ab*?[]!-", min_size=1, max_size=5)


@given(st.lists(word, min_size=1, max_size=3), st.text(alphabet="ab*?[]!-", max_size=5))
def test_globs_mean_what_fnmatch_says(globs: list[str], name: str) -> None:
    series = Series("s", "n", name, "k", "", "m")

    selected = Selector.model_validate({"metric": "m", "device": globs}).matches(series)

    assert selected is any(fnmatchcase(name, glob) for glob in globs)
