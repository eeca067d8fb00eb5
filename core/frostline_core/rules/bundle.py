"""The rules of one gateway as the cloud sends them: one text, taken as a whole or refused as a whole.

    {"version": "0123456789abcdef", "rules": [{"type": "threshold", "id": "freezer-warm", ...}]}

The version is the sender's: another release may spell the same rules otherwise, and it only says "what I sent".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from frostline_core.errors import ConfigError
from frostline_core.rules.model import RuleSet, parse
from frostline_core.rules.rule import Rule, Where
from frostline_core.rules.selector import Selector
from frostline_core.rules.series import Series

RULES = "Frostline/Rules"
"""Node metric (String, writable) of a gateway that takes rules: its value is the version that it has, "" for none."""
MOST_BYTES = 128 * 1024
"""Longest text of a bundle; half of what brokers commonly take as a payload."""
MOST_RULES = 200
"""Most rules of one gateway: a Pi evaluates them beside its other work."""
_ADVICE = "have each select its site and node, or leave some to the cloud (without `where`)"
_VERSION = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a gateway is to evaluate.

    Attributes:
        version: Of the sender.
        rules: All of them.
    """

    version: str
    rules: RuleSet


def rules_for(rules: Sequence[Rule], site: str, node: str) -> list[Rule]:
    """The rules that are for gateways and may select something of this one, whatever its devices are."""
    return [rule for rule in rules if rule.where is Where.GATEWAY and _may_select(rule, site, node)]


def pack(rules: Sequence[Rule]) -> str:
    """The text of these rules.

    Raises:
        ConfigError: They are too many, or too long.
    """
    if len(rules) > MOST_RULES:
        raise ConfigError(f"{len(rules)} rules for one gateway; the most is {MOST_RULES}: {_ADVICE}")
    tables = [rule.content for rule in rules]
    text = json.dumps({"version": RuleSet.of(rules).version, "rules": tables}, separators=(",", ":"))
    if len(text.encode()) > MOST_BYTES:
        raise ConfigError(f"rules for one gateway of {len(text.encode())} bytes; the most is {MOST_BYTES}: {_ADVICE}")
    return text


def unsendable(rules: Sequence[Rule], gateways: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Why a gateway cannot be sent its rules, and goes on with those it has; only of such, by site and node."""
    local = [rule for rule in rules if rule.where is Where.GATEWAY]
    found: dict[tuple[str, str], str] = {}
    if not _fault(local):  # nor has any part of them one
        return found
    for key in gateways:
        if fault := _fault(rules_for(local, *key)):
            found[key] = fault
    return found


def _fault(rules: Sequence[Rule]) -> str:
    try:
        pack(rules)
    except ConfigError as error:
        return str(error)
    return ""


def unpack(text: str) -> Bundle:
    """What `pack` wrote, checked as a whole.

    Raises:
        ConfigError: It is no such text, or a rule has a fault; every fault, a line each.
    """
    if len(text.encode(errors="replace")) > MOST_BYTES:
        raise ConfigError(f"rules: more than {MOST_BYTES} bytes")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"rules: no JSON: {error}") from error
    if not isinstance(found, dict) or found.keys() != {"version", "rules"}:
        raise ConfigError("rules: must have version and rules")
    version, tables = found["version"], found["rules"]
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise ConfigError("rules: version: must be 16 hex digits")
    if not isinstance(tables, list) or len(tables) > MOST_RULES or not all(isinstance(each, dict) for each in tables):
        raise ConfigError(f"rules: rules: must be a list of at most {MOST_RULES} rules")
    rules: list[Rule] = []
    faults: list[str] = []
    for table in tables:
        try:
            rules.append(parse(table, "rules"))
        except ConfigError as error:
            faults.append(str(error))
    if faults:
        raise ConfigError("\n".join(faults))
    return Bundle(version, RuleSet.of(rules))


def _may_select(rule: Rule, site: str, node: str) -> bool:
    place = Selector.model_validate({"metric": "*", "site": rule.select.site, "node": rule.select.node})
    return place.matches_place(Series(site, node, "", "", "", ""))
