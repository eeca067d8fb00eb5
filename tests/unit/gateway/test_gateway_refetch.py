"""The command that asks for a span of time again: what it may look like, and who follows it."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from frostline_core.errors import UnavailableError
from frostline_core.sparkplug import WriteAsked
from frostline_gateway.commands import Commands
from frostline_gateway.devices import Devices
from frostline_gateway.refetch import REFETCH, Refetches, parse
from frostline_gateway.spool.ring import Refetch


def test_a_span_is_read_with_and_without_a_device() -> None:
    assert parse('{"from_ms": 5, "to_ms": 9}') == Refetch(5, 9, None)
    assert parse('{"from_ms": 5, "to_ms": 9, "device": "room-1"}') == Refetch(5, 9, "room-1")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "JSON text"),
        ("{", "is JSON"),
        ("[" * 2_000, "at most 1000"),
        ("[" * 1_000, "is JSON"),
        ("[5, 9]", "has from_ms, to_ms"),
        ('{"from_ms": 5}', "has from_ms, to_ms"),
        ('{"from_ms": 5, "to_ms": 9, "devise": "room-1"}', "has from_ms, to_ms"),
        ('{"from_ms": true, "to_ms": 9}', "UTC milliseconds"),
        ('{"from_ms": -1, "to_ms": 9}', "UTC milliseconds"),
        ('{"from_ms": 9, "to_ms": 9}', "before to_ms"),
        ('{"from_ms": 5, "to_ms": 9, "device": 7}', "is a text"),
    ],
)
def test_what_is_no_span_is_refused(value: str | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(value)


class Told:
    def __init__(self) -> None:
        self.entries: list[Mapping[str, object]] = []
        self.commands = Commands(Devices(), lambda _: None, self.entries.append, lambda: 0)

    @property
    def outcomes(self) -> list[tuple[object, object]]:
        return [(entry["outcome"], entry["reason"]) for entry in self.entries]


def asked(metric: str = REFETCH) -> WriteAsked:
    return WriteAsked("", metric, json.dumps({"from_ms": 5, "to_ms": 9}))


async def test_a_refetch_is_followed_and_audited() -> None:
    told, spans = Told(), []

    def take(span: Refetch) -> bool:
        spans.append(span)
        return True

    await Refetches(take, told.commands).follow(asked())
    assert spans == [Refetch(5, 9)]
    assert told.outcomes == [("done", "")]


async def test_too_many_spans_and_a_failing_disk_are_refusals() -> None:
    def fail(_: Refetch) -> bool:
        raise UnavailableError("the disk is gone")

    told = Told()
    await Refetches(lambda _: False, told.commands).follow(asked())
    await Refetches(fail, told.commands).follow(asked())
    assert told.outcomes == [("refused", "16 spans wait to be sent already"), ("refused", "the disk is gone")]


async def test_every_other_command_goes_its_old_way() -> None:
    told = Told()
    await Refetches(lambda _: True, told.commands).follow(asked("setpoint"))
    assert told.outcomes == [("refused", "the device does not answer")]
