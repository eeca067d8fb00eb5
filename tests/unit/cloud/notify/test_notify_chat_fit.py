"""A text is made as short as a service takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_cloud.notify.receivers.chat.config import MOST_BYTES, ROOM_BYTES, Service
from frostline_cloud.notify.receivers.chat.fit import fitted
from frostline_cloud.notify.texts import Text


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
)
def test_no_text_is_longer_than_the_service_takes(subject: str, lines: list[str], most: int) -> None:
    made = fitted(Text(subject, "\n".join(lines)), most, "行未显示")

    assert len(f"{made.subject}\r\n{made.body}".encode()) <= most
    body = made.body.split("\n")
    if made.body != "\n".join(lines):
        assert body[-1].startswith("…") or body[0].endswith("…")


@pytest.mark.parametrize("service", Service)
def test_every_service_has_a_limit_with_room_for_a_text(service: Service) -> None:
    assert MOST_BYTES[service] - ROOM_BYTES.get(service, 6_000) >= 2_000
