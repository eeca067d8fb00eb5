"""What local rules remember over a restart: one JSON file beside the spool, written anew as a whole.

    {"series": [["room-1", "air_temperature", 1700000000000, {"freezer-warm": {...}}]]}

Device, metric, event time of the newest sample that rules have seen, and the states by the names that the evaluator
gave them; series without states are left out. A file that cannot be read costs only that memory: pending times begin
anew, and outputs stay as they are until the first samples.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frostline_gateway import whole_file

log = logging.getLogger("frostline.rules")


@dataclass(frozen=True, slots=True)
class Remembered:
    """One series.

    Attributes:
        last_ms: Event time of the newest sample that the rules have seen.
        states: As `Evaluator.staged` gave them.
    """

    last_ms: int
    states: Mapping[str, Mapping[str, Any]]


Memory = Mapping[tuple[str, str], Remembered]
"""By device and metric."""


def read(path: Path) -> dict[tuple[str, str], Remembered]:
    """What was written last; empty where there is nothing that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["series"]
        return {(str(each[0]), str(each[1])): Remembered(int(each[2]), dict(each[3])) for each in found}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        log.warning("%s: cannot be read, local rules begin anew: %s", path, error)
        return {}


def write(path: Path, memory: Memory) -> None:
    """Writes it so that a power cut leaves the old file or the new one.

    Raises:
        OSError: The disk does not take it.
    """
    series = [[*key, each.last_ms, each.states] for key, each in memory.items()]
    whole_file.write(path, json.dumps({"series": series}))
