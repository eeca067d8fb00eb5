"""The devices as the gateway knows them now: what births say, and what `status` shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from frostline_core.diary import TOLD
from frostline_core.reading import DeviceDescription, Reading
from frostline_core.sparkplug import BirthMetric, DeviceBirth


@dataclass(slots=True)
class DeviceState:
    """One device since the process started.

    Attributes:
        description: As it was last born.
        online: Whether it answers.
        since_ms: Since when, UTC milliseconds.
        reason: Why it does not answer; "" while it does.
        heard_ms: Time of its newest reading, kept or not; 0 before the first.
        values: Its newest sample of each metric since it was last born.
    """

    description: DeviceDescription
    online: bool
    since_ms: int
    reason: str = ""
    heard_ms: int = 0
    values: dict[str, Reading] = field(default_factory=dict)


class Devices(Mapping[str, DeviceBirth]):
    """The devices that answer now, by id, ready to be born. Bounded by what drivers bear.

    Changed on the event loop only; other threads may look.
    """

    def __init__(self) -> None:
        self._states: dict[str, DeviceState] = {}
        self._own: dict[str, Reading] = {}
        self._declared: dict[str, BirthMetric] = {}

    def __getitem__(self, device: str) -> DeviceBirth:
        state = self._states[device]
        if not state.online:
            raise KeyError(device)
        return DeviceBirth(state.description, dict(state.values))

    def __iter__(self) -> Iterator[str]:
        return (device for device, state in list(self._states.items()) if state.online)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def description(self, device: str) -> DeviceDescription | None:
        """What a device was last born as, whether it answers now or not; the same object until it is born again."""
        state = self._states.get(device)
        return None if state is None else state.description

    def states(self) -> dict[str, DeviceState]:
        """Every device since the start, dead ones too."""
        return dict(self._states)

    def node_metrics(self) -> list[BirthMetric]:
        """What NBIRTH declares for the gateway itself, besides the commit protocol's metrics."""
        newest = ((name, datatype, self._own.get(name)) for name, datatype in TOLD.items())
        told = [
            BirthMetric(name, datatype, *((each.value, each.at_ms) if each else (None, None)))
            for name, datatype, each in newest
        ]
        return [*told, *self._declared.values()]

    def declare(self, metric: BirthMetric) -> None:
        """Has the next births of the gateway itself declare that, in place of one of the same name."""
        self._declared[metric.name] = metric

    def born(self, description: DeviceDescription, now_ms: int) -> bool:
        """A device answers; False when it did already and nothing about it has changed.

        One that answered all along and is born with other metrics keeps the values of those that it still has.
        """
        before = self._states.get(description.id)
        state = self._states[description.id] = DeviceState(description, True, now_ms)
        if before is None or not before.online:
            return True
        types = {metric.name: metric.datatype for metric in description.metrics}
        state.since_ms, state.heard_ms = before.since_ms, before.heard_ms
        for metric in before.description.metrics:
            if metric.name in before.values and types.get(metric.name) is metric.datatype:
                state.values[metric.name] = before.values[metric.name]
        return before.description != description

    def died(self, device: str, reason: str, now_ms: int) -> bool:
        """A device no longer answers; False when that was known."""
        state = self._states.get(device)
        if state is None or not state.online:
            return False
        state.online, state.since_ms, state.reason = False, now_ms, reason
        return True

    def heard(self, device: str, at_ms: int) -> None:
        """A reading came."""
        state = self._states.get(device)
        if state is not None and at_ms > state.heard_ms:
            state.heard_ms = at_ms

    def keep(self, samples: Iterable[Reading]) -> None:
        """Samples that births will show as current."""
        for sample in samples:
            if sample.device:
                self._states[sample.device].values[sample.metric] = sample
            else:
                self._own[sample.metric] = sample
