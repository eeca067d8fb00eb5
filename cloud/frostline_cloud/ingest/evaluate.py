"""The samples of a flush, shown to the rules: nearly all are passed by their guards, at two comparisons each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from frostline_cloud.ingest.decode import Batch, Item, count_of
from frostline_cloud.ingest.series import DeviceKey
from frostline_core.rules import HOLE_MS, Evaluator


def evaluate(evaluator: Evaluator, items: Iterable[Item]) -> dict[DeviceKey, int]:
    """Shows every sample to the rules, in order; returns how many samples each device has sent.

    Args:
        evaluator: Holds guards and states.
        items: Messages, in order of arrival for each device.
    """
    low, high, last, deadline = evaluator.low, evaluator.high, evaluator.last_ms, evaluator.deadline_ms
    counts: dict[DeviceKey, int] = {}
    for item in items:
        if isinstance(item, Batch):
            _one_by_one(evaluator, item, counts)
            continue
        _, _, _, plan, at_ms, values, _, _ = item
        key, slot = plan.key, plan.first
        counts[key] = counts.get(key, 0) + len(values)
        if len(values) == 1:  # the same as below, for less
            if low[slot] <= values[0] <= high[slot] and at_ms - HOLE_MS < last[slot] < at_ms < deadline[slot]:
                last[slot] = at_ms
                continue
        elif slot >= 0 and _pass(evaluator, slot, values, at_ms):
            continue
        if slot >= 0:
            evaluator.observe_row(slot, values, at_ms)
            continue
        samples = [(slot, value, at_ms) for slot, value in zip(plan.slots, values, strict=True)]
        for slot, value, _ in evaluator.in_order(samples):
            _observe(evaluator, slot, value, at_ms)
    return counts


def _one_by_one(evaluator: Evaluator, batch: Batch, counts: dict[DeviceKey, int]) -> None:
    key = DeviceKey(batch.site, batch.node, batch.device)
    counts[key] = counts.get(key, 0) + count_of(batch)
    for slot, value, at_ms, _ in evaluator.in_order(batch.samples):
        if not isinstance(value, str):
            _observe(evaluator, slot, value, at_ms)


def _pass(evaluator: Evaluator, first: int, values: Sequence[float], at_ms: int) -> bool:
    """Whether the values of slots first, first + 1, ... are all inside their guards; then they are passed at once."""
    end = first + len(values)
    last, deadline = evaluator.last_ms, evaluator.deadline_ms
    if not at_ms - HOLE_MS < max(last[first:end]) < at_ms < min(deadline[first:end]):
        return False
    for value, low, high in zip(values, evaluator.low[first:end], evaluator.high[first:end], strict=True):
        if not low <= value <= high:
            return False
    last[first:end] = [at_ms] * len(values)
    return True


def _observe(evaluator: Evaluator, slot: int, value: float | None, at_ms: int) -> None:
    if (
        value is not None
        and evaluator.low[slot] <= value <= evaluator.high[slot]
        and at_ms - HOLE_MS < evaluator.last_ms[slot] < at_ms < evaluator.deadline_ms[slot]
    ):
        evaluator.last_ms[slot] = at_ms
    else:
        evaluator.observe(slot, value, at_ms)
