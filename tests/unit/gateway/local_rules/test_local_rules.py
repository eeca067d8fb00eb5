"""Local rules: samples in, outputs directed, states remembered."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from frostline_core.errors import ConfigError
from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Quality, Reading, Value
from frostline_core.rules import RuleSet, parse
from frostline_core.rules.bundle import MOST_RULES
from frostline_edge.driver import Writer
from frostline_gateway.devices import Devices
from frostline_gateway.local_rules import memory
from frostline_gateway.local_rules.build import Surroundings, build, rules_of
from frostline_gateway.local_rules.choose import choose
from frostline_gateway.local_rules.config import Act, OutputConfig, RulesConfig
from frostline_gateway.local_rules.local import LocalRules, Place

START_MS = 1_700_000_000_000
METRICS = (
    MetricDescription("air_temperature", DataType.DOUBLE, "Cel"),
    MetricDescription("door_open", DataType.BOOLEAN),
    MetricDescription("relay", DataType.BOOLEAN, writable=True),
)
SIREN = OutputConfig(name="siren", device="io", metric="relay", interval_s=1.0)


def rule(id_: str = "warm", **keys: Any) -> Any:
    table = {"type": "threshold", "id": id_, "title": "R", "above": -15.0, "where": "gateway", "output": "siren"}
    return parse({**table, "select": {"metric": "air_temperature"}, **keys}, "test")


class Io:
    """A driver with one relay."""

    def __init__(self) -> None:
        self.written: list[Value] = []

    async def write(self, device: str, metric: str, value: Value) -> None:
        assert (device, metric) == ("io", "relay")
        self.written.append(value)


class Gateway:
    """Local rules with a relay and a clock that the test turns."""

    def __init__(self, folder: Path, *rules: Any, output: OutputConfig = SIREN) -> None:
        self.now_ms: int = START_MS
        self.io, self.told, self.devices = Io(), list[Mapping[str, Any]](), Devices()
        for device in ("room-1", "room-2", "io"):
            self.devices.born(DeviceDescription(device, "cold_room", "z", METRICS), 1)
        around = Surroundings(self.devices, self._writer, self.told.append, lambda: self.now_ms, lambda: self.now_ms)
        place = Place("site", "gw", folder / "rules.json")
        self.local: LocalRules = build(place, RuleSet.of(rules or [rule()]), [output], around)

    def _writer(self, _device: str) -> Writer:
        return self.io

    async def see(self, second: float, value: Value, device: str = "room-1", metric: str = "air_temperature") -> None:
        self.now_ms = START_MS + round(second * 1000)
        quality = Quality.BAD if value is None else Quality.GOOD
        self.local.hear(device, [Reading(device, metric, value, self.now_ms, quality)])
        await self.drive()

    async def wait(self, second: float) -> None:
        self.now_ms = START_MS + round(second * 1000)
        self.local.tick()
        await self.drive()

    async def drive(self) -> None:
        for each in self.local._drives.values():  # what its tasks do, without waiting
            await each.step()


async def test_a_value_beyond_the_limit_switches_on_and_back_in_range_off(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    await gateway.see(0, -20.0)
    await gateway.see(10, -10.0)
    await gateway.see(20, -20.0)
    assert gateway.io.written == [False, True, False]
    assert [(each["why"], each["rule"], each["at_ms"]) for each in gateway.told[1:]] == [
        ("firing", "warm", START_MS + 10_000),
        ("resolved", "warm", START_MS + 20_000),
    ]


async def test_for_is_waited_out_by_the_clock(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, rule(**{"for": "5s"}))
    await gateway.wait(0)
    await gateway.see(1, -10.0)
    assert gateway.io.written == [False]
    await gateway.wait(6.5)
    assert gateway.io.written == [False, True]
    assert gateway.told[-1]["at_ms"] == START_MS + 6_000


async def test_it_stays_on_until_the_last_room_is_back_in_range(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    await gateway.see(0, -10.0)
    await gateway.see(10, -10.0, "room-2")
    await gateway.see(20, -20.0)
    assert gateway.io.written == [True]
    await gateway.see(30, -20.0, "room-2")
    assert gateway.io.written == [True, False]


async def test_silence_switches_nothing_off(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    await gateway.see(0, -20.0)
    await gateway.see(2, -10.0)
    await gateway.wait(3_600)
    assert gateway.io.written == [False, True]


async def test_no_data_does_what_the_output_says(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, output=SIREN.model_copy(update={"at_unknown": Act.ON}))
    await gateway.wait(0)
    await gateway.see(0, -20.0)
    await gateway.wait(3_600)
    assert gateway.io.written == [False, True]
    assert gateway.told[-1]["why"] == "no data"


async def test_a_rule_that_watches_another_metric_hears_it(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, rule(suppress_while=["door_open"]))
    await gateway.see(0, True, metric="door_open")
    await gateway.see(1, -10.0)
    assert gateway.io.written == [False]


async def test_after_a_restart_what_was_pending_goes_on(tmp_path: Path) -> None:
    before = Gateway(tmp_path, rule(**{"for": "10s"}))
    await before.see(0, -10.0)
    await before.local.save()
    after = Gateway(tmp_path, rule(**{"for": "10s"}))
    await after.see(8, -10.0)
    await after.see(10.5, -10.0)
    assert after.io.written[-1] is True


async def test_after_a_restart_what_fires_is_not_switched_off(tmp_path: Path) -> None:
    before = Gateway(tmp_path, rule(**{"for": "10s"}))
    await before.see(0, -10.0)
    await before.see(10, -10.0)
    await before.local.stop()
    after = Gateway(tmp_path, rule(**{"for": "10s"}))
    await after.see(20, -10.0)
    assert after.io.written == [True]


@pytest.mark.parametrize(
    "text", ["", "{", '{"series": 1}', '{"series": [["room-1", "air_temperature", 1, {"warm": 1}]]}']
)
async def test_a_damaged_memory_costs_only_the_memory(tmp_path: Path, text: str) -> None:
    (tmp_path / "rules.json").write_text(text)
    gateway = Gateway(tmp_path)
    await gateway.see(0, -10.0)
    assert gateway.io.written == [True]


def test_what_is_remembered_is_read_back(tmp_path: Path) -> None:
    kept = {("room-1", "air_temperature"): memory.Remembered(5, {"warm": {"phase": "firing"}})}
    memory.write(tmp_path / "m", kept)
    assert memory.read(tmp_path / "m") == kept


async def test_other_rules_take_over_without_a_restart(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, rule(above=0.0))
    await gateway.see(0, -10.0)
    gateway.local.use(RuleSet.of([rule(above=-15.0)]))
    await gateway.see(5, -10.0)
    assert gateway.io.written == [False, True]


async def test_without_rules_samples_cost_nothing_and_switch_nothing(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    gateway.local.use(RuleSet.of([]))
    await gateway.see(0, -10.0)
    await gateway.wait(3_600)
    assert gateway.io.written == []


def test_only_rules_for_this_gateway_are_chosen() -> None:
    here = rule("here", select={"metric": "m", "site": "s*", "node": ["gw", "other"]})
    there = rule("there", select={"metric": "m", "site": "elsewhere"})
    cloud = parse({"type": "threshold", "id": "c", "title": "C", "above": 1.0, "select": {"metric": "m"}}, "test")
    chosen = choose(RuleSet.of([here, there, cloud]), "site", "gw", {"siren"}, "test")
    assert [each.id for each in chosen.rules] == ["here"]


def test_a_rule_with_an_output_that_is_not_declared_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"there is no \[\[output\]\] named 'sirene'.*siren"):
        choose(RuleSet.of([rule(output="sirene")]), "site", "gw", {"siren"}, "test")


def test_there_is_a_bound_to_the_number_of_rules() -> None:
    many = RuleSet.of([rule(f"r{number}") for number in range(MOST_RULES + 1)])
    with pytest.raises(ConfigError, match="the most is"):
        choose(many, "site", "gw", {"siren"}, "test")


def test_one_fault_in_the_folder_refuses_all_of_it(tmp_path: Path) -> None:
    good = 'title = "R"\ntype = "threshold"\nabove = 1.0\nselect = { metric = "m" }\n'
    (tmp_path / "a.toml").write_text(f'[[rule]]\nid = "good"\n{good}[[rule]]\nid = "bad"\nabowe = 1\n{good}')
    with pytest.raises(ConfigError, match="abowe"):
        rules_of(RulesConfig(folder=tmp_path), [], "site", "gw")
