"""The ground truth: what the simulators have really given out, to be compared with what arrived."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from frostline_core.reading import Value
from frostline_sim.world.world import World

_MOST_WRITES = 1_000


@dataclass(slots=True)
class Served:
    """What one metric of one device has given out.

    Attributes:
        count: How often.
        value: The last value, in the unit in which it was served; None: it said that there is none.
        at_ms: When that was, UTC milliseconds.
    """

    count: int = 0
    value: Value = None
    at_ms: int = 0


@dataclass(slots=True)
class Truth:
    """Counts by device and metric; bounded by what the world file names.

    Attributes:
        clock_ms: UTC milliseconds.
        written: Values that came in from outside, oldest first, at most 1,000.
    """

    clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    served: dict[tuple[str, str], Served] = field(default_factory=dict)
    written: list[dict[str, Any]] = field(default_factory=list)

    def gave(self, device: str, metric: str, value: Value) -> None:
        """A client has been given this value."""
        entry = self.served.get((device, metric))
        if entry is None:
            entry = self.served[device, metric] = Served()
        entry.count += 1
        entry.value, entry.at_ms = value, self.clock_ms()

    def took(self, device: str, metric: str, value: Value) -> None:
        """A client has written this value."""
        if len(self.written) < _MOST_WRITES:
            self.written.append({"device": device, "metric": metric, "value": value, "at_ms": self.clock_ms()})

    def report(self, world: World) -> Mapping[str, Any]:
        """Everything as plain JSON values, with the state of the stock."""
        devices: dict[str, dict[str, Any]] = {}
        for (device, metric), entry in self.served.items():
            devices.setdefault(device, {})[metric] = asdict(entry)
        return {
            "seed": world.seed,
            "world_s": world.now_s,
            "at_ms": self.clock_ms(),
            "served": devices,
            "written": self.written,
            "stock": world.stock.counts(),
            "moves": [
                {"at_s": move.at_s, "epc": move.epc.hex().upper(), "from": move.source, "to": move.to}
                for move in world.stock.moves
            ],
            "faults": [fault.model_dump(by_alias=True) for fault in world.timeline.faults],
        }

    def write(self, path: Path, world: World) -> None:
        """Writes the report, whole or not at all."""
        write_whole(path, json.dumps(self.report(world), indent=1, sort_keys=True) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Replaces a file in one step, so that a reader sees the old text or the new one."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
