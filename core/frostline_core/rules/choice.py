"""Which rules apply to a series: chosen once, when it is born."""

from __future__ import annotations

from collections.abc import Sequence

from frostline_core.rules.bound import Bound
from frostline_core.rules.chosen import NONE_CHOSEN, Chosen
from frostline_core.rules.dated import History
from frostline_core.rules.derived import OnBuffer, tau_of
from frostline_core.rules.model import RuleSet
from frostline_core.rules.rule import Rule
from frostline_core.rules.series import Series

_GLOB = frozenset("*?[")
_MOST_FITTING = 10_000


class Choice:
    """The rules of a set, indexed by what they name literally."""

    def __init__(self, rules: RuleSet) -> None:
        plain = [rule for rule in rules.rules if rule.id not in rules.histories]
        self._index = _index(plain)
        self._on_buffers = tuple([rule for rule in plain if rule.select.is_of_buffers])
        self._fitting_buffers: dict[str, list[Rule]] = {}
        self._fitting: dict[tuple[str, str | None], list[Rule]] = {}
        self._histories = tuple(rules.histories.values())
        self._fitting_histories: dict[str, list[History]] = {}
        self._on_buffer: dict[tuple[str, int | None], OnBuffer] = {}
        self._chosen: dict[tuple[int, ...], Chosen] = {}

    def of(self, series: Series) -> Chosen:
        """The rules that select the series; none where it is retired."""
        if series.retired:
            return NONE_CHOSEN
        metric = series.metric
        candidates = [*self._index.get((metric, series.device), ()), *self._index.get((metric, None), ())]
        candidates += self._globbed(metric, series.device)
        candidates += self._globbed(metric, None)
        chosen: list[Bound] = [rule for rule in candidates if rule.select.matches_place(series)]
        if self._on_buffers:
            tau_ms = tau_of(series.labels)
            found = [rule for rule in self._buffered(metric) if rule.select.matches_place(series)]
            chosen += [self._of_buffer(rule, tau_ms) for rule in found]
        dated = [bound for each in self._changed(metric) if (bound := each.on(series, _applied)) is not None]
        return Chosen.of([*chosen, *dated]) if dated else self._shared(chosen)

    def _shared(self, rules: Sequence[Bound]) -> Chosen:
        """The same object for the same rules: a fleet has many series to which the same apply."""
        key = tuple(map(id, rules))  # what is remembered keeps them alive
        found = self._chosen.get(key)
        if found is None:
            if len(self._chosen) >= _MOST_FITTING:
                self._chosen.clear()
            found = self._chosen[key] = Chosen.of(rules)
        return found

    def _of_buffer(self, rule: Rule, tau_ms: int | None) -> OnBuffer:
        """The same object for the same buffer."""
        if len(self._on_buffer) >= _MOST_FITTING:
            self._on_buffer.clear()
        return self._on_buffer.setdefault((rule.id, tau_ms), OnBuffer(rule, tau_ms))

    def _buffered(self, metric: str) -> list[Rule]:
        """The rules that may apply to buffers of a metric, remembered as in `_globbed`."""
        found = self._fitting_buffers.get(metric)
        if found is None:
            if len(self._fitting_buffers) >= _MOST_FITTING:
                self._fitting_buffers.clear()
            found = [rule for rule in self._on_buffers if rule.select.matches_buffer_of(metric)]
            self._fitting_buffers[metric] = found
        return found

    def _changed(self, metric: str) -> list[History]:
        """The rules with a history that may apply to a metric, remembered as in `_globbed`."""
        found = self._fitting_histories.get(metric)
        if found is None:
            if len(self._fitting_histories) >= _MOST_FITTING:
                self._fitting_histories.clear()
            found = [each for each in self._histories if each.may_select(metric)]
            self._fitting_histories[metric] = found
        return found

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


def _applied(rule: Rule, series: Series) -> Bound | None:
    """What stands for a rule on a series; None where it does not select it."""
    if rule.select.matches(series):
        return rule
    return OnBuffer(rule, tau_of(series.labels)) if rule.select.applies_to(series) else None


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
