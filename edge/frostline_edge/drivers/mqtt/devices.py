"""The devices behind a broker: who has spoken, what they said, and who has fallen silent. Pure but for `Emit`."""

from __future__ import annotations

import logging
import re
from collections import Counter
from dataclasses import dataclass, field

from frostline_core.errors import ProtocolError
from frostline_core.reading import DeviceDescription, MetricDescription, Quality, Reading, Value
from frostline_edge.driver import Emit
from frostline_edge.drivers.mqtt.config import Config, Match
from frostline_edge.drivers.mqtt.topic import DEVICE, ZONE, TopicPattern
from frostline_edge.drivers.mqtt.values import Source, document, online
from frostline_edge.sampling import Sampling

_log = logging.getLogger("frostline.mqtt")

_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")
_MAX_ID = 64
_MAX_LOGGED = 1000


@dataclass(frozen=True, slots=True)
class Message:
    """A message from the broker.

    Attributes:
        topic: Where it was published.
        payload: What.
        retained: The broker had kept it; nobody knows for how long.
        at_ms: When it came, UTC.
        heard_s: When it came, on a clock that never jumps.
    """

    topic: str
    payload: bytes
    retained: bool
    at_ms: int
    heard_s: float


@dataclass(frozen=True, slots=True)
class _Rule:
    """A match, ready for use."""

    match: Match
    topic: TopicPattern
    availability: TopicPattern | None
    sources: tuple[Source, ...]

    @classmethod
    def of(cls, match: Match) -> _Rule:
        availability = TopicPattern.parse(match.availability) if match.availability else None
        return cls(match, TopicPattern.parse(match.topic), availability, tuple(map(Source.of, match.metric)))


@dataclass(slots=True)
class _Device:
    """A device that has spoken."""

    raw_name: str
    kind: str
    zone: str
    labels: dict[str, str]
    metrics: dict[str, MetricDescription] = field(default_factory=dict)
    sampling: dict[str, Sampling] = field(default_factory=dict)
    last: dict[str, Value] = field(default_factory=dict)
    alive: bool = False
    heard_s: float = 0.0
    max_silence_s: float = 0.0


