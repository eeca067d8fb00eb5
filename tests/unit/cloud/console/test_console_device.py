"""A device's past: what was measured and its virtual buffer together, holes, limits in force, and how it is shared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.exceptions import HTTPException

from frostline_cloud.api import Caller, Role, Services
from frostline_cloud.api.series import PointOut, SeriesOut
from frostline_cloud.console.device.past import Past, Pasts, Range, Wanted
from frostline_cloud.console.device.picture import facts, gaps, picture
from frostline_cloud.console.front.values import with_gaps
from frostline_cloud.console.holes import Gap
from frostline_cloud.console.limits import Limit, in_force_on
from frostline_cloud.sql.registry import KnownDevice
from frostline_core.reading import DataType, DeviceDescription, MetricDescription
from frostline_core.rules import RuleSet, parse
from tests.support.web import HOUR_MS, MINUTE_MS, NOW_MS, Cloud, seed

CHILLER = ("berlin", "gw-1", "chiller-1")
SOMEBODY = Caller("anna", Role.VIEWER)


@pytest.fixture(scope="module")
def cloud() -> Cloud:
    """The time, which tests move forward only."""
    return Cloud()


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory, cloud: Cloud) -> Iterator[Services]:
    """A seeded cold store that is only read: chiller-1 has six hours with a hole of 80 minutes."""
    folder: Path = tmp_path_factory.mktemp("device")
    made = cloud.services(folder)
    seed(made.engine, made.store)
    yield made
    made.store.close()
    made.engine.dispose()


def wanted(**changed: object) -> Wanted:
    return replace(Wanted(CHILLER, "air_temperature", Range.DAY, with_buffer=True), **changed)  # type: ignore[arg-type]  # a test's own fields


def past(services: Services, **changed: object) -> Past:
    return Pasts().of(wanted(**changed))(services, SOMEBODY)


def test_measured_and_buffered_stand_in_one_chart(services: Services) -> None:
    made = picture(past(services))
    assert {"measured", "virtual buffer"} <= {each["name"] for each in made["series"]}
    assert made["series"][0]["name"] == "measured", "raw comes first and is never left out"
    assert made["legend"]["data"] == ["measured", "virtual buffer"]


def test_without_the_buffer_only_what_was_measured_is_read(services: Services) -> None:
    found = past(services, with_buffer=False)
    assert found.buffered == ()
    assert "legend" not in picture(found)


def test_the_buffer_has_no_value_until_it_is_settled_after_a_hole(services: Services) -> None:
    found = past(services)
    hole_end_ms = NOW_MS - 120 * MINUTE_MS
    after = [at_ms for at_ms, value in found.buffered if value is not None and at_ms > hole_end_ms]
    assert min(after) >= hole_end_ms + 85 * MINUTE_MS


def test_a_hole_is_shaded_and_breaks_both_lines(services: Services) -> None:
    found = past(services)
    (_before, hole) = gaps(found)
    assert hole.to_ms - hole.from_ms > 60 * MINUTE_MS
    assert [value for at_ms, value in found.points if hole.from_ms <= at_ms < hole.to_ms] in ([], [None])
    assert all(value is None for at_ms, value in found.buffered if hole.from_ms < at_ms < hole.to_ms)
    shaded = picture(found)["series"][0]["markArea"]["data"]
    assert [each[0]["name"] for each in shaded] == ["no data", "no data"]


def test_the_picture_leaves_out_only_the_time_before_the_first_sample(services: Services) -> None:
    found = past(services)
    axis = picture(found)["xAxis"]
    assert found.series.from_ms < axis["min"] < found.series.points[0].at_ms
    assert axis["max"] == found.series.to_ms


def test_a_range_is_said_in_numbers_with_its_unit(services: Services) -> None:
    said = dict(facts(past(services)))
    assert said["Lowest"].endswith("°C")
    assert int(said["Samples"]) == 281
    assert "Virtual buffer, newest" in said


def test_nothing_in_a_range_is_no_number_and_one_hole() -> None:
    series = SeriesOut(
        site="a", node="b", device="c", metric="m", unit="Cel", from_ms=0, to_ms=HOUR_MS, bucket_ms=10_000, points=[]
    )
    empty = Past(HOUR_MS, series, ())
    assert facts(empty) == []
    assert [(each.from_ms, each.to_ms) for each in gaps(empty)] == [(0, HOUR_MS)]
    assert picture(empty)["series"][0]["data"] == []


def test_a_switch_is_drawn_in_steps() -> None:
    points = [PointOut(at_ms=each * MINUTE_MS, mean=each % 2, low=0, high=1, count=1) for each in range(5)]
    series = SeriesOut(
        site="a", node="b", device="c", metric="door_open", unit="", from_ms=0, to_ms=HOUR_MS, bucket_ms=60_000,
        points=points,
    )  # fmt: skip
    made = picture(Past(HOUR_MS, series, tuple((each.at_ms, each.mean) for each in points)))
    assert made["series"][0]["step"] == "end"


def test_a_metric_that_does_not_exist_is_said_so(services: Services) -> None:
    with pytest.raises(HTTPException, match="404"):
        past(services, metric="nothing")


def series_of(*minutes: int, to_ms: int = HOUR_MS) -> SeriesOut:
    points = [PointOut(at_ms=each * MINUTE_MS, mean=4.0, low=4.0, high=4.0, count=1) for each in minutes]
    named = {"site": "s", "node": "n", "device": "d", "metric": "air_temperature", "unit": "Cel"}
    return SeriesOut(from_ms=0, to_ms=to_ms, bucket_ms=MINUTE_MS, points=points, **named)


def test_a_loss_without_a_count_between_two_samples_breaks_the_line() -> None:
    lost = Gap(3 * MINUTE_MS, 4 * MINUTE_MS)
    series = series_of(1, 2, 5, 6, to_ms=7 * MINUTE_MS)
    points = with_gaps(series.points, 10 * MINUTE_MS, (lost,))
    assert [at_ms // MINUTE_MS for at_ms, mean in points if mean is None] == [3]
    assert gaps(Past(HOUR_MS, series, points, blind=(lost,))) == (Gap(3 * MINUTE_MS, 5 * MINUTE_MS),)


def test_a_loss_of_which_samples_came_after_all_breaks_the_line_at_its_end_at_most() -> None:
    lost = Gap(2 * MINUTE_MS - 1, 5 * MINUTE_MS - 1)
    points = with_gaps(series_of(1, 2, 3, 4, 5, 6).points, 10 * MINUTE_MS, (lost,))
    assert [at_ms for at_ms, mean in points if mean is None] == [4 * MINUTE_MS]


def test_nothing_is_known_of_a_device_since_it_is_offline(services: Services) -> None:
    found = past(services, device=("truck-7", "gw-1", "box"), range=Range.HOUR, with_buffer=False)
    offline_ms = found.series.to_ms - 20 * MINUTE_MS
    newest_ms = found.series.points[-1].at_ms
    assert gaps(found)[-1] == Gap(max(offline_ms, newest_ms), found.series.to_ms)


def test_a_switch_is_not_drawn_on_while_its_device_is_offline() -> None:
    points = [PointOut(at_ms=each * MINUTE_MS, mean=each % 2, low=0, high=1, count=1) for each in range(5)]
    series = series_of().model_copy(update={"points": points, "metric": "door_open", "unit": ""})
    offline = Gap(5 * MINUTE_MS, HOUR_MS)
    made = picture(Past(HOUR_MS, series, with_gaps(points, 10 * MINUTE_MS, (offline,)), blind=(offline,)))
    assert made["series"][0]["data"][-1] == [5 * MINUTE_MS, 0]


def test_pages_share_what_was_read_until_its_range_has_moved_on(services: Services, cloud: Cloud) -> None:
    pasts = Pasts()
    first = pasts.of(wanted())(services, SOMEBODY)
    cloud.now_ms += 100_000
    assert pasts.of(wanted())(services, SOMEBODY) is first
    cloud.now_ms += 24 * HOUR_MS // 300
    assert pasts.of(wanted())(services, SOMEBODY) is not first


def known() -> KnownDevice:
    metric = MetricDescription("air_temperature", DataType.FLOAT, "Cel")
    described = DeviceDescription("room", "cold_room", "a", (metric,), {})
    return KnownDevice("site", "gw", described, True, True, NOW_MS, None)


def rule(rule_id: str, metric: str = "air_temperature", **keys: object) -> dict[str, object]:
    select = {"kind": "cold_room", "metric": metric}
    return {"id": rule_id, "title": rule_id, "type": "threshold", "select": select} | keys


def test_limits_in_force_say_whose_they_are_and_which_are_of_the_buffer() -> None:
    rules = [
        rule("air", above=8.0, hard_limit={"above": 15.0}),
        rule("goods", "air_temperature_buffered", above=7.0),
        rule("glycol", type="buffered", tau="30m", below=1.0),
        rule("other", "humidity", above=90.0),
        rule("trend", type="rate", above=3.0, per="hour"),
    ]
    found = in_force_on(known(), "air_temperature", RuleSet.of([parse(each, "test") for each in rules]))
    assert [(each.value, each.is_of_buffer) for each in found] == [
        (1.0, True),
        (7.0, True),
        (8.0, False),
        (15.0, False),
    ]
    assert found[2] == Limit(8.0, "air: above 8 °C")
