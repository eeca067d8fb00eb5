"""Limits of rules as a chart draws them: those that are values of the metric itself, with their words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from frostline_cloud.console.words import span, symbol_of
from frostline_cloud.sql.registry import KnownDevice
from frostline_core.rules import Rule, RuleSet, Series, duration

_ABSOLUTE: Final = frozenset({"threshold", "levels", "breach", "exposure", "buffered", "mkt", "stock"})
"""Kinds of rules whose limits are values of the metric itself; those of others are no lines in its chart."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit.

    Attributes:
        value: In the metric's unit.
        text: `above 8 °C for 10 h, critical`.
        is_passed: It is the one that an alert is about.
        is_of_buffer: It is for the metric's virtual buffer.
    """

    value: float
    text: str
    is_passed: bool = False
    is_of_buffer: bool = False


def limits_of(content: Mapping[str, Any], symbol: str, passed: float | None = None) -> tuple[Limit, ...]:
    """The limits of a rule.

    Args:
        content: The rule as versions of it are kept.
        symbol: Of the metric's unit.
        passed: The limit that an alert is about.
    """
    if content.get("type") not in _ABSOLUTE:
        return ()
    found: dict[tuple[float, str], Limit] = {}
    for level in (content, *(content.get("level") or ())):
        _add(found, level, (passed, symbol))
    _add(found, content.get("hard_limit") or {}, (passed, symbol), "hard limit: ")
    return tuple(found.values())


def in_force_on(known: KnownDevice, metric: str, rules: RuleSet) -> tuple[Limit, ...]:
    """The limits that apply now to a metric of a device, and to its virtual buffer, the lowest first."""
    about = known.description
    series = Series(known.site, known.node, about.id, about.kind, about.zone, metric, about.labels)
    described = about.metric(metric)
    symbol = "" if described is None else symbol_of(described.unit)
    found = [
        Limit(each.value, f"{rule.id}: {each.text}", is_of_buffer=rule.type == "buffered" or rule.select.is_of_buffers)
        for rule in rules.rules
        if rule.select.applies_to(series)
        for each in limits_of(_content(rule), symbol)
    ]
    return tuple(sorted(found, key=lambda each: (each.value, each.text)))


def _content(rule: Rule) -> Mapping[str, Any]:
    content: dict[str, Any] = rule.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return content | {"type": rule.type}


def _add(
    found: dict[tuple[float, str], Limit], level: Mapping[str, Any], about: tuple[float | None, str], before: str = ""
) -> None:
    passed, symbol = about
    for side in ("above", "below"):
        value = level.get(side)
        if isinstance(value, int | float):
            lasts = f" for {span(duration.parse(level['for']))}" if level.get("for") else ""
            grave = f", {level['severity']}" if level.get("severity") and "id" not in level else ""
            text = f"{before}{side} {value:g} {symbol}".rstrip() + lasts + grave
            found.setdefault((value, text), Limit(float(value), text, value == passed))
