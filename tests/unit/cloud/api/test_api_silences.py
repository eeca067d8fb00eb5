"""Trying a silence before it is made."""

from __future__ import annotations

from typing import Any

import pytest

from frostline_cloud.api import Services
from tests.unit.cloud.api.conftest import client_of, token_for


async def preview(services: Services, **matchers: str) -> Any:
    async with client_of(services, token_for(services)) as client:
        named = {name.replace("label_", "label."): each for name, each in matchers.items()}
        return await client.post("/api/v1/silences/preview", json={"matchers": named})


async def test_a_preview_shows_open_alerts_those_of_a_week_and_devices(seeded: Services) -> None:
    found = (await preview(seeded, site="ber*", device="*-1")).json()

    assert [each["device"] for each in found["open"]] == ["freezer-1", "chiller-1"]
    assert (found["open_count"], found["week_count"]) == (2, 3)
    assert [each[2] for each in found["devices"]] == ["chiller-1", "dock-1", "freezer-1", "meter-1"]
    assert (found["device_count"], found["device_total"], found["is_cut"]) == (4, 6, False)


async def test_what_a_matcher_says_of_alerts_only_does_not_leave_devices_out(seeded: Services) -> None:
    found = (await preview(seeded, severity="critical", label_product="vac*")).json()

    assert (found["open_count"], found["device_count"]) == (0, 6)  # these alerts know no labels


async def test_a_mistyped_pattern_covers_nothing(seeded: Services) -> None:
    found = (await preview(seeded, site="berlim")).json()

    assert (found["open_count"], found["week_count"], found["device_count"]) == (0, 0, 0)


@pytest.mark.parametrize(
    ("name", "pattern", "said"), [("sight", "x", "no matcher 'sight'"), ("site", "*", "a silence of everything")]
)
async def test_what_could_not_be_a_silence_is_refused(seeded: Services, name: str, pattern: str, said: str) -> None:
    answer = await preview(seeded, **{name: pattern})

    assert answer.status_code == 409
    assert said in answer.json()["detail"]
