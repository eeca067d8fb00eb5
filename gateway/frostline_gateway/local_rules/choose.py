"""Which rules of a set work on this gateway, and whether it has the outputs that they name. Pure."""

from __future__ import annotations

from collections.abc import Collection

from frostline_core.config import nearest
from frostline_core.errors import ConfigError
from frostline_core.rules import Rule, RuleSet, Selector, Series, Where

MOST_RULES = 200
"""Most rules of one gateway: a Pi evaluates them beside its other work."""


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
    chosen = [rule for rule in rules.rules if rule.where is Where.GATEWAY and _may_select(rule, site, node)]
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


def _may_select(rule: Rule, site: str, node: str) -> bool:
    """Whether the selector's globs fit this gateway, whatever its devices are."""
    place = Selector.model_validate({"metric": "*", "site": rule.select.site, "node": rule.select.node})
    return place.matches_place(Series(site, node, "", "", "", ""))
