"""What an output should be, from where its rules stand on their series. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from frostline_core.reading import Value
from frostline_core.rules import Phase
from frostline_gateway.local_rules.config import OutputConfig

_ON = frozenset({Phase.FIRING, Phase.CLEARING})
START, STOP, UNKNOWN = "start", "stop", "no data"
"""Causes that are no rule's."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an output is switched.

    Attributes:
        why: What a rule did (`firing`, `resolved`), or START, STOP, UNKNOWN.
        rule: The rule's id; "" where it was none.
        device: Of the series.
        metric: Of the series.
        at_ms: Event time of the rule's transition; else the clock.
        value: The value that caused it, where one did.
    """

    why: str
    rule: str = ""
    device: str = ""
    metric: str = ""
    at_ms: int = 0
    value: Value = None


def wanted(config: OutputConfig, phases: Iterable[Phase], *, seen: bool) -> tuple[bool | None, str]:
    """On, off or None (leave it), and why where no rule says it.

    On while any rule fires on any series. Off needs every series to be known and in range: no data never means that
    all is well.

    Args:
        config: The output.
        phases: Where each of its rules stands on each of its series.
        seen: Whether a sample of any of these series has come since the start.
    """
    stands = set(phases)
    if stands & _ON:
        return True, ""
    if not seen:
        return config.at_start.state, START
    if not stands or Phase.UNKNOWN in stands:
        return config.at_unknown.state, UNKNOWN
    return False, ""
