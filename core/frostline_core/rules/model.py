"""Rule files: a folder of TOML with `[[rule]]` tables, checked as a whole, and the set of rules that comes of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from frostline_core import config
from frostline_core.config import nearest
from frostline_core.errors import ConfigError
from frostline_core.rules.kinds import KINDS
from frostline_core.rules.rule import Rule

MAX_RULES = 10_000
"""The most rules that one folder may hold."""


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules in the order of their files, with a version that changes exactly when a rule does.

    Attributes:
        rules: Each with an id of its own.
        version: 16 hex digits of the SHA-256 of the rules' content; the order, file names and comments do not count.
    """

    rules: tuple[Rule, ...]
    version: str

    @classmethod
    def of(cls, rules: Sequence[Rule]) -> RuleSet:
        """A set of rules that are at hand.

        Raises:
            ConfigError: Two rules have the same id.
        """
        seen: set[str] = set()
        for rule in rules:
            if rule.id in seen:
                raise ConfigError(f"rule '{rule.id}': id: is given twice")
            seen.add(rule.id)
        content = [rule.model_dump(mode="json", by_alias=True) for rule in sorted(rules, key=lambda rule: rule.id)]
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        return cls(tuple(rules), digest[:16])

    def rule(self, rule_id: str) -> Rule | None:
        """The rule with that id, or None."""
        return next((rule for rule in self.rules if rule.id == rule_id), None)


def load_folder(path: Path) -> RuleSet:
    """Reads and checks every `*.toml` of a folder; an empty folder is no rules.

    Raises:
        ConfigError: The folder is absent, or something does not fit; the message lists every fault with its file, rule
            and key.
    """
    if not path.is_dir():
        raise ConfigError(f"{path}: is not a folder of rule files")
    return load_files(sorted(path.glob("*.toml")))


def load_files(files: Sequence[Path]) -> RuleSet:
    """Reads and checks rule files as one set.

    Raises:
        ConfigError: Something does not fit; the message lists every fault with its file, rule and key.
    """
    rules: list[Rule] = []
    faults: list[str] = []
    origin: dict[str, Path] = {}
    for file in files:
        for rule in _read(file, faults):
            if rule.id in origin:
                faults.append(f"{file}: rule '{rule.id}': id: is already used in {origin[rule.id]}")
                continue
            origin[rule.id] = file
            rules.append(rule)
    if len(rules) > MAX_RULES:
        faults.append(f"{len(rules)} rules; the most is {MAX_RULES}")
    if faults:
        raise ConfigError("\n".join(faults))
    return RuleSet.of(rules)


def parse(table: Mapping[str, Any], source: str) -> Rule:
    """Checks one `[[rule]]` table; `source` is what errors name before the rule.

    Raises:
        ConfigError: Every fault of the rule, a line each.
    """
    where = f"{source}: rule '{table.get('id', '(no id)')}'"
    kind = table.get("type")
    if not isinstance(kind, str) or kind not in KINDS:
        hint = nearest(str(kind), list(KINDS))
        raise ConfigError(f"{where}: type: must be one of {', '.join(KINDS)}, not {kind!r}{hint}")
    return config.parse(table, KINDS[kind], where)


def schema() -> dict[str, Any]:
    """The JSON schema of a rule, all kinds together, told apart by `type`."""
    kinds: Any = reduce(or_, KINDS.values())
    return TypeAdapter[Any](Annotated[kinds, Field(discriminator="type")]).json_schema()


def _read(file: Path, faults: list[str]) -> Iterator[Rule]:
    try:
        content = config.read(file)
    except ConfigError as error:
        faults.append(str(error))
        return
    unknown = sorted(content.keys() - {"rule"})
    faults += [
        f"{file}: {key}: unknown key{nearest(key, ['rule'])}; a rule file holds [[rule]] tables" for key in unknown
    ]
    tables = content.get("rule", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        faults.append(f"{file}: rule: must be [[rule]] tables")
        return
    for table in tables:
        try:
            yield parse(table, str(file))
        except ConfigError as error:
            faults.append(str(error))
