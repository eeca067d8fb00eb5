"""One rule of a table of keys, and the set of rules that counts as a whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from frostline_core import config
from frostline_core.config import nearest
from frostline_core.errors import ConfigError
from frostline_core.rules.dated import History
from frostline_core.rules.kinds import KINDS
from frostline_core.rules.rule import Rule


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules in the order of their files, with a version that changes exactly when a rule does.

    Attributes:
        rules: Those in force, each with an id of its own.
        version: 16 hex digits of the SHA-256 of the rules' content; the order, file names and comments do not count.
        histories: Of rules that were changed not long ago, or will be, by id; also of one that is yet to come.
    """

    rules: tuple[Rule, ...]
    version: str
    histories: Mapping[str, History] = field(default_factory=dict)

    @classmethod
    def of(cls, rules: Sequence[Rule], histories: Sequence[History] = ()) -> RuleSet:
        """A set of rules that are at hand.

        Args:
            rules: Those in force.
            histories: Of some of them, or of rules that are yet to come.

        Raises:
            ConfigError: Two rules have the same id.
        """
        seen: set[str] = set()
        for rule in rules:
            if rule.id in seen:
                raise ConfigError(f"rule '{rule.id}': id: is given twice")
            seen.add(rule.id)
        content: list[Any] = [
            rule.model_dump(mode="json", by_alias=True) for rule in sorted(rules, key=lambda rule: rule.id)
        ]
        content += [
            [each.id, [[from_ms, rule and rule.content_hash] for from_ms, rule in each.versions]]
            for each in sorted(histories, key=lambda each: each.id)
        ]
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        return cls(tuple(rules), digest[:16], {each.id: each for each in histories})

    def rule(self, rule_id: str) -> Rule | None:
        """The rule with that id, or None."""
        return next((rule for rule in self.rules if rule.id == rule_id), None)

    def at(self, rule_id: str, at_ms: int) -> Rule | None:
        """The rule as it was, or will be, at an instant; of one that was not changed what it is."""
        history = self.histories.get(rule_id)
        found = None if history is None else history.at(at_ms)
        return self.rule(rule_id) if found is None else found

    def of_all_times(self) -> Iterator[Rule]:
        """Every version that may still judge a sample."""
        yield from (rule for rule in self.rules if rule.id not in self.histories)
        for history in self.histories.values():
            yield from (rule for _, rule in history.versions if rule is not None)


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
