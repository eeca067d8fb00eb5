"""What one poll of one device gave, as columns: of a thousand readings a second most say nothing new.

A `Scan` is a sequence of readings like any other; a reading is made when somebody asks for it. Whoever knows columns
looks at the values first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from frostline_core.reading import Quality, Reading, Value


class Scan(Sequence[Reading]):
    """Readings of one device and one instant; a value is good, and where there is none the reading is bad.

    Attributes:
        device: The device's id.
        names: Metrics; the same object for the same device as long as they are the same metrics.
        values: One for each name.
        at_ms: When they were measured, UTC milliseconds.
    """

    __slots__ = ("at_ms", "device", "names", "values")

    def __init__(self, device: str, names: tuple[str, ...], values: Sequence[Value], at_ms: int) -> None:
        self.device, self.names, self.values, self.at_ms = device, names, values, at_ms

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, index: int) -> Reading: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Reading]: ...

    def __getitem__(self, index: int | slice) -> Reading | Sequence[Reading]:
        if isinstance(index, slice):
            return Scan(self.device, self.names[index], self.values[index], self.at_ms)
        value = self.values[index]
        quality = Quality.BAD if value is None else Quality.GOOD
        return Reading(self.device, self.names[index], value, self.at_ms, quality)
