"""A text is made as short as a service takes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_cloud.notify.receivers.chat import ChatConfig, Service
from frostline_cloud.notify.receivers.chat.answers import Answer
from frostline_cloud.notify.receivers.chat.fit import fitted, json_size, utf8_size
from frostline_cloud.notify.receivers.chat.limits import LIMITS
from frostline_cloud.notify.texts import Text
from frostline_core.config import parse
from frostline_core.errors import ConfigError


def test_what_fits_stays_as_it_is() -> None:
    text = Text("Too warm", "a\n\nb")

    assert fitted(text, 100, "more lines") == text


def test_what_is_too_long_is_cut_by_whole_lines_and_says_how_many_are_missing() -> None:
    text = Text("Too warm", "\n".join(f"room-{number:03}" for number in range(50)))

    assert fitted(text, 100, "more lines").body.split("\n") == [
        *(f"room-{number:03}" for number in range(7)),
        "… 43 more lines",
    ]


def test_a_line_that_is_too_long_alone_is_cut() -> None:
    assert fitted(Text("s", "x" * 500), 100, "more").body.startswith("x" * 50)


@given(
    st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=200),
    st.lists(
        st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=120),
        min_size=1,
        max_size=60,
    ),
    st.integers(100, 3000),
    st.sampled_from([utf8_size, json_size]),
)
def test_no_text_is_longer_than_the_service_takes(
    subject: str, lines: list[str], most: int, size: Callable[[str], int]
) -> None:
    made = fitted(Text(subject, "\n".join(lines)), most, "行未显示", size)

    assert size(f"{made.subject}\r\n{made.body}") <= most
    body = made.body.split("\n")
    if made.body != "\n".join(lines):
        assert body[-1].startswith("…") or body[0].endswith("…")


@pytest.mark.parametrize("service", Service)
def test_every_service_has_a_limit_with_room_for_a_text(service: Service) -> None:
    assert LIMITS[service].text_bytes >= 2_000
    assert LIMITS[service].source.startswith("https://")


def chat(service: str, **budget: int) -> ChatConfig:
    made = {"name": "group", "type": "chat", "service": service, "url": "${env:X}", "budget": budget}
    return parse({name: value for name, value in made.items() if value}, ChatConfig, "test")


@pytest.mark.parametrize("service", Service)
def test_the_budget_that_nobody_named_is_one_that_every_service_takes(service: Service) -> None:
    assert chat(service).budget.per_minute == 6


@pytest.mark.parametrize("budget", [{"per_minute": 21}, {"per_hour": 100}])
def test_a_budget_of_more_than_the_service_takes_is_refused(budget: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="budget: per_minute: wecom takes 20 messages a minute"):
        chat("wecom", **budget)
    assert chat("wecom", per_minute=20).budget.per_minute == 20


def test_an_answer_that_is_nested_too_deeply_is_no_delivery() -> None:
    assert "nested too deeply" in Answer(200, b"[" * 60_000).fault


def test_an_answer_that_is_no_json_says_nothing_went_wrong() -> None:
    assert Answer(200, b"ok").fault == ""
