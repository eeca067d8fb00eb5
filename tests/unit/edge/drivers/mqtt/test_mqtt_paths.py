"""JSON paths and topic patterns of the MQTT driver."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_edge.drivers.mqtt.path import ABSENT, JsonPath
from frostline_edge.drivers.mqtt.topic import TopicPattern

_DOCUMENT = {"a": {"b": [{"c": 1}, [2, 3]], "n": None}, "x y-1": "z"}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a.b[0].c", 1),
        ("a.b[1][0]", 2),
        ("x y-1", "z"),
        ("a.n", None),
        ("a.b[2]", ABSENT),
        ("a.c", ABSENT),
        ("a[0]", ABSENT),
        ("x y-1.c", ABSENT),
        ("", _DOCUMENT),
    ],
)
def test_a_path_finds_what_stands_there(path: str, found: object) -> None:
    assert JsonPath.parse(path).find(_DOCUMENT) == found


@pytest.mark.parametrize("text", ["a..b", ".a", "a.", "a[", "a[x]", "a[-1]", "a]b", "a[0]b"])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no path"):
        JsonPath.parse(text)


_keys = st.text(st.characters(exclude_characters=".[]", exclude_categories=["Cs"]), min_size=1, max_size=8)


@given(st.lists(st.one_of(_keys, st.integers(0, 3)), max_size=6), st.integers())
def test_every_path_finds_what_was_put_at_its_end(steps: list[str | int], leaf: int) -> None:
    document: object = leaf
    for step in reversed(steps):
        document = [None] * step + [document] if isinstance(step, int) else {step: document}
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")
    assert JsonPath.parse(text).find(document) == leaf


def test_a_pattern_names_levels() -> None:
    pattern = TopicPattern.parse("site/{zone}/tele/{device}/SENSOR")
    assert pattern.filter == "site/+/tele/+/SENSOR"
    assert pattern.match("site/cold/tele/esp1/SENSOR") == {"zone": "cold", "device": "esp1"}


@pytest.mark.parametrize("topic", ["tele/a/STATE", "tele/a", "tele/a/SENSOR/x", "stat/a/SENSOR"])
def test_a_topic_that_does_not_fit_matches_nothing(topic: str) -> None:
    assert TopicPattern.parse("tele/{device}/SENSOR").match(topic) is None


@pytest.mark.parametrize("text", ["tele/SENSOR", "tele/+/{device}", "#", "{device}/{device}", "x{device}", "{zone}/a"])
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="device"):
        TopicPattern.parse(text)
