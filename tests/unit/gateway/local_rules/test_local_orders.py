"""Rules that the cloud sends: taken as a whole, kept over restarts, declared in births, audited."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from frostline_core.rules import RuleSet, parse
from frostline_core.rules.bundle import RULES, pack
from frostline_core.sparkplug import Refused, WriteAsked
from frostline_gateway.commands import Commands
from frostline_gateway.devices import Devices
from frostline_gateway.local_rules.config import OutputConfig
from frostline_gateway.local_rules.drive import Drive, Way
from frostline_gateway.local_rules.local import LocalRules, Place
from frostline_gateway.local_rules.orders import rules_order
from frostline_gateway.local_rules.standing import Standing


def rule(id_: str, **keys: Any) -> Any:
    table = {"type": "threshold", "id": id_, "title": "R", "above": 1.0, "where": "gateway", "output": "siren"}
    return parse({**table, "select": {"metric": "m"}, **keys}, "test")


async def _nothing(_level: object) -> None:
    pass


class Desk:
    """A gateway that has one output and takes orders."""

    def __init__(self, folder: Path) -> None:
        self.told: list[Mapping[str, Any]] = []
        self.others: list[WriteAsked | Refused] = []
        self.devices = Devices()
        commands = Commands(self.devices, lambda _: None, self.told.append, lambda: 1)
        siren = OutputConfig(name="siren", device="io", metric="relay")
        drive = Drive(siren, Way(_nothing, lambda _: None), lambda _: None, lambda: 1)
        place = Place("site", "gw", folder / "rules.json")
        self.local = LocalRules(place, RuleSet.of([]), {"siren": drive}, self.devices.description, lambda: 1)
        self.said: list[Mapping[str, Any]] = []
        self.orders = Standing(rules_order(self.local, self.said.append), commands, self.devices, self._other)

    async def _other(self, command: WriteAsked | Refused) -> None:
        self.others.append(command)

    async def send(self, text: str) -> None:
        await self.orders.follow(WriteAsked("", RULES, text))

    @property
    def ids(self) -> list[str]:
        return [each.id for each in self.local.rules.rules]

    @property
    def declared(self) -> object:
        (found,) = [each.value for each in self.devices.node_metrics() if each.name == RULES]
        return found


async def test_rules_that_come_are_used_declared_and_audited(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert desk.declared == ""
    rules = [rule("a"), rule("elsewhere", select={"metric": "m", "site": "other"})]
    await desk.send(pack(rules))
    version = RuleSet.of(rules).version
    assert (desk.ids, desk.declared) == (["a"], version)
    assert [(each["value"], each["outcome"]) for each in desk.told] == [(version, "done")]


async def test_what_it_has_already_is_no_news(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    await desk.send(pack([rule("a")]))
    await desk.send(pack([rule("a")]))
    assert len(desk.told) == 1


async def test_one_rule_with_a_fault_refuses_all_and_those_of_before_go_on(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    await desk.send(pack([rule("a")]))
    await desk.send(pack([rule("b"), rule("c", output="horn")]))
    assert desk.ids == ["a"]
    assert desk.told[-1]["outcome"] == "refused"
    assert "rule 'c': output: there is no [[output]] named 'horn'" in desk.told[-1]["reason"]


async def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    await desk.send("no json")
    await desk.orders.follow(WriteAsked("", RULES, 1))
    assert [each["outcome"] for each in desk.told] == ["refused", "refused"]


async def test_they_are_there_after_a_restart(tmp_path: Path) -> None:
    before = Desk(tmp_path)
    await before.send(pack([rule("a")]))
    after = Desk(tmp_path)
    assert (after.ids, after.declared) == (["a"], before.declared)


async def test_a_damaged_file_is_as_if_nothing_had_come(tmp_path: Path) -> None:
    (tmp_path / "rules_sent.json").write_bytes(b"\xff\xfe")
    desk = Desk(tmp_path)
    assert (desk.ids, desk.declared) == ([], "")


async def test_no_rules_is_an_order_too(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    await desk.send(pack([rule("a")]))
    await desk.send(pack([]))
    assert desk.ids == []


async def test_other_commands_go_on(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    other = WriteAsked("room-1", "setpoint", 1.0)
    await desk.orders.follow(other)
    assert desk.others == [other]


async def test_what_is_refused_is_said_until_it_is_mended(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    wrong = pack([rule("c", output="horn")])
    await desk.send(pack([rule("a")]))
    await desk.send(wrong)
    await desk.send(wrong)
    version, refused = RuleSet.of([rule("a")]).version, RuleSet.of([rule("c", output="horn")]).version
    assert [(each["version"], each["refused"]) for each in desk.said] == [(version, ""), (version, refused)]
    assert "no [[output]] named 'horn'" in desk.said[-1]["reason"]
    assert "no [[output]] named 'horn'" in desk.local.document()["refused"]
    await desk.send(pack([rule("a")]))
    assert desk.said[-1] == {"version": version, "refused": "", "reason": ""}
    assert desk.local.document()["refused"] == ""
