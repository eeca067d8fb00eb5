"""One rule as a loop over all samples, to compare the evaluator with."""

from __future__ import annotations

from dataclasses import dataclass, field

from frostline_core.rules.hold import MAX_GAP_MS


@dataclass
class PlainLoop:
    """Above 9 with a hysteresis of 1, written as plainly as can be."""

    for_ms: int
    clear_ms: int
    told: list[tuple[str, int]] = field(default_factory=list)
    hot: bool = False
    fired: bool = False
    since: int = 0
    last: int = 0

    def time_alone(self, at: int) -> None:
        due = self.since + self.for_ms
        if self.hot and not self.fired and due < at and due - self.last <= MAX_GAP_MS:
            self.fired = True
            self.told.append(("firing", due))
        if self.fired and not self.hot and at - self.last > MAX_GAP_MS:
            self.hot = True
            self.told.append(("firing", self.last + MAX_GAP_MS + 1))

    def sample(self, at: int, value: float) -> None:
        self.time_alone(at)
        was, self.hot, self.last = self.hot, value > 9 or (self.hot and value > 8), at
        turned = self.hot != was
        if turned:
            self.since = at
        (self.while_hot if self.hot else self.while_cool)(at, turned)

    def while_hot(self, at: int, turned: bool) -> None:
        if (turned and self.fired) or (not self.fired and at - self.since >= self.for_ms):
            self.fired = True
            self.told.append(("firing", at))
        elif turned:
            self.told.append(("pending", at))

    def while_cool(self, at: int, turned: bool) -> None:
        if turned and not self.fired:
            self.told.append(("ok", at))
        elif self.fired and at - self.since >= self.clear_ms:
            self.fired = False
            self.told.append(("resolved", at))
        elif self.fired and turned:
            self.told.append(("clearing", at))
