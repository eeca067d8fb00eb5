"""`<metric>_buffered`: a metric as a virtual buffer would have shown it, derived wherever somebody asks for it. Pure.

It is never stored, so what comes late is always in it (docs/decisions/0013-derived-when-read.md). Rules select it by
its name, and the API shows it under the same; both follow every sample with a usable value, in order of time:

* a lag of first order (see `buffer`) with the device's `tau`: its label `buffer`, such as "45m"; 30 minutes without;
* after 10 minutes without such a sample it begins anew, and until it is settled, three times `tau`, it has no value.

So the same samples give the same series, live, late or played again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass, replace
from typing import Any, Final

from frostline_core.rules.bound import Bound
from frostline_core.rules.buffer import Level
from frostline_core.rules.duration import parse
from frostline_core.rules.hold import MAX_GAP_MS
from frostline_core.rules.rule import Rule
from frostline_core.rules.selector import BUFFERED
from frostline_core.rules.state import CLOSED_GUARD, Guard, Heard, Outcome, State, Step
from frostline_core.rules.watch import Watch

LABEL: Final = "buffer"
"""Label of a device: the `tau` of its buffers."""
TAU_MS: Final = 1_800_000
"""Where a device has no such label: between a small pack (15 minutes) and a full pallet (45)."""
SHORTEST_MS: Final = 60_000
LONGEST_MS: Final = 86_400_000


def measured(metric: str) -> str:
    """The metric that a buffer follows; "" where a name is none of a buffer."""
    return metric.removesuffix(BUFFERED) if metric.endswith(BUFFERED) else ""


def tau_of(labels: Mapping[str, str]) -> int | None:
    """After which time a device's buffers have come 63 % of the way; None where its label makes no sense."""
    text = labels.get(LABEL)
    if text is None:
        return TAU_MS
    try:
        tau_ms = parse(text)
    except ValueError:
        return None
    return tau_ms if SHORTEST_MS <= tau_ms <= LONGEST_MS else None


def follow(level: Level | None, at_ms: int, value: float, tau_ms: int) -> Level:
    """The buffer after a sample; anew after a gap."""
    if level is None or at_ms - level.at_ms > MAX_GAP_MS:
        return Level.first(at_ms, value)
    return level.then(at_ms, value, tau_ms)


@dataclass(frozen=True, slots=True)
class OnBuffer:
    """A rule that looks at the buffer of a series in place of the series; a gap and the time to settle are no data.

    Cost: every sample of the series is looked at. Memory: four numbers, beside the rule's own.

    Attributes:
        rule: The rule, any kind.
        tau_ms: Of the buffer; None: nobody knows it, and there is no data.
    """

    rule: Rule
    tau_ms: int | None

    @property
    def id(self) -> str:
        """The rule's."""
        return self.rule.id

    @property
    def in_backlog(self) -> bool:
        """As the rule."""
        return self.rule.in_backlog

    @property
    def calm(self) -> None:
        """None: every sample moves the buffer."""

    def key_at(self, last_ms: int) -> str:
        """What the rule counts, and by which buffer."""
        return f"{self.rule.key_at(last_ms)}/{self.tau_ms}"

    def whole(self, _from_ms: int, _to_ms: int) -> Bound:
        """Itself."""
        return self

    def inputs(self) -> tuple[Watch, ...]:
        """The rule's."""
        return self.rule.inputs()

    def observe(self, state: State, value: float | None, at_ms: int, heard: Heard) -> Outcome:
        """Shows the rule what the buffer has come to."""
        level, shown = _level(state), None
        if value is not None and self.tau_ms is not None:
            level = follow(level, at_ms, value, self.tau_ms)
            shown = level.level if level.is_settled(self.tau_ms) else None
        found = self.rule.observe(_inner(state), shown, at_ms, heard)
        steps = [self._told(step, value) if step.at_ms == at_ms else step for step in found.steps]
        return Outcome(_wrapped(found.state, level), tuple(steps))

    def catch_up(self, state: State, heard: Heard, at_ms: int) -> Outcome:
        """As the rule."""
        found = self.rule.catch_up(_inner(state), heard, at_ms)
        return Outcome(_wrapped(found.state, _level(state)), found.steps)

    def due_ms(self, state: State, heard: Heard) -> int | None:
        """As the rule."""
        return self.rule.due_ms(_inner(state), heard)

    def expire(self, state: State, heard: Heard, until_ms: int) -> Outcome:
        """As the rule."""
        found = self.rule.expire(_inner(state), heard, until_ms)
        return Outcome(_wrapped(found.state, _level(state)), found.steps)

    def guard(self, state: State, heard: Heard) -> Guard:
        """Every sample moves the buffer."""
        return CLOSED_GUARD

    def rest(self, state: State, at_ms: int) -> State:
        """As the rule; the buffer has seen every sample."""
        return _wrapped(self.rule.rest(_inner(state), at_ms), _level(state))

    def join(self, begun: State, late: State, live: State) -> State:
        """As the rule; the buffer is corrected by what the backlog has found, exactly, since it is linear."""
        joined = self.rule.join(_inner(begun), _inner(late), _inner(live))
        return _wrapped(joined, self._joined(_level(begun), _level(late), _level(live)))

    def _joined(self, begun: Level | None, late: Level | None, live: Level | None) -> Level | None:
        if late is None or live is None or self.tau_ms is None:
            return late or live
        if live.at_ms <= late.at_ms:
            return late
        if live.from_ms > late.at_ms:  # another gap since
            return live
        alone = follow(begun, late.at_ms, late.value, self.tau_ms)
        left = math.exp(-(live.at_ms - late.at_ms) / self.tau_ms)
        return replace(live, level=live.level + (late.level - alone.level) * left, from_ms=late.from_ms)

    def _told(self, step: Step, value: float | None) -> Step:
        """With what was measured, and by which buffer."""
        if value is None or self.tau_ms is None:
            return step
        return replace(step, facts={**step.facts, "measured": value, "buffer_s": self.tau_ms // 1000})


_LEVEL, _INNER = "buffer", "rule"


def _level(state: State) -> Level | None:
    known = state.memory.get(_LEVEL)
    return None if known is None else Level(*known)


def _inner(state: State) -> State:
    """The rule's own state."""
    return replace(state, memory=state.memory.get(_INNER, {})) if state.memory else state


def _wrapped(state: State, level: Level | None) -> State:
    memory: dict[str, Any] = {} if level is None else {_LEVEL: list(astuple(level))}
    if state.memory:
        memory[_INNER] = dict(state.memory)
    return replace(state, memory=memory) if memory or state.memory else state
