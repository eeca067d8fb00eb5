"""Which rules apply to a series: chosen once, when it is born."""

from __future__ import annotations

from collections.abc import Sequence

from frostline_core.rules.rule import Rule
from frostline_core.rules.series import Series

_GLOB = frozenset("*?[")
_MOST_FITTING = 10_000


class Choice:
    """The rules of a set, indexed by what they name literally."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._index = _index(rules)
        self._fitting: dict[tuple[str, str | None], list[Rule]] = {}

    def of(self, series: Series) -> tuple[Rule, ...]:
        """The rules that select the series; none where it is retired."""
        if series.retired:
            return ()
        metric = series.metric
        candidates = [*self._index.get((metric, series.device), ()), *self._index.get((metric, None), ())]
        candidates += self._globbed(metric, series.device)
        candidates += self._globbed(metric, None)
        return tuple([rule for rule in candidates if rule.select.matches_place(series)])

    def _globbed(self, metric: str, device: str | None) -> list[Rule]:
        """The rules of that device (None: of devices by a glob) with a glob for the metric that fits it.

        Remembered by metric: a fleet has many series of one name, and trying each glob on each of them is what births
        would otherwise cost most.
        """
        rules = self._index.get((None, device))
        if not rules:
            return []
        fitting = self._fitting.get((metric, device))
        if fitting is None:
            if len(self._fitting) >= _MOST_FITTING:
                self._fitting.clear()
            fitting = self._fitting[metric, device] = [rule for rule in rules if rule.select.matches_metric(metric)]
        return fitting


def _index(rules: Sequence[Rule]) -> dict[tuple[str | None, str | None], list[Rule]]:
    """Rules by each metric and device that they name literally; None stands for "by a glob"."""
    index: dict[tuple[str | None, str | None], list[Rule]] = {}
    for rule in rules:
        for metric in _literal(rule.select.metric):
            for device in _literal(rule.select.device):
                index.setdefault((metric, device), []).append(rule)
    return index


def _literal(globs: tuple[str, ...]) -> tuple[str | None, ...]:
    return (None,) if any(_GLOB & set(glob) for glob in globs) else tuple(dict.fromkeys(globs))
