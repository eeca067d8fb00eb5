"""Files that test rules: series in, changes out, and where the two differ.

```toml
rules = ["rules"]                   # files and folders, from this file's folder; or [[rule]] tables here

[[test]]
name = "a warm freezer"
interval = "1m"                     # between two samples
series = { air_temperature = "-18x10 -9x15 -18x8", defrost_active = "0x33" }
device = { kind = "cold_room", zone = "freezer-1" }

[test.expect]                       # all that a rule does, at what time after the start
freezer-warm = ["10m pending", "20m firing", "25m clearing", "30m resolved"]

[test.alerts]                       # or only its alerts
freezer-warm = ["20m to 30m"]       # "20m" alone: it is not over at the end
```

A rule that a test does not name must not fire in it. YAML with the same keys is read too.
"""

from __future__ import annotations

import difflib
import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from frostline_cloud.rules import notation
from frostline_cloud.rules.episode import Episode, Episodes
from frostline_cloud.rules.playback import Playback, Seen
from frostline_core import config
from frostline_core.config import ConfigModel, nearest
from frostline_core.errors import ConfigError
from frostline_core.rules import Phase, Rule, RuleSet, Series, Transition, load_files, load_folder, parse
from frostline_core.rules.duration import Duration
from frostline_core.rules.duration import parse as parse_duration
from frostline_core.rules.duration import text as duration_text
from frostline_core.rules.files import read

_MINUTE_MS = 60_000
_START = datetime(2026, 1, 5, tzinfo=UTC)
_Name = Annotated[str, Field(min_length=1, max_length=200)]


class DeviceModel(ConfigModel):
    """What the device of a test is."""

    site: _Name = Field(default="site", description="The site.")
    node: _Name = Field(default="gateway", description="The gateway.")
    device: _Name = Field(default="device", description="The device.")
    kind: str = Field(default="", max_length=100, description="What it is, for example cold_room.")
    zone: str = Field(default="", max_length=200, description="Where it stands.")
    labels: dict[str, str] = Field(default_factory=dict, description="Anything else to select by.")


