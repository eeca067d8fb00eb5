"""The past of one metric, in intervals."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from frostline_cloud.api.access import Viewer
from frostline_cloud.api.buffered import WARM_UP, in_buckets, levels
from frostline_cloud.api.fleet import known_device
from frostline_cloud.api.parameters import From, Text, To
from frostline_cloud.api.problems import not_found, unfit
from frostline_cloud.api.services import Wired
from frostline_cloud.sql.registry import Scope
from frostline_core.reading import NUMBERS, DataType, DeviceDescription
from frostline_core.rules.derived import LABEL, measured, tau_of
from frostline_core.rules.selector import BUFFERED

router = APIRouter(tags=["series"])

MAX_POINTS: Final = 5_000
MAX_RANGE_MS: Final = 400 * 24 * 3600 * 1000
MAX_BUFFERED_MS: Final = 31 * 24 * 3600 * 1000
_DAY_MS = 24 * 3600 * 1000
_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
NUMERIC: Final = NUMBERS | {DataType.BOOLEAN, DataType.DATETIME}
"""What has a series."""


class PointOut(BaseModel):
    """What the metric did in one interval that has samples."""

    at_ms: int = Field(description="Start of the interval, UTC milliseconds.")
    mean: float = Field(description="Mean of its samples.")
    low: float = Field(description="Lowest sample.")
    high: float = Field(description="Highest sample.")
    count: int = Field(description="Number of samples.")


class SeriesOut(BaseModel):
    """A metric over time. An interval without samples has no point: draw no line across it."""

    site: str = Field(description="The site.")
    node: str = Field(description="The gateway.")
    device: str = Field(description="The device.")
    metric: str = Field(description="The metric; with `_buffered` behind it where a buffer was asked for.")
    unit: str = Field(description="UCUM code of the values.")
    from_ms: int = Field(description="Start of the range, UTC milliseconds.")
    to_ms: int = Field(description="End of the range, not part of it.")
    bucket_ms: int = Field(description="Length of an interval; intervals start at its multiples since 1970.")
    points: list[PointOut] = Field(description="Intervals with samples, in order.")


Bucket = Annotated[
    int | None,
    Query(ge=1000, le=_DAY_MS, description="Length of an interval in milliseconds; chosen by max_points if absent."),
]
MaxPoints = Annotated[int, Query(ge=1, le=MAX_POINTS, description="Points wanted, at most, without bucket_ms.")]
Buffer = Annotated[
    int | None,
    Query(
        ge=60,
        le=86_400,
        description="In place of the metric, a virtual buffer that follows it with a lag of first order: the seconds "
        "after which it has come 63 % of the way. None until it is settled, three times as long, and after a gap of 10 "
        "minutes; at most 31 days at once.",
    ),
]
Wanted = Annotated[Text, Query()]


@router.get("/series", summary="Show a metric over time")
def show_series(  # noqa: PLR0913 - the query parameters of the endpoint
    services: Wired,
    _caller: Viewer,
    site: Wanted,
    node: Wanted,
    device: Wanted,
    metric: Wanted,
    start: From = None,
    end: To = None,
    bucket_ms: Bucket = None,
    max_points: MaxPoints = 500,
    buffer_s: Buffer = None,
) -> SeriesOut:
    """Mean, lowest and highest value per interval; the last 24 hours unless from and to say otherwise.

    At most 400 days and 5000 intervals.
    """
    to_ms = services.clock() if end is None else end
    from_ms = max(0, to_ms - _DAY_MS) if start is None else start
    length_ms = _length(from_ms, to_ms, bucket_ms, max_points)
    known = known_device(services, Scope(site=site, node=node, device=device))
    described = known.description.metric(metric)
    tau_ms = None if buffer_s is None else buffer_s * 1000
    if described is None and (described := known.description.metric(measured(metric))) is not None:
        tau_ms = _tau_of(known.description, tau_ms)
    if described is None:
        raise not_found(f"metric {metric} of {site}/{node}/{device}")
    if described.datatype not in NUMERIC:
        raise unfit("query.metric", "is no number; only numbers have a series")
    if tau_ms is None:
        buckets = services.store.series(known.place, metric, from_ms, to_ms, length_ms)
    else:
        if to_ms - from_ms > MAX_BUFFERED_MS:
            raise unfit("query.from", "with a buffer the range is at most 31 days")
        samples = services.store.samples(known.place, described.name, max(0, from_ms - WARM_UP * tau_ms), to_ms)
        buckets = in_buckets(levels(samples, tau_ms), from_ms, length_ms)
    return SeriesOut(
        site=site,
        node=node,
        device=device,
        metric=described.name if tau_ms is None else f"{described.name}{BUFFERED}",
        unit=described.unit,
        from_ms=from_ms,
        to_ms=to_ms,
        bucket_ms=length_ms,
        points=[
            PointOut(at_ms=each.at_ms, mean=each.mean, low=each.low, high=each.high, count=each.count)
            for each in buckets
        ],
    )


def _tau_of(device: DeviceDescription, wanted_ms: int | None) -> int:
    """The `tau` of a device's buffers, unless another is wanted."""
    tau_ms = tau_of(device.labels) if wanted_ms is None else wanted_ms
    if tau_ms is None:
        raise unfit("query.metric", f"the device's label {LABEL} is no duration from 1m to 24h; give buffer_s")
    return tau_ms


def bucket_for(range_ms: int, most: int) -> int:
    """The shortest round interval that cuts a range into at most `most` parts, in milliseconds."""
    least = range_ms / most
    round_ones = (seconds * 1000 for seconds in _SECONDS)
    return next((length for length in round_ones if length >= least), -(-range_ms // (most * _DAY_MS)) * _DAY_MS)


def _length(from_ms: int, to_ms: int, bucket_ms: int | None, max_points: int) -> int:
    range_ms = to_ms - from_ms
    if range_ms <= 0:
        raise unfit("query.from", "must be before to")
    if range_ms > MAX_RANGE_MS:
        raise unfit("query.from", "the range is longer than 400 days")
    if bucket_ms is None:
        return bucket_for(range_ms, max_points)
    if range_ms / bucket_ms > MAX_POINTS:
        raise unfit("query.bucket_ms", f"the range has more than {MAX_POINTS} such intervals")
    return bucket_ms
