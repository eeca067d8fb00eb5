"""Which series a rule applies to: globs over site, node, device, kind, zone, metric and labels."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from functools import cached_property
from operator import attrgetter
from typing import Annotated, Final, Self

from pydantic import BeforeValidator, Field, model_validator

from frostline_core.config import ConfigModel
from frostline_core.rules.series import Series


def _as_list(value: object) -> object:
    return (value,) if isinstance(value, str) else value


BUFFERED: Final = "_buffered"
"""Behind the name of a metric: its virtual buffer; see `derived`."""
_WILD = re.compile(r"[*?\[]")
Test = Callable[[Series], bool]

_Glob = Annotated[str, Field(min_length=1, max_length=200)]
_Several = Annotated[list[_Glob], Field(min_length=1, max_length=1000)]
Globs = Annotated[
    tuple[_Glob, ...],
    BeforeValidator(_as_list, json_schema_input_type=_Glob | _Several),
    Field(min_length=1, max_length=1000),
]
"""One glob or a list of which one must match; `*`, `?` and `[...]` as in file names, and case counts."""


class Selector(ConfigModel):
    """Every given key must match; a key that is left out matches everything."""

    site: Globs = Field(("*",), description="Sites (Sparkplug groups).")
    node: Globs = Field(("*",), description="Gateways (Sparkplug edge nodes).")
    device: Globs = Field(("*",), description="Devices.")
    kind: Globs = Field(("*",), description="Kinds of device, for example cold_room.")
    zone: Globs = Field(("*",), description="Zones; a device without a zone has the zone ''.")
    metric: Globs = Field(
        description="Metrics; required, because a limit only makes sense for one quantity. With `_buffered` behind the "
        "name it is the virtual buffer of a metric."
    )
    labels: dict[str, Globs] = Field(
        default_factory=dict, description="Labels; a series without the label does not match."
    )

    @model_validator(mode="after")
    def _does_not_mix(self) -> Self:
        if len({glob.endswith(BUFFERED) for glob in self.metric}) > 1:
            raise ValueError("metric: a rule looks at measured values or at virtual buffers (`_buffered`), not at both")
        return self

    def matches(self, series: Series) -> bool:
        """Whether the series is selected."""
        return self.matches_metric(series.metric) and self.matches_place(series)

    def applies_to(self, series: Series) -> bool:
        """Whether the series is selected, or its virtual buffer."""
        metric = series.metric
        return (self.matches_metric(metric) or self.matches_buffer_of(metric)) and self.matches_place(series)

    @property
    def is_of_buffers(self) -> bool:
        """Whether it selects virtual buffers."""
        return self.metric[0].endswith(BUFFERED)

    def matches_buffer_of(self, metric: str) -> bool:
        """Whether virtual buffers of this metric may be selected."""
        return self.is_of_buffers and self._metric(f"{metric}{BUFFERED}")

    def matches_metric(self, metric: str) -> bool:
        """Whether series of this metric may be selected."""
        return self._metric(metric)

    def matches_place(self, series: Series) -> bool:
        """Whether the series is selected as far as anything but its metric is concerned."""
        for test in self._tests:  # noqa: SIM110 - `all` with a generator costs as much as a test
            if not test(series):
                return False
        return True

    @cached_property
    def _metric(self) -> Callable[[str], bool]:
        return _matcher(self.metric)

    @cached_property
    def _tests(self) -> tuple[Test, ...]:
        """The globs, compiled once: a selector is tried on every series that is born."""
        words = ((name, getattr(self, name)) for name in ("device", "zone", "kind", "node", "site"))
        tests = [_on_field(name, _matcher(globs)) for name, globs in words if "*" not in globs]
        tests += [_on_label(label, _matcher(globs)) for label, globs in self.labels.items()]
        return tuple(tests)


def _matcher(globs: tuple[str, ...]) -> Callable[[str], bool]:
    plain = frozenset(glob for glob in globs if not _WILD.search(glob))
    rest = "|".join(fnmatch.translate(glob) for glob in globs if glob not in plain)
    if not rest:
        return plain.__contains__
    match = re.compile(rest).match
    return lambda word: word in plain or match(word) is not None


def _on_field(name: str, matches: Callable[[str], bool]) -> Test:
    get = attrgetter(name)
    return lambda series: matches(get(series))


def _on_label(label: str, matches: Callable[[str], bool]) -> Test:
    def test(series: Series) -> bool:
        word = series.labels.get(label)
        return word is not None and matches(word)

    return test
