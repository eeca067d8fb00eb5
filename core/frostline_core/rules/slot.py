"""What the evaluator knows of one series besides the lists that ingest reads inline."""

from __future__ import annotations

from dataclasses import dataclass

from frostline_core.rules.bound import Bound
from frostline_core.rules.chosen import NONE_CHOSEN, Chosen
from frostline_core.rules.device import Device
from frostline_core.rules.series import Series
from frostline_core.rules.state import FOREVER_MS, NEVER, Guard


@dataclass(slots=True)
class Slot:
    """One series.

    Attributes:
        series: As its newest birth describes it.
        device: What is watched on its device.
        chosen: The rules that are bound to it.
        guards: One for each of them; None where all are as `chosen` says.
        listening_ms: Since when this process has been listening for it.
        due_ms: Its entry on the heap of timers.
        usual_ms: The longest of its usual leaps, in event time.
        pauses: Spans of event time in which its rules open nothing, by order from outside.
    """

    series: Series
    device: Device
    chosen: Chosen = NONE_CHOSEN
    guards: list[Guard] | None = None
    listening_ms: int = NEVER
    due_ms: int = FOREVER_MS
    usual_ms: int = 0
    pauses: tuple[tuple[int, int], ...] = ()

    @property
    def rules(self) -> tuple[Bound, ...]:
        """Bound to it."""
        return self.chosen.rules

    def memory_keys(self, last_ms: int) -> dict[str, str]:
        """What the memory of each rule means, when the newest sample is of that time; see `Rule.memory_key`."""
        return {rule.id: rule.key_at(last_ms) for rule in self.rules}

    @property
    def is_watched(self) -> bool:
        """Whether rules of other series of the device watch this one."""
        return self.series.metric in self.device.watched

    @property
    def users(self) -> set[int]:
        """The slots whose rules watch this one."""
        watches = self.device.watched.get(self.series.metric, ())
        return {user for watch in watches for user in self.device.users.get(watch, ())}
