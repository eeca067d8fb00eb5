"""Builds local rules from the gateway's configuration; imported only where there are any."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from frostline_core.errors import ConfigError
from frostline_core.rules import RuleSet, load_folder
from frostline_edge.driver import Writer
from frostline_gateway.devices import Devices
from frostline_gateway.local_rules.choose import choose
from frostline_gateway.local_rules.config import OutputConfig, RulesConfig
from frostline_gateway.local_rules.drive import Drive
from frostline_gateway.local_rules.local import LocalRules, Place
from frostline_gateway.local_rules.ways import way_of


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What local rules need of the gateway.

    Attributes:
        devices: The devices that answer now.
        writer_of: The driver that can write to a device, or None.
        tell: Where each write of an output goes.
        clock: UTC milliseconds as samples are stamped; None while that is not known.
        wall: UTC milliseconds, known or not.
    """

    devices: Devices
    writer_of: Callable[[str], Writer | None]
    tell: Callable[[Mapping[str, object]], None]
    clock: Callable[[], int | None]
    wall: Callable[[], int]


def rules_of(config: RulesConfig, outputs: Sequence[OutputConfig], site: str, node: str) -> RuleSet:
    """The rules of the folder that are for this gateway; none without a folder.

    Raises:
        ConfigError: A file of the folder has a fault, or a rule names an output that is not declared.
    """
    if config.folder is None:
        return RuleSet.of([])
    return choose(load_folder(config.folder), site, node, {each.name for each in outputs}, str(config.folder))


def build(place: Place, rules: RuleSet, outputs: Sequence[OutputConfig], around: Surroundings) -> LocalRules:
    """Local rules with their outputs; nothing is written yet.

    Raises:
        ConfigError: An output is on a device that no driver can write to; every fault, a line each.
    """
    drives: dict[str, Drive] = {}
    faults: list[str] = []
    for each in outputs:
        try:
            way = way_of(each, around.devices, around.writer_of)
        except ConfigError as error:
            faults.append(str(error))
            continue
        drives[each.name] = Drive(each, way, around.tell, around.wall)
    if faults:
        raise ConfigError("\n".join(faults))
    return LocalRules(place, rules, drives, around.devices.description, around.clock)
