"""What every store must do, on every store: embedded, InfluxDB 1, InfluxDB 2's interface, VictoriaMetrics."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from frostline_cloud.store import Bucket, Latest, Place, RejectedError, Row, Store, StoreConfig, open_store
from frostline_core.errors import UnavailableError
from tests.support.influx_front import TOKEN, InfluxFront
from tests.support.services import Influxd, VictoriaMetrics, eventually, free_port
from tests.support.sockets import descriptors, left_open

T = 1_700_000_000_000
MINUTE = 60_000
_numbers = itertools.count()

HORRORS = [
    "a b",
    "a,b",
    "a=b",
    'say "hi"',
    "it's",
    "back\\slash",
    "ends with \\",
    "\\",
    "comma, space = equals",
    "Kühlraum 7, 冷蔵 ❄",
    "100%25",
    "#hash",
    "$site",
    "line\nfeed",
    "DROP SERIES",
    "' OR 1=1 --",
    '" OR 1=1 --',
]


@dataclass(frozen=True, slots=True)
class Kind:
    """A store under test.

    Attributes:
        settle: Makes what was written visible to reads.
        texts: Whether it keeps text.
        types: Whether it refuses a number where it has text.
    """

    name: str
    open: Callable[[], Store]
    settle: Callable[[], None] = lambda: None
    texts: bool = True
    types: bool = False


@pytest.fixture(params=["embedded", "influxdb1", "influxdb2", "victoriametrics"])
def kind(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kind]:
    """Each store, empty (or, where one server serves all tests, with names of its own)."""
    name = request.param
    with ExitStack() as stack:
        if name == "embedded":
            config = StoreConfig(kind="embedded", path=tmp_path / "store.duckdb")
            yield Kind(name, lambda: open_store(config))
        elif name == "victoriametrics":
            victoria: VictoriaMetrics = request.getfixturevalue("victoria_metrics")
            config = StoreConfig(kind="victoriametrics", url=victoria.url)
            yield Kind(name, lambda: open_store(config), victoria.flush, texts=False)
        else:
            influxd: Influxd = request.getfixturevalue("influxd")
            database = f"contract {next(_numbers)}"
            influxd.create_database(database)
            if name == "influxdb2":
                monkeypatch.setenv("FRONT_TOKEN", TOKEN)
                front = stack.enter_context(InfluxFront(influxd.url))
                token = SecretStr("${env:FRONT_TOKEN}")
                config = StoreConfig(kind="influxdb2", url=front.url, database=database, org="o", token=token)
            else:
                config = StoreConfig(kind="influxdb1", url=influxd.url, database=database)
            yield Kind(name, lambda: open_store(config), types=True)


@pytest.fixture
def store(kind: Kind) -> Iterator[Store]:
    opened = kind.open()
    yield opened
    opened.close()


@pytest.fixture
def place() -> Place:
    """A device that no other test writes."""
    return Place("cold_room", "site", "node", f"room-{next(_numbers)}", "freezer")


def _rows(place: Place, values: dict[int, float], field: str = "air_temperature") -> list[Row]:
    return [Row(place, T + offset_ms, [(field, value)]) for offset_ms, value in values.items()]


def test_what_was_written_is_read_back(kind: Kind, store: Store, place: Place) -> None:
    store.write(_rows(place, {0: -18.5, 1: 3.0, 2: 21.125}))
    kind.settle()
    assert store.series(place, "air_temperature", T, T + 3, 1) == [
        Bucket(T, -18.5, -18.5, -18.5, 1),
        Bucket(T + 1, 3.0, 3.0, 3.0, 1),
        Bucket(T + 2, 21.125, 21.125, 21.125, 1),
    ]


def test_numbers_keep_every_bit(kind: Kind, store: Store, place: Place) -> None:
    if kind.name == "victoriametrics":
        pytest.skip("keeps decimals of about 15 digits")
    values = [0.1 + 0.2, 1e300, -5e-324, 2.0**53 - 1]
    store.write([Row(place, T, [(f"f{i}", value) for i, value in enumerate(values)])])
    kind.settle()
    assert [latest.value for latest in store.latest(place)] == values


def test_buckets_have_mean_extremes_and_count_and_gaps_are_left_out(kind: Kind, store: Store, place: Place) -> None:
    store.write(_rows(place, {0: 1.0, 20_000: 2.0, 40_000: 6.0, 3 * MINUTE: -4.0}))
    kind.settle()
    start = T // MINUTE * MINUTE
    assert T - start == 20_000, "so that samples 0 and 20 s share a bucket, and 40 s begins the next"
    assert store.series(place, "air_temperature", start, start + 10 * MINUTE, MINUTE) == [
        Bucket(start, 1.5, 1.0, 2.0, 2),
        Bucket(start + MINUTE, 6.0, 6.0, 6.0, 1),
        Bucket(start + 3 * MINUTE, -4.0, -4.0, -4.0, 1),
    ]


def test_a_span_includes_its_start_and_not_its_end(kind: Kind, store: Store, place: Place) -> None:
    store.write(_rows(place, {-1: 1.0, 0: 2.0, 5000: 3.0, 2 * MINUTE: 4.0, 2 * MINUTE + 1: 5.0}))
    kind.settle()
    found = store.series(place, "air_temperature", T, T + 2 * MINUTE + 1, MINUTE)
    start = T // MINUTE * MINUTE
    assert found == [Bucket(start, 2.5, 2.0, 3.0, 2), Bucket(start + 2 * MINUTE, 4.0, 4.0, 4.0, 1)]
    assert store.series(place, "air_temperature", T, T + 1, MINUTE) == [Bucket(start, 2.0, 2.0, 2.0, 1)]
    assert store.series(place, "air_temperature", T + 1, T + 5000, MINUTE) == []


def test_samples_come_as_they_were_measured_and_in_order(kind: Kind, store: Store, place: Place) -> None:
    store.write(_rows(place, {5000: 3.25, 0: 1.5, 1: -2.0}))
    kind.settle()
    assert list(store.samples(place, "air_temperature", T, T + 5001)) == [(T, 1.5), (T + 1, -2.0), (T + 5000, 3.25)]
    assert list(store.samples(place, "air_temperature", T + 1, T + 5000)) == [(T + 1, -2.0)]


def test_samples_go_on_after_days_without_any(kind: Kind, store: Store, place: Place) -> None:
    day = 24 * 60 * MINUTE
    written = {0: 1.0, day - 1: 2.0, day: 3.0, 40 * day: 4.0, 40 * day + 1: 5.0}
    store.write(_rows(place, written))
    kind.settle()
    found = store.samples(place, "air_temperature", T - 300 * day, T + 300 * day)
    assert list(found) == [(T + offset, value) for offset, value in written.items()]


def test_an_instant_that_was_written_again_is_one_sample(kind: Kind, store: Store, place: Place) -> None:
    store.write(_rows(place, {0: 1.0, 1000: 2.0}))
    store.write(_rows(place, {1000: 3.0}))
    kind.settle()
    first, again = store.samples(place, "air_temperature", T, T + MINUTE)
    assert (first, again[0]) == ((T, 1.0), T + 1000)
    assert again[1] in ((2.0, 3.0) if kind.name == "victoriametrics" else (3.0,))  # it does not say which it keeps


def test_the_samples_of_a_device_that_moved_are_one_series(kind: Kind, store: Store, place: Place) -> None:
    moved = replace(place, zone="dock")
    store.write(_rows(place, {0: 1.0, 2000: 3.0}) + _rows(moved, {1000: 2.0, 3000: 4.0}))
    kind.settle()
    found = store.samples(place, "air_temperature", T, T + MINUTE)
    assert list(found) == [(T, 1.0), (T + 1000, 2.0), (T + 2000, 3.0), (T + 3000, 4.0)]


def test_more_samples_than_one_answer_holds_are_all_read(kind: Kind, store: Store, place: Place) -> None:
    count = 20_000
    store.write(_rows(place, {i * 7: float(i) for i in range(count)}))
    kind.settle()
    found = list(store.samples(place, "air_temperature", T, T + count * 7))
    assert found == [(T + i * 7, float(i)) for i in range(count)]


def test_what_was_never_written_has_no_samples(kind: Kind, store: Store, place: Place) -> None:
    assert list(store.samples(place, "air_temperature", T, T + MINUTE)) == []
    store.write([Row(place, T, [("state_text", "on"), ("air_temperature", 1.0)])])
    kind.settle()
    assert list(store.samples(place, "state_text", T, T + MINUTE)) == []
    assert list(store.samples(place, "nothing", T, T + MINUTE)) == []


def test_writing_again_changes_nothing(kind: Kind, store: Store, place: Place) -> None:
    rows = _rows(place, {i * 1000: float(i) for i in range(30)})
    for _ in range(3):
        store.write(rows)
    kind.settle()
    (bucket,) = store.series(place, "air_temperature", T, T + MINUTE, 3 * MINUTE)
    assert bucket.count == 30
    assert bucket.mean == 14.5


def test_a_wide_row_keeps_every_field(kind: Kind, store: Store, place: Place) -> None:
    fields = [(f"metric_{i:03d}", float(i)) for i in range(250)]
    store.write([Row(place, T, [*fields])])
    kind.settle()
    assert store.latest(place) == [Latest(name, value, T) for name, value in fields]


def test_fields_of_one_instant_come_together_from_several_writes(kind: Kind, store: Store, place: Place) -> None:
    store.write([Row(place, T, [("a", 1.0)])])
    store.write([Row(place, T, [("b", 2.0)])])
    kind.settle()
    assert store.latest(place) == [Latest("a", 1.0, T), Latest("b", 2.0, T)]


def test_latest_is_the_newest_of_each_field_whatever_came_last(kind: Kind, store: Store, place: Place) -> None:
    store.write([Row(place, T, [("rare", 7.0), ("air_temperature", 1.0)])])
    store.write(_rows(place, {i * 1000: float(i) for i in range(1, 300)}))
    store.write(_rows(place, {-5000: 99.0}))  # a backlog arrives late
    kind.settle()
    assert store.latest(place) == [Latest("air_temperature", 299.0, T + 299_000), Latest("rare", 7.0, T)]


def test_an_unknown_device_or_field_has_no_data(kind: Kind, store: Store, place: Place) -> None:
    assert store.series(place, "air_temperature", T, T + MINUTE, 1000) == []
    assert store.latest(place) == []
    store.write(_rows(place, {0: 1.0}))
    kind.settle()
    assert store.series(place, "unheard_of", T, T + MINUTE, 1000) == []


def test_devices_do_not_mix(kind: Kind, store: Store, place: Place) -> None:
    others = [
        Place(place.measurement, "other", place.node, place.device, place.zone),
        Place(place.measurement, place.site, "other", place.device, place.zone),
        Place(place.measurement, place.site, place.node, place.device + "x", place.zone),
        Place("ambient", place.site, place.node, place.device, place.zone),
    ]
    store.write([Row(each, T, [("air_temperature", float(i))]) for i, each in enumerate([place, *others])])
    kind.settle()
    for i, each in enumerate([place, *others]):
        assert [b.mean for b in store.series(each, "air_temperature", T, T + 1, 1)] == [float(i)]


def test_a_device_that_moved_keeps_its_history(kind: Kind, store: Store, place: Place) -> None:
    moved = Place(place.measurement, place.site, place.node, place.device, "dock")
    without = Place(place.measurement, place.site, place.node, place.device)
    store.write([*_rows(place, {0: 1.0}), *_rows(moved, {1000: 2.0}), *_rows(without, {2000: 6.0})])
    kind.settle()
    for each in (place, moved, without):
        (bucket,) = store.series(each, "air_temperature", T, T + 3000, MINUTE)
        assert (bucket.mean, bucket.low, bucket.high, bucket.count) == (3.0, 1.0, 6.0, 3)
        assert store.latest(each) == [Latest("air_temperature", 6.0, T + 2000)]


def test_names_with_every_special_character_are_kept_apart(kind: Kind, store: Store) -> None:
    unique = next(_numbers)
    places = [Place("cold_room", f"{h}{unique}", h, h, h) for h in HORRORS]
    store.write([Row(each, T, [("air_temperature", float(i))]) for i, each in enumerate(places)])
    kind.settle()
    for i, each in enumerate(places):
        assert store.latest(each) == [Latest("air_temperature", float(i), T)], each


def test_measurements_and_fields_with_every_special_character_are_kept_apart(kind: Kind, store: Store) -> None:
    places = [Place(f"{h}{next(_numbers)}", "site", "node", "device") for h in HORRORS]
    fields = [*HORRORS, "time", "site", "node", "device", "zone", "name", "_field"]
    store.write([Row(each, T, [(f, float(i)) for i, f in enumerate(fields)]) for each in places])
    kind.settle()
    for each in places:
        assert sorted(store.latest(each), key=lambda one: one.value) == [
            Latest(f, float(i), T) for i, f in enumerate(fields)
        ], each
        assert [b.mean for b in store.series(each, "time", T, T + 1, 1)] == [float(fields.index("time"))]


def test_text_is_kept_to_the_letter(kind: Kind, store: Store, place: Place) -> None:
    if not kind.texts:
        pytest.skip("keeps numbers only")
    texts: list[tuple[str, float | str]] = [
        (f"t{i:02d}_text", text) for i, text in enumerate([*HORRORS, "", "x" * 20000])
    ]
    store.write([Row(place, T, [("air_temperature", 1.0), *texts])])
    kind.settle()
    assert store.latest(place) == [Latest("air_temperature", 1.0, T)] + [Latest(n, v, T) for n, v in texts]
    assert store.series(place, "t00_text", T, T + 1, 1) == []


def test_text_is_left_out_where_only_numbers_are_kept(kind: Kind, store: Store, place: Place) -> None:
    if kind.texts:
        pytest.skip("keeps text")
    store.write([Row(place, T, [("a", 1.0), ("a_text", "one")]), Row(place, T + 1, [("a_text", "only")])])
    kind.settle()
    assert store.latest(place) == [Latest("a", 1.0, T)]


def test_rows_that_no_store_keeps_are_named_and_the_others_are_stored(kind: Kind, store: Store, place: Place) -> None:
    rows = _rows(place, {i: float(i) for i in range(10)})
    rows[3].fields[0] = ("air_temperature", float("nan"))
    rows[7].fields.append(("other", float("inf")))
    with pytest.raises(RejectedError) as caught:
        store.write(rows)
    assert [index for index, _ in caught.value.rows] == [3, 7]
    assert "nan" in caught.value.rows[0][1]
    kind.settle()
    assert [b.at_ms - T for b in store.series(place, "air_temperature", T, T + 10, 1)] == [0, 1, 2, 4, 5, 6, 8, 9]


def test_a_type_conflict_is_named_and_the_others_are_stored(kind: Kind, store: Store, place: Place) -> None:
    if not kind.types:
        pytest.skip("has no field types")
    store.write(_rows(place, {0: 1.0}))
    rows = _rows(place, {i: float(i) for i in range(1, 100)})
    for wrong in (4, 5, 77):
        rows[wrong].fields[0] = ("air_temperature", "warm")
    with pytest.raises(RejectedError) as caught:
        store.write(rows)
    assert [index for index, _ in caught.value.rows] == [4, 5, 77]
    assert "conflict" in caught.value.rows[0][1]
    kind.settle()
    (bucket,) = store.series(place, "air_temperature", T, T + 1000, MINUTE)
    assert bucket.count == 97


def test_a_closed_store_leaves_no_connection_open(kind: Kind, place: Place) -> None:
    def used() -> None:
        store = kind.open()
        store.write(_rows(place, {0: 1.0}))
        store.generation()
        store.latest(place)
        store.close()

    used()  # what stands between us and a server has a connection of its own from now on
    before = descriptors()
    used()
    eventually(lambda: not left_open(before))


def test_nothing_to_write_is_fine(store: Store) -> None:
    store.write([])


def test_generation_is_the_highest_mark_and_survives_reopening(kind: Kind, place: Place) -> None:
    store = kind.open()
    before = store.generation()
    if kind.name != "victoriametrics":  # where all tests share one server
        assert before == 0
    store.mark_generation(before + 5)
    store.mark_generation(before + 3)
    assert store.generation() == before + 5
    store.close()
    kind.settle()

    def reopened() -> int:
        again = kind.open()
        try:
            return again.generation()
        finally:
            again.close()

    eventually(lambda: reopened() == before + 5)  # a new series may take VictoriaMetrics a second


def test_data_survives_reopening(kind: Kind, place: Place) -> None:
    store = kind.open()
    store.write(_rows(place, {0: 1.0, 1000: 2.0}))
    store.close()
    kind.settle()
    again = kind.open()
    assert [b.mean for b in again.series(place, "air_temperature", T, T + 2000, 1000)] == [1.0, 2.0]
    assert again.latest(place) == [Latest("air_temperature", 2.0, T + 1000)]
    again.write(_rows(place, {0: 1.5}))
    kind.settle()
    if kind.name != "victoriametrics":  # of two values for one instant it keeps the larger
        assert again.series(place, "air_temperature", T, T + 1, 1)[0].mean == 1.5
    again.close()


def test_check_passes_while_the_store_takes_writes(store: Store) -> None:
    store.check()
    store.check()


@pytest.mark.parametrize("name", ["influxdb1", "influxdb2", "victoriametrics"])
def test_a_store_that_does_not_answer_is_unavailable(name: str, place: Place) -> None:
    config = StoreConfig.model_validate({"kind": name, "url": f"http://127.0.0.1:{free_port()}", "timeout_s": 1})
    store = open_store(config)
    calls: list[Callable[[], object]] = [
        lambda: store.write(_rows(place, {0: 1.0})),
        lambda: store.series(place, "x", T, T + 1, 1),
        lambda: store.latest(place),
        store.generation,
        lambda: store.mark_generation(1),
        store.check,
    ]
    for call in calls:
        with pytest.raises(UnavailableError):
            call()
    store.close()
