"""Which rules of a set work on this gateway, and whether it has the outputs that they name. Pure."""

from __future__ import annotations

from collections.abc import Collection

from frostline_core.config import nearest
from frostline_core.errors import ConfigError
from frostline_core.rules import RuleSet
from frostline_core.rules.bundle import MOST_RULES, rules_for


def choose(rules: RuleSet, site: str, node: str, outputs: Collection[str], source: str) -> RuleSet:
    """The rules that are for the gateway and may select something of it.

    Args:
        rules: Any; those of other places are left out.
        site: Of the gateway.
        node: The gateway.
        outputs: Names of those that it has.
        source: What errors name before the rule.

    Raises:
        ConfigError: A rule names an output that is not declared, or there are too many; every fault, a line each.
    """
    chosen = rules_for(rules.rules, site, node)
    faults = [
        f"{source}: rule '{rule.id}': output: there is no [[output]] named '{rule.output}' in the gateway's config"
        f"{nearest(str(rule.output), list(outputs))}"
        for rule in chosen
        if rule.output not in outputs
    ]
    if len(chosen) > MOST_RULES:
        faults.append(f"{source}: {len(chosen)} rules for this gateway; the most is {MOST_RULES}")
    if faults:
        raise ConfigError("\n".join(faults))
    return RuleSet.of(chosen)
