"""TLS connections that break in the middle of a record, each way, of gateway and ingest: all is there once."""

from __future__ import annotations

import pytest

from tests.support.services import eventually
from tests.support.stack import Counter, Settings, Stack
from tests.support.stream import NODE, begin, finish

PATIENCE_S = 180
"""A gateway whose third session in a minute was cut waits for half a minute: it might be a clone."""
pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def settings() -> Settings:
    return Settings(links=True, tls=True)


@pytest.mark.parametrize("reset", [False, True])
def test_records_that_are_cut_off_cost_nothing(stack: Stack, counter: Counter, reset: bool) -> None:
    begin(stack, counter)
    for link in (stack.gateway_link, stack.cloud_link):
        for upward in (True, False):
            before = link.connections
            link.tear(upward=upward, reset=reset)
            eventually(lambda link=link, before=before: link.connections > before, PATIENCE_S)  # type: ignore[misc]
            eventually(lambda: stack.ready() and stack.born(NODE), PATIENCE_S)
            seen = stack.written(NODE)
            eventually(lambda seen=seen: stack.written(NODE) > seen + 50, PATIENCE_S)  # type: ignore[misc]
    finish(stack, counter)
