"""The canary's rule: built in, beside those of the operator."""

from __future__ import annotations

from typing import Final

from frostline_cloud.notify.config import CanaryConfig
from frostline_cloud.notify.plan import CANARY_RULE
from frostline_core.rules import RuleSet, parse

KIND: Final = "frostline_canary"
METRIC: Final = "temperature"
WELL, WARM = 4.0, 20.0
"""What the canary measures, °C: usually, and in its excursion. Its limit lies at 8."""


def with_canary(rules: RuleSet, canary: CanaryConfig | None) -> RuleSet:
    """The rules, and the canary's where there is a canary.

    Raises:
        ConfigError: A rule of the operator has the canary's id.
    """
    if canary is None:
        return rules
    rule = {
        "id": CANARY_RULE,
        "title": "Canary: a made-up excursion, nothing is wrong",
        "type": "threshold",
        "severity": "critical",
        "above": 8.0,
        "select": {"kind": KIND, "metric": METRIC, "site": canary.site},
    }
    return RuleSet.of([*rules.rules, parse(rule, "built in")])
