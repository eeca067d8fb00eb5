"""The account that a gateway tells: there and back, and nothing but that."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_core.commit.account import DAYS_MOST, DayAccount, GatewayAccount, pack_account, unpack_account
from frostline_core.errors import ProtocolError

_COUNT = st.integers(0, 2**60)
_DAY = st.dates().map(lambda day: f"{day:%Y}".rjust(4, "0") + f"-{day:%m-%d}")
_ACCOUNT = st.builds(
    GatewayAccount,
    st.lists(st.builds(DayAccount, _DAY, *[_COUNT] * 6), max_size=DAYS_MOST).map(tuple),
    _COUNT,
    st.integers(-(2**60), 2**60),
)


@given(_ACCOUNT)
def test_what_is_packed_is_unpacked(account: GatewayAccount) -> None:
    assert unpack_account(pack_account(account)) == account


@given(st.text(max_size=60) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_anything_else_is_a_protocol_error(text: str) -> None:
    with pytest.raises(ProtocolError):
        unpack_account(text)


@pytest.mark.parametrize(
    "told",
    [
        {"days": [{"day": "today"}]},
        {"days": [{"day": "2026-01-31", "read": -1}]},
        {"days": [{"day": "2026-01-31", "read": 1.5}]},
        {"days": [{"day": "2026-01-31", "read": True}]},
        {"days": [{"day": "2026-01-31", "read": 2**63}]},
        {"days": [{"day": "2026-01-31"}] * (DAYS_MOST + 1)},
        {"days": [], "pending": "3"},
        {"days": ["2026-01-31"]},
    ],
)
def test_a_count_is_a_whole_number_that_any_database_takes(told: object) -> None:
    with pytest.raises(ProtocolError):
        unpack_account(json.dumps(told))


def test_keys_of_a_later_version_do_no_harm() -> None:
    told = {"days": [{"day": "2026-01-31", "read": 3, "kept": 1, "melted": 2}], "mood": "good"}
    (day,) = unpack_account(json.dumps(told)).days
    assert (day.read, day.residue) == (3, 2)
