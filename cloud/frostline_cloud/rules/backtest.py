"""What rules would have done with stored data: how often they fire, how early before events, and how often in vain.

Device after device, each in one pass over its samples: in memory are the alerts found and the samples of a day for each
series that the rules look at.
"""

from __future__ import annotations

import csv
import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from frostline_cloud.instant import Instant
from frostline_cloud.rules.episode import Episode, Episodes
from frostline_cloud.rules.playback import Playback, Seen
from frostline_cloud.store import Place, Store
from frostline_core.errors import ConfigError
from frostline_core.rules import Rule, Series

LEAD_MS = 2 * 86_400_000
"""How long before an event an alert counts as a warning of it, unless one says otherwise."""
MOST_EVENTS = 10_000

_WEEK_MS = 7 * 86_400_000
_TOLD_EVERY = 5_000
_TIME: TypeAdapter[int] = TypeAdapter(Instant)

Progress = Callable[[float], None]
"""Told now and then which part of a device's time is done."""


@dataclass(frozen=True, slots=True)
class Target:
    """A device whose samples are played.

    Attributes:
        place: Where the store keeps them.
        labels: What rules may select by.
    """

    place: Place
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Event:
    """What is known to have happened.

    Attributes:
        label: What people call it.
        from_ms: When it began.
        to_ms: When it was over.
        device: `site/node/device`; "" is any.
    """

    label: str
    from_ms: int
    to_ms: int
    device: str = ""


@dataclass(frozen=True, slots=True)
class Warned:
    """What a rule said of an event.

    Attributes:
        event: The event.
        early_ms: How long before it the first alert fired; negative is within it; None: no alert.
    """

    event: Event
    early_ms: int | None


@dataclass(slots=True)
class Found:
    """What one rule would have done.

    Attributes:
        rule: The rule.
        series: How many series it applies to.
        samples: How many samples of them were played.
        measured_ms: From the first sample to the last, summed over devices.
        suppressed_ms: For how long a value out of range was suppressed.
        alerts: In the order in which they fired, by device.
    """

    rule: Rule
    series: int = 0
    samples: int = 0
    measured_ms: int = 0
    suppressed_ms: int = 0
    alerts: list[Episode] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Score:
    """Alerts against events.

    Attributes:
        warned: Of each event.
        false_alarms: Alerts that belong to no event.
        per_week: False alarms in a week of one device; None where nothing was measured.
    """

    warned: tuple[Warned, ...]
    false_alarms: int
    per_week: float | None


def backtest(
    rules: Sequence[Rule], targets: Sequence[Target], store: Store, span: tuple[int, int], progress: Progress
) -> list[Found]:
    """Plays stored samples to rules.

    Args:
        rules: The rules.
        targets: The devices.
        store: Where the samples are.
        span: [from, to), event time, UTC milliseconds.
        progress: Told from 0 to the number of devices.

    Returns:
        For each rule what it would have done.

    Raises:
        UnavailableError: The store does not answer.
    """
    found = {rule.id: Found(rule) for rule in rules}
    for done, target in enumerate(targets):
        _play(found, target, store, span, partial(_tell, progress, done))
        progress(done + 1)
    return list(found.values())


def score(found: Found, events: Sequence[Event], lead_ms: int = LEAD_MS) -> Score:
    """Alerts against events: an alert warns of an event if it fires within it, or at most `lead_ms` before."""
    useful: set[Episode] = set()
    warned = []
    for event in events:
        told = [each for each in found.alerts if _warns(each, event, lead_ms)]
        useful.update(told)
        early = event.from_ms - min(each.fired_ms for each in told) if told else None
        warned.append(Warned(event, early))
    vain = sum(each not in useful for each in found.alerts)
    return Score(tuple(warned), vain, vain * _WEEK_MS / found.measured_ms if found.measured_ms else None)