class Devices:
    """Every device of one broker.

    Attributes:
        counts: Messages by what became of them: `taken`, `retained` (skipped), and one entry per reason of refusal.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._rules = [_Rule.of(match) for match in config.match]
        self._devices: dict[str, _Device] = {}
        self._logged: set[str] = set()
        self.counts: Counter[str] = Counter()

    @property
    def filters(self) -> list[str]:
        """What to subscribe to."""
        patterns = [pattern for rule in self._rules for pattern in (rule.topic, rule.availability) if pattern]
        return sorted({pattern.filter for pattern in patterns})

    @property
    def alive(self) -> int:
        """How many devices are alive."""
        return sum(device.alive for device in self._devices.values())

    @property
    def refused(self) -> int:
        """How many messages were refused."""
        return sum(count for reason, count in self.counts.items() if reason not in ("taken", "retained"))

    def take(self, message: Message, emit: Emit) -> None:
        """Makes of a message what it is: readings, an availability, or a refusal that is counted and logged once."""
        for rule in self._rules:
            names = rule.topic.match(message.topic)
            if names is not None:
                self._take_values(rule, names, message, emit)
            elif rule.availability and (names := rule.availability.match(message.topic)) is not None:
                self._take_availability(names, message, emit)

    def check(self, now_s: float, emit: Emit) -> None:
        """Says which devices have been silent for too long. To be called now and then."""
        for name, device in self._devices.items():
            if device.alive and now_s - device.heard_s > device.max_silence_s:
                device.alive = False
                emit.died(name, f"no message for {device.max_silence_s:g} s")

    def lose(self, reason: str, emit: Emit) -> None:
        """The broker is gone: no device can be heard."""
        for name, device in self._devices.items():
            if device.alive:
                device.alive = False
                emit.died(name, reason)

    def _take_values(self, rule: _Rule, names: dict[str, str], message: Message, emit: Emit) -> None:
        if message.retained and not rule.match.accept_retained:
            self.counts["retained"] += 1
            return
        if len(message.payload) > self._config.max_payload_bytes:
            self._refuse("too long", message.topic, f"longer than {self._config.max_payload_bytes} bytes")
            return
        try:
            content = document(message.payload)
        except ProtocolError as error:
            self._refuse("no JSON", message.topic, str(error.__cause__))
            return
        name = self._id(names[DEVICE])
        quality = Quality.UNCERTAIN if message.retained else Quality.GOOD
        found = [source.reading(name, content, message.at_ms, quality) for source in rule.sources]
        readings = [reading for reading in found if reading is not None]
        if not readings:
            self._refuse("no metric", message.topic, "none of the paths is in it")
            return
        device = self._device(name, rule, names, message.topic)
        if device is None:
            return
        self.counts["taken"] += 1
        self._wake(name, device, rule, message, emit)
        self._emit(name, device, rule, readings, emit)

    def _device(self, name: str, rule: _Rule, names: dict[str, str], topic: str) -> _Device | None:
        device = self._devices.get(name)
        if device is None:
            if len(self._devices) >= self._config.max_devices:
                self._refuse("too many devices", "", f"more than {self._config.max_devices} devices, such as {topic!r}")
                return None
            labels = {key: value for key, value in names.items() if key not in (DEVICE, ZONE)}
            zone = names.get(ZONE, rule.match.zone)
            device = self._devices[name] = _Device(names[DEVICE], rule.match.kind, zone, labels)
        elif device.raw_name != names[DEVICE] or device.kind != rule.match.kind:
            self._refuse("name taken", topic, f"'{name}' is already {device.kind} {device.raw_name!r}")
            return None
        return device

    def _wake(self, name: str, device: _Device, rule: _Rule, message: Message, emit: Emit) -> None:
        """Notes that the device lives, and says so where that is news or its metrics have grown."""
        fresh = [source for source in rule.sources if source.metric.name not in device.metrics]
        for source in fresh:
            device.metrics[source.metric.name] = source.description()
            device.sampling[source.metric.name] = source.sampling()
        device.heard_s = message.heard_s
        device.max_silence_s = max(device.max_silence_s, rule.match.max_silence_s)
        if fresh or not device.alive:
            device.alive = True
            metrics = tuple(device.metrics.values())
            emit.born(DeviceDescription(name, device.kind, device.zone, metrics, device.labels), device.sampling)

    def _emit(self, name: str, device: _Device, rule: _Rule, readings: list[Reading], emit: Emit) -> None:
        """Changes of events as events, all else as one scan. The first value after the start is no change."""
        events = {source.metric.name for source in rule.sources if source.metric.event}
        changed = [
            each
            for each in readings
            if each.metric in events and device.last.get(each.metric, each.value) != each.value
        ]
        rest = [each for each in readings if each not in changed]
        device.last.update((each.metric, each.value) for each in readings if each.metric in events)
        if changed:
            emit.event(name, changed)
        if rest:
            emit.scan(name, rest)

    def _take_availability(self, names: dict[str, str], message: Message, emit: Emit) -> None:
        found = online(message.payload)
        if found is None:
            self._refuse("no availability", message.topic, "neither online nor offline")
            return
        self.counts["taken"] += 1
        name = self._id(names[DEVICE])
        device = self._devices.get(name)
        if device is not None and device.alive and not found:
            device.alive = False
            emit.died(name, "the broker says that it is offline")

    def _id(self, raw_name: str) -> str:
        return (self._config.prefix + _UNSAFE.sub("_", raw_name))[:_MAX_ID] or "_"

    def _refuse(self, reason: str, topic: str, detail: str) -> None:
        self.counts[reason] += 1
        key = f"{reason} {topic}"
        if key not in self._logged and len(self._logged) < _MAX_LOGGED:
            self._logged.add(key)
            _log.warning("%s: message refused (%s): %r: %s", self._config.name, reason, topic, detail)
