"""How the readings of one metric become samples: thinning, calibration and unit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sampling:
    """What the sampler does with one metric.

    Attributes:
        deadband: Smallest change worth a sample, in the metric's unit; 0 keeps every change.
        deadband_percent: The same, in percent of the last kept value; the larger of the two counts.
        min_interval_s: Never more often than this.
        max_interval_s: At least this often, changed or not, so that silence always means something.
        calibration_offset: Added to the value, in the metric's unit, after conversion.
        source_unit: UCUM code that readings come in; "" where it is the metric's own unit.
        every: Keep each reading, changed or not (raw identifications, counters of events).
    """

    deadband: float = 0.0
    deadband_percent: float = 0.0
    min_interval_s: float = 0.0
    max_interval_s: float = 300.0
    calibration_offset: float = 0.0
    source_unit: str = ""
    every: bool = False