def read_events(path: Path) -> list[Event]:
    """Events from a CSV file: `from`, `to` (RFC 3339 or UTC milliseconds), and perhaps `label` and `device`.

    Raises:
        ConfigError: It cannot be read, a column is missing, or a line makes no sense; all of them with their numbers.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if not {"from", "to"} <= set(reader.fieldnames or ()):
                raise ConfigError(f"{path}: needs the columns from and to, and may have label and device")
            return _events(reader, path)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error


def _events(reader: csv.DictReader[str], path: Path) -> list[Event]:
    events: list[Event] = []
    faults: list[str] = []
    for row in reader:
        where = f"{path}: line {reader.line_num}"
        try:
            begin, end = _TIME.validate_python(row["from"]), _TIME.validate_python(row["to"])
        except ValidationError as error:
            faults.append(f"{where}: {error.errors()[0]['msg'].removeprefix('Value error, ')}")
            continue
        if end < begin:
            faults.append(f"{where}: ends before it begins")
        events.append(Event(row.get("label") or f"event {len(events) + 1}", begin, end, row.get("device") or ""))
        if len(events) > MOST_EVENTS:
            faults.append(f"{where}: more than {MOST_EVENTS} events")
            break
    if faults:
        raise ConfigError("\n".join(faults))
    return events


def _tell(progress: Progress, done: int, part: float) -> None:
    progress(done + part)


def _warns(alert: Episode, event: Event, lead_ms: int) -> bool:
    if event.device not in ("", "/".join(alert.device)):
        return False
    return event.from_ms - lead_ms <= alert.fired_ms <= event.to_ms


def _play(found: Mapping[str, Found], target: Target, store: Store, span: tuple[int, int], progress: Progress) -> None:
    place = target.place
    known = [
        Series(place.site, place.node, place.device, place.measurement, place.zone, latest.field, target.labels)
        for latest in store.latest(place)
        if not isinstance(latest.value, str)
    ]
    rules = [each.rule for each in found.values() if any(each.rule.select.applies_to(series) for series in known)]
    watched = {watch.metric for rule in rules for watch in rule.inputs()}
    needed = [s for s in known if s.metric in watched or any(rule.select.applies_to(s) for rule in rules)]
    if not needed:
        return
    measure = _Measure(progress, span)
    parts = [measure.of(index, store.samples(place, s.metric, *span)) for index, s in enumerate(needed)]
    seen = heapq.merge(*parts, key=lambda each: each[:2])
    first = next(seen, None)
    if first is None:
        return
    # The clock goes from the first sample to the last: that nothing is stored before and after is nobody's silence.
    playback, episodes = Playback(rules, needed, first[0]), Episodes()
    for transition in playback.play(chain((first,), seen), None):
        episodes.take(transition)
    alerts = episodes.all()
    for rule in rules:
        mine = found[rule.id]
        indexes = [index for index, series in enumerate(needed) if rule.select.applies_to(series)]
        mine.series += len(indexes)
        mine.samples += sum(measure.counts.get(index, 0) for index in indexes)
        mine.measured_ms += measure.measured_ms
        mine.suppressed_ms += playback.suppressed_ms.get(rule.id, 0)
        mine.alerts += [each for each in alerts if each.rule_id == rule.id]


class _Measure:
    """Counts samples on their way, and tells how far they are."""

    def __init__(self, progress: Progress, span: tuple[int, int]) -> None:
        self.counts: dict[int, int] = {}
        self._progress = progress
        self._span = span
        self._first: int | None = None
        self._last = 0

    @property
    def measured_ms(self) -> int:
        """From the first sample to the last."""
        return 0 if self._first is None else self._last - self._first

    def of(self, index: int, samples: Iterator[tuple[int, float]]) -> Iterator[Seen]:
        """The samples of one series, as `Playback` takes them."""
        for count, (at_ms, value) in enumerate(samples, 1):
            self.counts[index] = count
            self._first = at_ms if self._first is None else min(self._first, at_ms)
            self._last = max(self._last, at_ms)
            if count % _TOLD_EVERY == 0:
                self._progress((at_ms - self._span[0]) / max(1, self._span[1] - self._span[0]))
            yield at_ms, index, value
