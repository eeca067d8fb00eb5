"""The series of one device together: what one rule may watch besides its own series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from frostline_core.rules.state import CLOSED_GUARD, HIGHEST, Guard
from frostline_core.rules.watch import Input, Watch


@dataclass(slots=True)
class Device:
    """What rules watch on one device.

    Attributes:
        slots: By metric, as far as they were born.
        watched: The watches of each metric.
        users: The slots whose rules use a watch.
        inputs: What each watch says, in the live samples.
    """

    slots: dict[str, int] = field(default_factory=dict)
    watched: dict[str, list[Watch]] = field(default_factory=dict)
    users: dict[Watch, list[int]] = field(default_factory=dict)
    inputs: dict[Watch, Input] = field(default_factory=dict)

    def use(self, slot: int, watches: Sequence[Watch]) -> set[str]:
        """Notes what the rules of a slot watch, in place of what was noted before; returns metrics newly watched."""
        for users in self.users.values():
            if slot in users:
                users.remove(slot)
        new: set[str] = set()
        for watch in watches:
            self.users.setdefault(watch, []).append(slot)
            known = self.watched.setdefault(watch.metric, [])
            if watch not in known:
                known.append(watch)
                new.add(watch.metric)
        return new

    def guard(self, metric: str) -> Guard | None:
        """Where a sample of a watched metric means the same as the one before; None where the metric is not watched."""
        watches = self.watched.get(metric)
        if not watches:
            return None
        low, high = -HIGHEST, HIGHEST
        for watch in watches:
            found = self.inputs.get(watch)
            if found is None or found.value is None:
                return CLOSED_GUARD
            below, above = watch.band(found.value)
            low, high = max(low, below), min(high, above)
        return Guard(low, high)
