"""Samples of rule tests in few letters.

    -18x10        -18, ten times
    -18..-9x10    ten values, evenly from -18 to -9
    _x3           three times no sample
    ?x2           twice a sample without a usable value
    4             once

Words are separated by blanks and follow each other at the interval of the test.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from frostline_core.errors import ConfigError

MOST_SAMPLES = 1_000_000
"""How many samples one series may have."""

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"
_WORD = re.compile(rf"^(?:(?P<gap>_)|(?P<blank>\?)|(?P<from>{_NUMBER})(?:\.\.(?P<to>{_NUMBER}))?)(?:x(?P<times>\d+))?$")

Point = tuple[int, float | None]
"""How many intervals after the start, and the value; None is a sample without a usable value."""


def points(text: str, source: str) -> tuple[list[Point], int]:
    """The samples of a series, and how many intervals it lasts.

    Args:
        text: The notation.
        source: What errors name.

    Raises:
        ConfigError: A word is none, or there are too many samples.
    """
    found: list[Point] = []
    length = 0
    for word in text.split():
        for value in _values(word, source):
            if length >= MOST_SAMPLES:
                raise ConfigError(f"{source}: more than {MOST_SAMPLES} samples")
            if value is not _GAP:
                found.append((length, None if math.isnan(value) else value))
            length += 1
    return found, length


_GAP = math.nan
_BLANK = float("nan")  # told from _GAP by identity


def _values(word: str, source: str) -> Iterator[float]:
    match = _WORD.match(word)
    if match is None:
        raise ConfigError(f"{source}: '{word}' is none of -18x10, -18..-9x10, _x3, ?x2, 4")
    times = int(match["times"] or 1)
    if times > MOST_SAMPLES:
        raise ConfigError(f"{source}: '{word}': more than {MOST_SAMPLES} samples")
    if match["gap"] or match["blank"]:
        yield from (_GAP if match["gap"] else _BLANK for _ in range(times))
        return
    first = float(match["from"])
    last = first if match["to"] is None else float(match["to"])
    if not (math.isfinite(first) and math.isfinite(last)):
        raise ConfigError(f"{source}: '{word}' is no finite number")
    if match["to"] is not None and times < 2:
        raise ConfigError(f"{source}: '{word}': from one value to another takes x2 or more")
    for step in range(times):
        yield first if times == 1 else first + (last - first) * step / (times - 1)
