"""One rule of a table of keys, and the set of rules that counts as a whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from frostline_core import config
from frostline_core.config import nearest
from frostline_core.errors import ConfigError
from frostline_core.rules.kinds import KINDS
from frostline_core.rules.rule import Rule


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
