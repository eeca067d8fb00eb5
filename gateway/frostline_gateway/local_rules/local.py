"""Rules on the gateway: its samples, as they are taken, through the evaluator that the cloud has too, to outputs.

    intake -> hear -> Evaluator -> wanted -> Drive -> driver or file
                                              -> an event of the gateway, through the spool

The samples, their times, the rules and the pauses are those of the cloud; so the transitions are the cloud's, only
earlier. Of a pause the gateway knows what the cloud has told it. Readings whose time of day is not known yet are not
shown to rules.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frostline_core.reading import NUMBERS, DataType, DeviceDescription, Reading
from frostline_core.rules import HOLE_MS, NEVER, Evaluator, Phase, RuleSet, Series, Transition
from frostline_core.rules.standstill import Span
from frostline_gateway.local_rules import memory
from frostline_gateway.local_rules.drive import Drive
from frostline_gateway.local_rules.memory import Remembered
from frostline_gateway.local_rules.wanted import Cause, wanted

log = logging.getLogger("frostline.rules")

LATENESS_MS = 200
"""A gateway's own samples are not long under way."""
SAVE_S = 60.0
"""What rules count without a transition is written down so often; transitions are at once."""
_TICK_S = 1.0
_RULED = NUMBERS | {DataType.BOOLEAN}
_NEWS = frozenset({Phase.FIRING, Phase.RESOLVED})


@dataclass(frozen=True, slots=True)
class Place:
    """Which gateway this is, and where it remembers.

    Attributes:
        site: The Sparkplug group.
        node: The edge node.
        memory: File of the rule states.
    """

    site: str
    node: str
    memory: Path


