"""The samples of an alert's evidence as CSV (RFC 4180), for spreadsheets and validation reports."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any, Final

from frostline_cloud.alerts.message import instant

SAMPLES: Final = ("time", "at_ms", "value", "unit", "of_alert")
"""Columns where samples were kept one by one; `of_alert` is 1 within the alert's own time."""

INTERVALS: Final = ("time", "at_ms", "length_ms", "low", "mean", "high", "count", "unit", "of_alert")
"""Columns where there were too many: an interval without samples has no line."""


def as_csv(evidence: Mapping[str, Any]) -> str:
    """What was measured around an alert, one line a sample or interval, with a header; times in UTC.

    Args:
        evidence: From `gather` or `frozen`.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    if evidence["interval_ms"] is None:
        writer.writerow(SAMPLES)
        writer.writerows(_samples(evidence))
    else:
        writer.writerow(INTERVALS)
        writer.writerows(_intervals(evidence))
    return out.getvalue()


def _samples(evidence: Mapping[str, Any]) -> Iterable[tuple[object, ...]]:
    unit = evidence["unit"] or ""
    for at_ms, value in evidence["samples"]:
        yield instant(at_ms), at_ms, value, unit, _of_alert(evidence, at_ms, at_ms)


def _intervals(evidence: Mapping[str, Any]) -> Iterable[tuple[object, ...]]:
    unit, length_ms = evidence["unit"] or "", evidence["interval_ms"]
    for at_ms, low, mean, high, count in evidence["intervals"]:
        part = _of_alert(evidence, at_ms, at_ms + length_ms - 1)
        yield instant(at_ms), at_ms, length_ms, low, mean, high, count, unit, part


def _of_alert(evidence: Mapping[str, Any], first_ms: int, last_ms: int) -> int:
    """Whether a span touches the alert's own time."""
    end_ms = evidence["end_ms"]
    return int(last_ms >= evidence["begin_ms"] and (end_ms is None or first_ms <= end_ms))
