"""Event times in SQL: a row for each flush says what a row for each device would say, over restarts too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, func, select, update

from frostline_cloud.ingest.clocks import Clocks, Group, fold, pack, read, unpack
from frostline_cloud.ingest.registry import Registry
from frostline_cloud.ingest.series import DeviceKey, SeriesTable, Stamp, metric_hash, read_clock
from frostline_cloud.sql import migrate, open_engine
from frostline_cloud.sql.tables import series_clock
from frostline_core.reading import DataType, DeviceDescription, MetricDescription
from frostline_core.rules import NEVER, Evaluator
from frostline_core.sparkplug import HostSession, NodeView

MOST = 12
NAMES = ("a", "b", "c")
KEYS = [DeviceKey("s", "n", name) for name in ("d", "e")]


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = open_engine("sqlite://")
    migrate(engine)
    yield engine
    engine.dispose()


class Ingest:
    """Series of two devices, and what writes their times."""

    def __init__(self, most_bytes: int = 10**6) -> None:
        self.evaluator = Evaluator([])
        self.series = SeriesTable(self.evaluator)
        metrics = tuple(MetricDescription(name, DataType.DOUBLE) for name in NAMES)
        for key in KEYS:
            self.series.bind(NodeView("s", "n"), DeviceDescription(key.device, "room", "", metrics), {}, {})
        self.clocks = Clocks(self.series, MOST, most_bytes)

    def flush(self, connection: Connection, number: int, moves: dict[int, int]) -> None:
        """The slots get these times, if they are newer."""
        for slot, at_ms in moves.items():
            self.evaluator.last_ms[slot] = max(at_ms, self.evaluator.last_ms[slot])
        self.clocks.save(connection, number, {self.series.stamp(slot): at_ms for slot, at_ms in moves.items()})

    def truth(self) -> dict[tuple[str, str], int]:
        times = self.evaluator.last_ms
        found = {(key.device, name): times[3 * i + j] for i, key in enumerate(KEYS) for j, name in enumerate(NAMES)}
        return {place: at_ms for place, at_ms in found.items() if at_ms != NEVER}


def told(times: dict[DeviceKey, bytes]) -> dict[tuple[str, str], int]:
    names = {metric_hash(name): name for name in NAMES}
    found = {(key.device, names[h]): at for key, raw in times.items() for h, at in read_clock(raw).items()}
    return {place: at_ms for place, at_ms in found.items() if at_ms != NEVER}


def rows(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(series_clock)) or 0


MOVES = st.dictionaries(st.integers(0, 5), st.integers(0, 10_000), max_size=6)


@settings(deadline=None)
@given(st.lists(st.tuples(MOVES, st.sampled_from(["", "", "folded", "restarted"])), max_size=12))
def test_whatever_is_folded_when_the_newest_time_of_each_series_is_in_sql(
    flushes: list[tuple[dict[int, int], str]],
) -> None:
    engine, ingest = open_engine("sqlite://"), Ingest()
    series_clock.create(engine)
    with engine.begin() as connection:
        for number, (moves, then) in enumerate(flushes):
            ingest.flush(connection, number, moves)
            ingest.clocks.settled()
            if then:
                assert told(fold(connection)) == ingest.truth()
                ingest.clocks.restart()
                assert rows(connection) <= len(KEYS)
            if then == "restarted":
                times = list(ingest.evaluator.last_ms)
                ingest = Ingest()
                ingest.evaluator.last_ms[:] = times
            assert told(read(connection)) == ingest.truth()
    engine.dispose()


def test_rows_of_flushes_become_rows_of_devices_and_go(engine: Engine) -> None:
    ingest = Ingest()
    with engine.begin() as connection:
        for number in range(MOST - 1):
            ingest.flush(connection, number, {number % 6: 1_000 + number})
            ingest.clocks.settled()
        assert rows(connection) == MOST - 1
        ingest.flush(connection, MOST, {0: 9_000})
        assert rows(connection) == len(KEYS)
        assert told(read(connection)) == ingest.truth()


def test_a_flush_that_fails_while_rows_are_folded_loses_none(engine: Engine) -> None:
    ingest = Ingest()
    with engine.begin() as connection:
        for number in range(MOST - 1):
            ingest.flush(connection, number, {number % 6: 1_000 + number})
            ingest.clocks.settled()
    with engine.connect() as connection:
        ingest.flush(connection, MOST, {0: 9_000})
        connection.rollback()
    with engine.begin() as connection:
        assert rows(connection) == MOST - 1
        ingest.flush(connection, MOST, {0: 9_000})
        assert rows(connection) == len(KEYS)
        assert told(read(connection)) == ingest.truth()


def test_rows_are_folded_by_bytes_too(engine: Engine) -> None:
    stamp = Ingest().series.stamp(0)
    named, numbered = len(pack({stamp: 1}, {}, [stamp])), len(pack({stamp: 1}, {stamp: 0}, []))
    ingest = Ingest(most_bytes=named + 2 * numbered)
    with engine.begin() as connection:
        for number in range(3):
            assert rows(connection) == number
            ingest.flush(connection, number, {0: number})
            ingest.clocks.settled()
        assert rows(connection) == 1
        assert told(read(connection)) == ingest.truth()


def test_a_group_is_named_once_and_numbered_from_then_on(engine: Engine) -> None:
    ingest = Ingest()
    with engine.begin() as connection:
        for number in range(3):
            ingest.flush(connection, number, {0: number})
            ingest.clocks.settled()
        first, *later = connection.scalars(select(func.length(series_clock.c.clock)).order_by(series_clock.c.device))
    assert later == [24, 24]
    assert first > 24


def test_what_a_flush_named_in_vain_the_next_one_names_again(engine: Engine) -> None:
    ingest = Ingest()
    with engine.begin() as connection:
        ingest.flush(connection, 1, {0: 1})
        ingest.clocks.settled()
    with engine.connect() as connection:
        ingest.flush(connection, 2, {0: 2, 4: 2})
        connection.rollback()
    with engine.begin() as connection:
        ingest.flush(connection, 2, {4: 3, 0: 3})
        ingest.clocks.settled()
        assert told(read(connection)) == ingest.truth() | {("d", "a"): 3, ("e", "b"): 3}


def test_a_flush_that_was_durable_without_our_knowledge_is_built_on_by_none(engine: Engine) -> None:
    ingest = Ingest()
    with engine.begin() as connection:
        ingest.flush(connection, 1, {0: 1})  # never settled: the answer was lost
    with engine.begin() as connection:
        ingest.flush(connection, 2, {5: 2})
        ingest.clocks.settled()
        ingest.flush(connection, 3, {0: 3, 5: 3})
        assert told(read(connection)) == ingest.truth()


def test_after_another_process_has_folded_rows_ours_name_their_groups_again(engine: Engine) -> None:
    ingest = Ingest()
    with engine.begin() as connection:
        ingest.flush(connection, 1, {0: 1})
        ingest.clocks.settled()
        fold(connection)
        ingest.clocks.restart()
        ingest.flush(connection, 2, {0: 2})
        assert told(read(connection)) == ingest.truth()


def test_a_process_that_starts_beside_one_that_writes_takes_nothing_that_it_builds_on(engine: Engine) -> None:
    ingest = Ingest()
    with engine.begin() as connection:
        ingest.flush(connection, 1, {0: 1, 4: 1})
        ingest.clocks.settled()
    Registry(engine, SeriesTable(Evaluator([]))).restore(HostSession("frostline"), 0)
    with engine.begin() as connection:
        ingest.flush(connection, 2, {0: 2})
        assert told(read(connection)) == ingest.truth()


def test_a_process_begins_with_rows_of_devices_in_its_first_flush(engine: Engine) -> None:
    before, ingest = Ingest(), Ingest()
    with engine.begin() as connection:
        before.flush(connection, 1, {0: 1, 4: 1})
        before.clocks.settled()
    with engine.connect() as connection:
        ingest.flush(connection, 2, {0: 2})
        connection.rollback()
    with engine.begin() as connection:
        ingest.flush(connection, 2, {0: 2})
        ingest.clocks.settled()
        assert rows(connection) == len(KEYS) + 1
        ingest.flush(connection, 3, {1: 3})
        ingest.clocks.settled()
        assert rows(connection) == len(KEYS) + 2
        assert told(read(connection)) == {("d", "a"): 2, ("e", "b"): 1, ("d", "b"): 3}


@pytest.mark.parametrize("damage", [b"", b"x" * 7, b"\xff" * 40])
def test_a_flush_that_cannot_be_read_is_passed_over_and_said(
    engine: Engine, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    ingest = Ingest()
    with engine.begin() as connection:
        for number in (1, 2, 3):
            ingest.flush(connection, number, {0: number})
            ingest.clocks.settled()
        connection.execute(update(series_clock).where(series_clock.c.device.endswith("2")).values(clock=damage))
        assert told(fold(connection)) == {("d", "a"): 3}
        assert rows(connection) == 1
    assert "event times of flush 2 are lost" in caplog.text


def test_a_row_whose_predecessor_is_missing_is_refused(engine: Engine) -> None:
    stamp = Ingest().series.stamp(0)
    with pytest.raises(ValueError, match="builds on 1 groups, but rows before it name 0"):
        list(unpack(pack({stamp: 1}, {stamp: 0}, []), []))


@given(st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 10_000)), max_size=6), max_size=5))
def test_what_flushes_have_moved_comes_back_as_it_went(flushes: list[list[tuple[int, int]]]) -> None:
    stamps = [Stamp.of(DeviceKey("ä. -"[: 1 + i % 3], f"{i}", ""), [f"m{n}" for n in range(i)]) for i in range(10)]
    numbers: dict[Stamp, int] = {}
    groups: list[Group] = []
    for moves in flushes:
        times = {stamps[i]: at_ms for i, at_ms in moves}
        named = [stamp for stamp in times if stamp not in numbers]
        wanted = [
            ((stamp.key, tuple(metric_hash(f"m{n}") for n in range(stamps.index(stamp)))), at_ms)
            for stamp, at_ms in times.items()
        ]
        assert list(unpack(pack(times, numbers, named), groups)) == wanted
        for stamp in named:
            numbers[stamp] = len(numbers)
