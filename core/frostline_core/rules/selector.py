"""Which series a rule applies to: globs over site, node, device, kind, zone, metric and labels."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import BeforeValidator, Field

from frostline_core.config import ConfigModel
from frostline_core.rules.series import Series


def _as_list(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Globs = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=200)], ...],
    BeforeValidator(_as_list, json_schema_input_type=str | list[str]),
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
    metric: Globs = Field(description="Metrics; required, because a limit only makes sense for one quantity.")
    labels: dict[str, Globs] = Field(
        default_factory=dict, description="Labels; a series without the label does not match."
    )

    def matches(self, series: Series) -> bool:
        """Whether the series is selected."""
        return (
            _any(self.metric, series.metric)
            and _any(self.kind, series.kind)
            and _any(self.device, series.device)
            and _any(self.zone, series.zone)
            and _any(self.site, series.site)
            and _any(self.node, series.node)
            and all(k in series.labels and _any(globs, series.labels[k]) for k, globs in self.labels.items())
        )


def _any(globs: tuple[str, ...], word: str) -> bool:
    return any(fnmatchcase(word, glob) for glob in globs)