class LocalRules:
    """One for the process. Belongs to the event loop. Memory grows with the series that rules select or watch.

    Args:
        place: Which gateway.
        rules: Chosen for it.
        drives: One for each output, by its name.
        description: What a device was last born as.
        clock: UTC milliseconds as samples are stamped; None while the time of day is not known.

    Attributes:
        error: Why its memory cannot be written; "" while it can.
        refused: Why the rules that the cloud sent last are not used; "" where they are.
    """

    def __init__(
        self,
        place: Place,
        rules: RuleSet,
        drives: Mapping[str, Drive],
        description: Callable[[str], DeviceDescription | None],
        clock: Callable[[], int | None],
    ) -> None:
        self.place, self._drives, self._description, self._clock = place, drives, description, clock
        self._states: dict[tuple[str, str], dict[str, Any]] = {}
        self._last: dict[tuple[str, str], int] = {}
        for key, each in memory.read(place.memory).items():
            self._states[key], self._last[key] = dict(each.states), each.last_ms
        self._causes: dict[str, Cause] = {}
        self._save_now = self._dirty = False
        self._saved_s = 0.0
        self.error = ""
        self.refused = ""
        self._pauses: tuple[Span, ...] = ()
        self._slots: dict[tuple[str, str], int] = {}
        self._begin(rules)

    @property
    def outputs(self) -> frozenset[str]:
        """The names of the outputs."""
        return frozenset(self._drives)

    def use(self, rules: RuleSet) -> None:
        """Goes on with these rules; what those that stay have begun goes on."""
        for key, slot in self._slots.items():
            self._last[key] = self._evaluator.last_ms[slot]
        self._begin(rules)
        for drive in self._drives.values():
            if drive.config.name not in self._outputs.values():
                drive.want(None, Cause(""))

    def pause(self, spans: Sequence[Span]) -> None:
        """Says which devices are not in service, and until when, in place of what was said before."""
        self._pauses = tuple(spans)
        self._evaluator.pause(self._spans_of)

    def _spans_of(self, series: Series) -> list[tuple[int, int]]:
        return [(each.from_ms, each.to_ms) for each in self._pauses if each.device in ("", series.device)]

    def _begin(self, rules: RuleSet) -> None:
        self.rules = rules
        self._evaluator = Evaluator(rules, LATENESS_MS)
        self._evaluator.pause(self._spans_of)
        self._born: dict[str, DeviceDescription] = {}
        self._slots = {}
        self._seen: set[int] = set()
        self._outputs = {rule.id: str(rule.output) for rule in rules.rules}
        self._watched = {watch.metric for rule in rules.rules for watch in rule.inputs()}

    def hear(self, device: str, samples: Sequence[Reading]) -> None:
        """Shows samples of one device to the rules, and tells the outputs what has come of it."""
        if not self._outputs:
            return
        description = self._description(device)
        if description is not None and self._born.get(device) is not description:
            self._bind(description)
        slots, evaluator = self._slots, self._evaluator
        ruled = [
            (slots[device, each.metric], _number(each), each.at_ms)
            for each in samples
            if (device, each.metric) in slots
        ]
        if not ruled:
            return
        for slot, value, at_ms in evaluator.in_order(ruled):
            inside = value is not None and evaluator.low[slot] <= value <= evaluator.high[slot]
            if inside and at_ms - HOLE_MS < evaluator.last_ms[slot] < at_ms < evaluator.deadline_ms[slot]:
                evaluator.last_ms[slot] = at_ms
            else:
                evaluator.observe(slot, value, at_ms)
        new = {slot for slot, _, _ in ruled} - self._seen
        self._seen |= new
        self._settle(changed=bool(new))

    async def run(self) -> None:
        """Lets the clock work, drives the outputs, and remembers; until cancelled."""
        async with asyncio.TaskGroup() as group:
            for name, drive in self._drives.items():
                group.create_task(drive.run(), name=f"output {name}")
            self._direct()
            while True:
                await asyncio.sleep(_TICK_S)
                self.tick()
                if self._is_save_due():
                    await self.save()

    def tick(self) -> None:
        """Lets the clock fire what needs no sample; nothing while the time of day is not known."""
        now_ms = self._clock()
        if now_ms is not None and self._outputs:
            self._evaluator.advance(now_ms)
            self._settle(changed=False)

    async def stop(self) -> None:
        """Brings outputs to their `at_stop`, and remembers where rules stand; the drivers must still work."""
        await asyncio.gather(*(drive.stop() for drive in self._drives.values()))
        if self._dirty:
            await self.save()

    async def save(self) -> None:
        """Writes the memory; a disk that does not take it is tried again later."""
        self._save_now = self._dirty = False
        self._saved_s = asyncio.get_running_loop().time()
        kept = {key: Remembered(self._last_ms(key), dict(states)) for key, states in self._states.items() if states}
        try:
            await asyncio.to_thread(memory.write, self.place.memory, kept)
            self.error = ""
        except OSError as error:
            if not self.error:
                log.error("%s: rule states are not remembered: %s", self.place.memory, error)
            self.error, self._dirty = str(error), True

    def document(self) -> dict[str, Any]:
        """What status says."""
        return {
            "version": self.rules.version,
            "rules": [rule.id for rule in self.rules.rules],
            "refused": self.refused,
            "pauses": [each._asdict() for each in self._pauses],
            "error": self.error,
            "outputs": [
                {"name": name, "target": each.config.target, "on": each.is_on, "wanted": each.wanted,
                 "error": each.error}
                for name, each in self._drives.items()
            ],
        }  # fmt: skip

    def _bind(self, device: DeviceDescription) -> None:
        """Binds what rules select or watch of a device, anew where its description has changed."""
        self._born[device.id] = device
        place = (self.place.site, self.place.node, device.id, device.kind, device.zone)
        for metric in device.metrics:
            if metric.datatype not in _RULED or not self._is_ruled(metric.name):
                continue
            key = (device.id, metric.name)
            series = Series(*place, metric.name, dict(device.labels))
            if not self._is_sound(series, self._states.get(key, {})):
                log.warning("%s %s: what was remembered of it cannot be read; its rules begin anew", *key)
                self._states.pop(key, None)
            self._slots[key] = self._evaluator.bind(series, self._states.get(key, {}), self._last.get(key, NEVER))

    def _is_sound(self, series: Series, states: Mapping[str, Any]) -> bool:
        """Whether states were written by an evaluator; tried on one without rules, so that ours keeps no half of it."""
        try:
            Evaluator(()).bind(series, states)
        except (ValueError, TypeError, KeyError, AttributeError, IndexError):
            return False
        return True

    def _is_ruled(self, metric: str) -> bool:
        selects = (rule.select for rule in self.rules.rules)
        return metric in self._watched or any(
            each.matches_metric(metric) or each.matches_buffer_of(metric) for each in selects
        )

    def _settle(self, *, changed: bool) -> None:
        """Keeps what the evaluator has staged, and directs the outputs if anything is new."""
        staged = self._evaluator.staged()
        if staged.states or staged.transitions:
            for name, series, content in staged.states:
                known = self._states.setdefault((series.device, series.metric), {})
                known.pop(name, None)
                if content is not None:
                    known[name] = content
            self._evaluator.settle()
            self._dirty = True
            self._save_now = self._save_now or bool(staged.transitions)
        for each in staged.transitions:
            self._note(each)
        if changed or staged.transitions:
            self._direct()

    def _note(self, transition: Transition) -> None:
        output = self._outputs.get(transition.rule_id)
        if output is not None and transition.after in _NEWS and transition.after is not transition.before:
            series = transition.series
            self._causes[output] = Cause(
                transition.after.value, transition.rule_id, series.device, series.metric, transition.at_ms,
                transition.value,
            )  # fmt: skip

    def _direct(self) -> None:
        """Tells every output what it should be now."""
        for name in sorted(set(self._outputs.values())):
            drive, phases = self._drives[name], list(self._phases(name))
            on, why = wanted(drive.config, (phase for _, phase in phases), seen=any(s in self._seen for s, _ in phases))
            cause = self._causes.get(name, Cause("")) if not why else Cause(why)
            drive.want(on, cause)

    def _phases(self, output: str) -> Iterator[tuple[int, Phase]]:
        for slot in self._slots.values():
            for rule_id, phase in self._evaluator.phases(slot).items():
                if self._outputs[rule_id] == output:
                    yield slot, phase

    def _last_ms(self, key: tuple[str, str]) -> int:
        slot = self._slots.get(key)
        return self._last.get(key, NEVER) if slot is None else self._evaluator.last_ms[slot]

    def _is_save_due(self) -> bool:
        return self._dirty and (self._save_now or asyncio.get_running_loop().time() - self._saved_s >= SAVE_S)


def _number(sample: Reading) -> float | None:
    """A sample as rules take it: flags as 0 and 1."""
    value = sample.value
    return float(value) if isinstance(value, bool | int | float) else None