class TestModel(ConfigModel):
    """One `[[test]]`."""

    __test__ = False  # pytest: no test of ours

    name: _Name = Field(description="What is tested.")
    start: datetime = Field(default=_START, description="When the first sample is measured; a Monday at midnight, UTC.")
    interval: Duration = Field(default=_MINUTE_MS // 1000, ge=1, description="Between two samples.")
    until: Duration | None = Field(
        None, description="How long the clock goes on; as long as the samples, if not given."
    )
    device: DeviceModel = Field(default=DeviceModel(), description="The device.")
    series: dict[_Name, str] = Field(min_length=1, max_length=100, description="Metrics, with their samples.")
    expect: dict[str, tuple[str, ...]] = Field(default_factory=dict, description="All changes of a rule.")
    alerts: dict[str, tuple[str, ...]] = Field(default_factory=dict, description="All alerts of a rule.")


class FileModel(ConfigModel):
    """A file of tests."""

    rules: tuple[str, ...] = Field(default=(), description="Files and folders of rules.")
    rule: tuple[dict[str, Any], ...] = Field(default=(), description="Rules.")
    test: tuple[TestModel, ...] = Field(min_length=1, max_length=10_000, description="Tests.")


@dataclass(frozen=True, slots=True)
class Result:
    """How a test went.

    Attributes:
        name: The test's.
        samples: How many were played.
        differences: Lines that are expected (`- `) or happened (`+ `) alone, with those around them; none: it passed.
    """

    name: str
    samples: int
    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """A file of tests, read and checked."""

    path: Path
    rules: RuleSet
    tests: tuple[TestModel, ...]

    def run(self) -> Iterator[Result]:
        """Every test, in the order of the file."""
        for test in self.tests:
            yield _run(self.rules.rules, test, f"{self.path}: test '{test.name}'")


def load_trial(path: Path) -> Trial:
    """Reads a file of tests and the rules that it names.

    Raises:
        ConfigError: Every fault, with file and key.
    """
    said = read(path).content
    if "rule" in said and "test" not in said:
        raise ConfigError(
            f"{path}: holds rules and no tests of them: check it with `frostline rules check`; to test it, write a "
            f'file with rules = ["{path.name}"] and [[test]] tables (docs/rules.md, "Checking, testing, backtesting")'
        )
    content = config.parse(said, FileModel, str(path))
    rules = [rule for name in content.rules for rule in load_rules(path.parent / name).rules]
    rules += [parse(table, str(path)) for table in content.rule]
    if not rules:
        raise ConfigError(f"{path}: rules: name files or folders of rules, or write [[rule]] tables")
    known = RuleSet.of(rules)
    faults = [fault for test in content.test for fault in _faults(known, test, f"{path}: test '{test.name}'")]
    if faults:
        raise ConfigError("\n".join(faults))
    return Trial(path, known, content.test)


def load_rules(path: Path) -> RuleSet:
    """The rules of a file, or of a folder.

    Raises:
        ConfigError: It is neither, or something in it does not fit.
    """
    return load_files([path]) if path.is_file() else load_folder(path)


def _faults(known: RuleSet, test: TestModel, source: str) -> Iterator[str]:
    ids = [rule.id for rule in known.rules]
    for key, wanted in (("expect", test.expect), ("alerts", test.alerts)):
        for id_, lines in wanted.items():
            if id_ not in ids:
                yield f"{source}: {key}: no rule '{id_}'{nearest(id_, ids)}"
            for line in lines:
                try:
                    _change(line) if key == "expect" else _alert(line)
                except ValueError as error:
                    yield f"{source}: {key}.{id_}: '{line}': {error}"
    if test.start.tzinfo is None:
        yield f"{source}: start: needs its offset: Z, or +02:00"


def _change(line: str) -> str:
    """An expected change, in the form in which what happens is written."""
    after, _, phase = line.strip().partition(" ")
    try:
        return f"{duration_text(parse_duration(after))} {Phase(phase.strip()).value}"
    except ValueError as error:
        raise ValueError(f'a change is "10m firing", with one of {", ".join(Phase)}') from error


def _alert(line: str) -> str:
    begin, _, end = line.strip().partition(" to ")
    try:
        begun = duration_text(parse_duration(begin))
        return f"{begun} to {duration_text(parse_duration(end.strip()))}" if end else begun
    except ValueError as error:
        raise ValueError('an alert is "20m to 30m", or "20m" where it is not over') from error


def _run(rules: Sequence[Rule], test: TestModel, source: str) -> Result:
    start_ms = round(test.start.timestamp() * 1000)
    device = test.device
    series = [
        Series(device.site, device.node, device.device, device.kind, device.zone, metric, dict(device.labels))
        for metric in test.series
    ]
    seen, length = _seen(test, start_ms, source)
    end_ms = start_ms + (max(0, length - 1) * test.interval if test.until is None else test.until)
    playback, episodes = Playback(rules, series, start_ms), Episodes()
    changes: list[tuple[str, str]] = []
    for transition in playback.play((each for each in seen if each[0] <= end_ms), end_ms):
        episodes.take(transition)
        if transition.before is not transition.after:
            changes.append((transition.rule_id, _told(transition, start_ms)))
    alerts = [(each.rule_id, _alert_told(each, start_ms)) for each in episodes.all()]
    return Result(test.name, playback.samples, tuple(_differences(test, changes, alerts)))


def _seen(test: TestModel, start_ms: int, source: str) -> tuple[Iterator[Seen], int]:
    parts, length = [], 0
    for index, (metric, text) in enumerate(test.series.items()):
        found, lasts = notation.points(text, f"{source}: series.{metric}")
        length = max(length, lasts)
        parts.append([(start_ms + step * test.interval, index, value) for step, value in found])
    return heapq.merge(*parts, key=lambda each: each[:2]), length


def _told(transition: Transition, start_ms: int) -> str:
    return f"{duration_text(transition.at_ms - start_ms)} {transition.after.value}"


def _alert_told(episode: Episode, start_ms: int) -> str:
    begun = duration_text(episode.fired_ms - start_ms)
    return begun if episode.resolved_ms is None else f"{begun} to {duration_text(episode.resolved_ms - start_ms)}"


def _differences(
    test: TestModel, changes: Sequence[tuple[str, str]], alerts: Sequence[tuple[str, str]]
) -> Iterator[str]:
    for id_, lines in test.expect.items():
        yield from _diff(id_, [_change(line) for line in lines], [told for rule, told in changes if rule == id_])
    for id_, lines in test.alerts.items():
        yield from _diff(id_, [_alert(line) for line in lines], [told for rule, told in alerts if rule == id_])
    for rule in dict.fromkeys(rule for rule, _ in alerts):
        if rule not in test.expect and rule not in test.alerts:
            yield from _diff(rule, [], [told for each, told in alerts if each == rule])


def _diff(rule: str, wanted: list[str], found: list[str]) -> Iterator[str]:
    if wanted != found:
        yield f"{rule}:"
        yield from (line.rstrip() for line in difflib.ndiff(wanted, found) if not line.startswith("?"))
