"""The samples of a flush, shown to the rules: nearly all are passed by their guards, at two comparisons each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from frostline_cloud.ingest.decode import Batch, Item, count_of, owner_of
from frostline_cloud.ingest.series import Plan, Stamp
from frostline_core.rules import HOLE_MS, NEVER, Evaluator


@dataclass(slots=True)
class Evaluated:
    """What rules have been shown.

    Attributes:
        counts: How many samples each gateway has sent, those that nobody can take included.
        times: The newest event time of each group of series.
    """

    counts: dict[tuple[str, str], int]
    times: dict[Stamp, int] = field(default_factory=dict)


def evaluate(
    evaluator: Evaluator, items: Sequence[Item], stamp_of: Callable[[int], Stamp], oldest_ms: int = 0
) -> Evaluated:
    """Shows every sample to the rules, in order.

    Args:
        evaluator: Holds guards and states.
        items: Messages, in order of arrival for each device.
        stamp_of: The stamp of a slot by itself.
        oldest_ms: What was measured before it is history to no rule: its run may be forgotten, and the sample have been
            shown already (commit protocol, section 8).
    """
    low, high, last, deadline = evaluator.low, evaluator.high, evaluator.last_ms, evaluator.deadline_ms
    done = Evaluated(_counts(items))
    times, latest = done.times, done.times.get
    for item in items:
        if isinstance(item, Batch):
            _one_by_one(evaluator, item, stamp_of, times, oldest_ms)
            continue
        _, _, _, plan, at_ms, values, _, _ = item
        slot, stamp = plan.first, plan.stamp
        if latest(stamp, NEVER) < at_ms:
            times[stamp] = at_ms
        if len(values) == 1:  # the same as below, for less
            if low[slot] <= values[0] <= high[slot] and at_ms - HOLE_MS < last[slot] < at_ms < deadline[slot]:
                last[slot] = at_ms
                continue
        elif slot >= 0 and _pass(evaluator, plan, values, at_ms):
            continue
        if at_ms < oldest_ms:
            continue
        if slot >= 0:
            evaluator.observe_row(slot, values, at_ms)
            continue
        samples = [(slot, value, at_ms) for slot, value in zip(plan.slots, values, strict=True)]
        for slot, value, _ in evaluator.in_order(samples):
            _observe(evaluator, slot, value, at_ms)
    return done


def _counts(items: Sequence[Item]) -> dict[tuple[str, str], int]:
    counts: dict[tuple[str, str], int] = {}
    by_run: dict[int, int] = {}
    owners: dict[int, tuple[str, str]] = {}
    for item in items:
        if item.__class__ is tuple and (run := item[0]) in by_run:  # nearly all
            by_run[run] += len(item[5])
            continue
        owner = owner_of(item)
        if isinstance(item, Batch) or item[0] < 0:
            counts[owner] = counts.get(owner, 0) + count_of(item)
        else:
            by_run[item[0]], owners[item[0]] = len(item[5]), owner
    for run, count in by_run.items():
        counts[owners[run]] = counts.get(owners[run], 0) + count
    return counts


def _one_by_one(
    evaluator: Evaluator, batch: Batch, stamp_of: Callable[[int], Stamp], times: dict[Stamp, int], oldest_ms: int
) -> None:
    for slot, value, at_ms, _ in evaluator.in_order(batch.samples):
        if isinstance(value, str) or at_ms < oldest_ms:
            continue
        _observe(evaluator, slot, value, at_ms)
        stamp = stamp_of(slot)
        if times.get(stamp, NEVER) < at_ms:
            times[stamp] = at_ms


def _pass(evaluator: Evaluator, plan: Plan, values: Sequence[float], at_ms: int) -> bool:
    """Whether the values of a row are all inside their guards; then they are passed at once.

    Most of the time nothing but this has moved the row's series since its last message, and no rule their deadlines:
    lists of the same objects are equal at a glance.
    """
    first, end = plan.first, plan.first + len(values)
    last, row = evaluator.last_ms, plan.row
    deadlines = evaluator.deadline_ms[first:end]
    if deadlines != row.deadlines:
        row.deadlines, row.deadline_ms = deadlines, min(deadlines)
    times = last[first:end]
    newest_ms = row.times[0] if times == row.times else max(times)
    if not at_ms - HOLE_MS < newest_ms < at_ms < row.deadline_ms:
        return False
    for value, low, high in zip(values, evaluator.low[first:end], evaluator.high[first:end], strict=True):
        if not low <= value <= high:
            return False
    last[first:end] = row.times = [at_ms] * len(values)
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
