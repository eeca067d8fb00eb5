"""Outputs: what they should be, how they are written, and what is told of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from frostline_core.config import parse
from frostline_core.errors import ConfigError, UnavailableError
from frostline_core.rules import Phase
from frostline_gateway.devices import Devices
from frostline_gateway.local_rules.config import Level, OutputConfig
from frostline_gateway.local_rules.drive import AGAIN_MS, Drive, Way
from frostline_gateway.local_rules.wanted import START, UNKNOWN, Cause, wanted
from frostline_gateway.local_rules.ways import way_of

FIRED = Cause("firing", "r", "room-1", "air_temperature", 1_000, -10.0)
CLEARED = Cause("resolved", "r", "room-1", "air_temperature", 2_000, -20.0)


def output(**keys: Any) -> OutputConfig:
    return parse({"name": "siren", "device": "io", "metric": "relay", **keys}, OutputConfig, "test")


class Relay:
    """An output with a clock that the test turns."""

    def __init__(self, **keys: Any) -> None:
        self.now_ms = 1_000_000
        self.levels: list[Level] = []
        self.told: list[Mapping[str, Any]] = []
        self.error: Exception | None = None
        self.reads: bool | None = None
        self.drive = Drive(output(**keys), Way(self.write, lambda _: self.reads), self.told.append, lambda: self.now_ms)

    async def write(self, level: Level) -> None:
        if self.error is not None:
            raise self.error
        self.levels.append(level)

    async def want(self, on: bool | None, cause: Cause = FIRED, after_ms: int = 10_000) -> None:
        self.now_ms += after_ms
        self.drive.want(on, cause)
        await self.drive.step()

    @property
    def outcomes(self) -> list[str]:
        return [each["outcome"] for each in self.told]


@pytest.mark.parametrize("phase", [Phase.FIRING, Phase.CLEARING])
def test_an_output_is_on_while_any_rule_fires_anywhere(phase: Phase) -> None:
    assert wanted(output(), [Phase.OK, phase, Phase.UNKNOWN], seen=True) == (True, "")


@pytest.mark.parametrize("phase", [Phase.OK, Phase.PENDING])
def test_it_is_off_when_everything_is_known_and_nothing_fires(phase: Phase) -> None:
    assert wanted(output(), [Phase.OK, phase], seen=True) == (False, "")


@pytest.mark.parametrize(("act", "on"), [("keep", None), ("on", True), ("off", False)])
def test_no_data_is_no_reason_to_switch_off_unless_the_configuration_says_so(act: str, on: bool | None) -> None:
    assert wanted(output(at_unknown=act), [Phase.OK, Phase.UNKNOWN], seen=True) == (on, UNKNOWN)


@pytest.mark.parametrize(("act", "on"), [("keep", None), ("on", True), ("off", False)])
def test_before_the_first_sample_it_is_as_the_configuration_says(act: str, on: bool | None) -> None:
    assert wanted(output(at_start=act), [Phase.OK], seen=False) == (on, START)


def test_what_was_firing_before_a_restart_is_on_before_the_first_sample() -> None:
    assert wanted(output(at_start="off"), [Phase.FIRING], seen=False) == (True, "")


async def test_a_write_is_told_with_its_cause() -> None:
    relay = Relay(on=True, off=False)
    await relay.want(True)
    assert relay.levels == [True]
    (told,) = relay.told
    assert (told["output"], told["target"], told["on"], told["outcome"]) == ("siren", "io/relay", True, "done")
    assert (told["rule"], told["device"], told["at_ms"], told["value"]) == ("r", "room-1", 1_000, -10.0)


async def test_what_is_so_already_is_not_written_but_told_for_another_cause() -> None:
    relay = Relay()
    await relay.want(True)
    await relay.want(True)
    await relay.want(True, Cause("firing", "other", "room-2", "air_temperature", 1_500))
    assert relay.levels == [True]
    assert relay.outcomes == ["done", "already"]


async def test_two_writes_are_an_interval_apart() -> None:
    relay = Relay(interval_s=5.0)
    await relay.want(True)
    await relay.want(False, CLEARED, after_ms=4_000)
    assert relay.levels == [True]
    await relay.want(False, CLEARED, after_ms=1_000)
    assert relay.levels == [True, False]


async def test_a_failure_is_tried_again_and_told_once() -> None:
    relay = Relay()
    relay.error = UnavailableError("no answer")
    await relay.want(True)
    await relay.want(True)
    assert relay.outcomes == ["failed"]
    assert relay.drive.error == "no answer"
    relay.error = None
    await relay.want(True)
    assert relay.outcomes == ["failed", "done"]
    assert relay.drive.error == ""


async def test_what_reads_back_otherwise_is_written_again_but_seldom() -> None:
    relay = Relay()
    await relay.want(True)
    relay.reads = False
    await relay.want(True, after_ms=AGAIN_MS - 1)
    assert relay.levels == [True]
    await relay.want(True, after_ms=1)
    assert relay.levels == [True, True]


async def test_kept_as_it_is_means_no_write() -> None:
    relay = Relay()
    await relay.want(None, Cause(UNKNOWN))
    assert (relay.levels, relay.told) == ([], [])


@pytest.mark.parametrize(("act", "levels"), [("keep", [True]), ("off", [True, False]), ("on", [True])])
async def test_at_its_stop_the_gateway_leaves_it_as_configured(act: str, levels: list[bool]) -> None:
    relay = Relay(at_stop=act)
    await relay.want(True)
    await relay.drive.stop()
    assert relay.levels == levels


async def test_a_file_has_the_level_and_a_line_s_end(tmp_path: Path) -> None:
    path = tmp_path / "value"
    config = parse({"name": "lamp", "file": str(path)}, OutputConfig, "test")
    way = way_of(config, Devices(), lambda _: None)
    await way.write(True)
    assert path.read_text() == "1\n"
    await way.write(False)
    assert path.read_text() == "0\n"


async def test_a_file_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    config = parse({"name": "lamp", "file": str(tmp_path / "no" / "value")}, OutputConfig, "test")
    with pytest.raises(UnavailableError, match="No such file"):
        await way_of(config, Devices(), lambda _: None).write(True)


def test_a_device_that_nobody_writes_to_is_no_output() -> None:
    with pytest.raises(ConfigError, match="no driver that can write"):
        way_of(output(), Devices(), lambda _: None)


@pytest.mark.parametrize(
    "keys",
    [
        {"file": "/x"},  # and a device
        {"device": ""},
        {"device": "", "metric": "", "file": "relative"},
        {"on": 1, "off": 1},
        {"interval_s": 0.5},
    ],
)
def test_a_configuration_that_means_nothing_is_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        output(**keys)
