"""The two standing orders about local rules: which rules this gateway evaluates, and which devices are paused.

Which set of rules is in use, and what was refused, is an event of the gateway too (metric `local_rules`), so that its
newest value says how things stand:

    {"version": "0123456789abcdef", "refused": "fedcba9876543210", "reason": "rules: rule 'a': ..."}

While a device is paused its local rules open nothing, so no output goes on because of them; hard limits do, and what
is on stays on until it is back in range. A pause ends by its own time, whether or not the cloud can be reached.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from frostline_core.rules import RuleSet, bundle, standstill
from frostline_core.rules.standstill import Span
from frostline_gateway.local_rules.choose import choose
from frostline_gateway.local_rules.local import LocalRules
from frostline_gateway.local_rules.standing import Order


def rules_order(local: LocalRules, tell: Callable[[Mapping[str, object]], None]) -> Order[RuleSet]:
    """The command `Frostline/Rules`. An output that is not declared here is a fault of the whole set.

    Args:
        local: The rules.
        tell: Told which set is in use, and why one is not; not twice the same.
    """
    place, said = local.place, list[Mapping[str, object]]()

    def read(text: str) -> tuple[str, RuleSet]:
        found = bundle.unpack(text)
        return found.version, found.rules

    def settled(version: str, refused: str, reason: str) -> None:
        local.refused = reason
        now = {"version": version, "refused": refused, "reason": reason}
        if [now] != said:
            said[:] = [now]
            tell(now)

    return Order(
        metric=bundle.RULES,
        kept=place.memory.with_name("rules_sent.json"),
        read=read,
        fit=lambda rules: choose(rules, place.site, place.node, local.outputs, "rules"),
        use=local.use,
        without="local rules do not work until the cloud sends them again",
        settled=settled,
    )


def pauses_order(local: LocalRules) -> Order[tuple[Span, ...]]:
    """The command `Frostline/Pauses`. Without one nothing is paused, which is the safe side."""
    return Order(
        metric=standstill.PAUSES,
        kept=local.place.memory.with_name("pauses_sent.json"),
        read=standstill.unpack,
        fit=lambda spans: spans,
        use=local.pause,
        without="nothing is paused until the cloud says so again",
        settled=lambda _version, _refused, _reason: None,
    )
