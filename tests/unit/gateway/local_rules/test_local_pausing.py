"""Pauses that the cloud sends: local rules open nothing meanwhile, and each pause ends by itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from frostline_core.errors import ConfigError
from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Quality, Reading
from frostline_core.rules import RuleSet, parse
from frostline_core.rules.standstill import MOST_PAUSES, PAUSES, Span, pack, unpack
from frostline_core.sparkplug import WriteAsked
from frostline_gateway.commands import Commands
from frostline_gateway.devices import Devices
from frostline_gateway.local_rules.config import Level, OutputConfig
from frostline_gateway.local_rules.drive import Drive, Way
from frostline_gateway.local_rules.local import LocalRules, Place
from frostline_gateway.local_rules.orders import pauses_order
from frostline_gateway.local_rules.standing import Standing

START_MS = 1_700_000_000_000
AIR = (MetricDescription("air_temperature", DataType.DOUBLE, "Cel"),)


class Room:
    """Two rooms with one siren, a limit of -15 degrees, a hard one of 0, and a clock that the test turns."""

    def __init__(self, folder: Path) -> None:
        self.now_ms = START_MS
        self.siren: list[Level] = []
        self.told: list[Mapping[str, Any]] = []
        self.others: list[object] = []
        self.devices = Devices()
        for name in ("room-1", "room-2"):
            self.devices.born(DeviceDescription(name, "cold_room", "", AIR), 1)
        table = {"id": "warm", "type": "threshold", "title": "R", "above": -15.0, "hard_limit": {"above": 0.0}}
        rule = parse(
            {**table, "where": "gateway", "output": "siren", "select": {"metric": "air_temperature"}}, "test"
        )  # fmt: skip
        config = OutputConfig(name="siren", device="io", metric="relay", interval_s=1.0)
        self.drive = Drive(config, Way(self._write, lambda _: None), lambda _: None, lambda: self.now_ms)
        place = Place("site", "gw", folder / "rules.json")
        self.local = LocalRules(
            place, RuleSet.of([rule]), {"siren": self.drive}, self.devices.description, lambda: self.now_ms
        )  # fmt: skip
        commands = Commands(self.devices, lambda _: None, self.told.append, lambda: self.now_ms)
        self.pausing = Standing(pauses_order(self.local), commands, self.devices, self._other)

    async def _write(self, level: Level) -> None:
        self.siren.append(level)

    async def _other(self, command: object) -> None:
        self.others.append(command)

    async def pause(self, *spans: Span) -> None:
        await self.pausing.follow(WriteAsked("", PAUSES, pack(spans)))

    async def see(self, minute: float, value: float, device: str = "room-1") -> None:
        self.now_ms = at(minute)
        self.local.hear(device, [Reading(device, "air_temperature", value, self.now_ms, Quality.GOOD)])
        await self.drive.step()

    @property
    def declared(self) -> object:
        (found,) = [each.value for each in self.devices.node_metrics() if each.name == PAUSES]
        return found


def at(minute: float) -> int:
    return START_MS + round(minute * 60_000)


async def test_a_siren_does_not_go_on_during_maintenance(tmp_path: Path) -> None:
    room = Room(tmp_path)
    await room.pause(Span("room-1", at(0), at(60)))
    await room.see(1, -20.0)
    await room.see(5, -10.0)
    assert room.siren == [False]


async def test_other_devices_are_watched_as_before(tmp_path: Path) -> None:
    room = Room(tmp_path)
    await room.pause(Span("room-1", at(0), at(60)))
    await room.see(1, -10.0, "room-2")
    assert room.siren == [True]


async def test_the_hard_limit_counts_in_a_pause_too(tmp_path: Path) -> None:
    room = Room(tmp_path)
    await room.pause(Span("", at(0), at(60)))
    await room.see(1, 1.0)
    assert room.siren == [True]


async def test_what_is_on_when_a_pause_begins_stays_on_until_it_is_back_in_range(tmp_path: Path) -> None:
    room = Room(tmp_path)
    await room.see(1, -10.0)
    await room.pause(Span("", at(2), at(60)))
    await room.see(3, -10.0)
    assert room.siren == [True]
    await room.see(4, -20.0)
    assert room.siren == [True, False]


async def test_a_pause_ends_by_itself_without_the_cloud(tmp_path: Path) -> None:
    room = Room(tmp_path)
    await room.pause(Span("", at(0), at(10)))
    await room.see(9, -10.0)
    assert room.siren == [False]
    await room.see(11, -10.0)
    assert room.siren == [False, True]


async def test_a_pause_is_remembered_over_a_restart(tmp_path: Path) -> None:
    await Room(tmp_path).pause(Span("", at(0), at(60)))
    room = Room(tmp_path)
    await room.see(1, -10.0)
    assert room.siren == [False]
    assert room.declared == unpack(pack([Span("", at(0), at(60))]))[0]


async def test_new_pauses_are_in_place_of_those_before(tmp_path: Path) -> None:
    room = Room(tmp_path)
    await room.pause(Span("", at(0), at(60)))
    await room.pause()
    await room.see(1, -10.0)
    assert room.siren == [True]


async def test_rules_that_come_in_a_pause_heed_it(tmp_path: Path) -> None:
    room = Room(tmp_path)
    await room.pause(Span("", at(0), at(60)))
    room.local.use(room.local.rules)
    await room.see(1, -10.0)
    assert room.siren == [False]


async def test_what_became_of_it_is_audited_and_shown(tmp_path: Path) -> None:
    room = Room(tmp_path)
    await room.pause(Span("room-1", 1, 2))
    await room.pause(Span("room-1", 1, 2))
    await room.pausing.follow(WriteAsked("", PAUSES, "no json"))
    assert [each["outcome"] for each in room.told] == ["done", "refused"]
    assert room.local.document()["pauses"] == [{"device": "room-1", "from_ms": 1, "to_ms": 2}]


async def test_a_damaged_file_pauses_nothing(tmp_path: Path) -> None:
    (tmp_path / "pauses_sent.json").write_bytes(b"\xff\xfe")
    room = Room(tmp_path)
    assert (room.declared, room.local.document()["pauses"]) == ("", [])


async def test_commands_of_others_go_on(tmp_path: Path) -> None:
    room = Room(tmp_path)
    other = WriteAsked("room-1", "setpoint", 1.0)
    await room.pausing.follow(other)
    assert room.others == [other]


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        '{"version": "0", "pauses": 1}',
        '{"version": "0", "pauses": [["a", 1]]}',
        '{"version": "0", "pauses": [["a", 2, 1]]}',
        '{"version": "0", "pauses": [["a", true, 1]]}',
        '{"version": "0", "pauses": []}',
        "[" * 100_000,
    ],
)
def test_what_is_no_list_of_pauses_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^pauses: "):
        unpack(text)


def test_too_many_pauses_are_not_packed() -> None:
    with pytest.raises(ConfigError, match="the most is 1000"):
        pack([Span("", 0, number) for number in range(MOST_PAUSES + 1)])
