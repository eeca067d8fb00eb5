"""What goes first when the disk is short, and that every loss is a gap row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from frostline_core.commit import Row
from frostline_core.reading import DataType, Stream
from frostline_core.sparkplug import Payload, decode
from frostline_core.sparkplug.codec import encode
from frostline_core.sparkplug.payload import Metric
from frostline_gateway.spool import Spool, gaps
from frostline_gateway.spool.budget import FRESH_MS, OVER_BUDGET, RAW, THINNED
from frostline_gateway.spool.rows import ROW_COST, AccountDelta, Lost, NewRow
from frostline_gateway.spool.thin import MINUTE_MS, TEN_MINUTES_MS, Candidate, survivors
from tests.unit.gateway.spool_clock import Clock

T0 = 1_700_000_400_000  # a multiple of ten minutes
HOUR = 3_600_000


def row(value: float, at_ms: int, device: str = "room", stream: Stream = Stream.SAMPLES) -> NewRow:
    payload = encode(Payload(at_ms, None, (Metric("temperature", None, at_ms, DataType.DOUBLE, value),)))
    return NewRow(stream, device, payload, 1, at_ms, at_ms)


WEIGHT = len(row(1.0, T0).payload) + ROW_COST


def held(spool: Spool, stream: Stream | None = None) -> list[Row]:
    rows: list[Row] = []
    for run in spool.runs():
        n = 1
        while (found := spool.next_row(run.run, n)) is not None:
            n = found.n + 1
            if stream in (None, run.stream):
                rows.append(found)
    return rows


def value(found: Row) -> float:
    number = decode(found.payload).metrics[0].value
    assert isinstance(number, float)
    return number


def append(spool: Spool, rows: Sequence[NewRow]) -> None:
    spool.append(rows, AccountDelta(read=len(rows), kept=len(rows)))


def balanced(spool: Spool) -> bool:
    account = spool.view().account
    return account.kept == account.committed + account.pending + sum(account.lost.values())


def test_raw_identifications_go_before_any_other_row(tmp_path: Path) -> None:
    with Spool.open(tmp_path / "spool.db", 8 * WEIGHT, Clock(T0)) as spool:
        append(spool, [row(i, T0 + i) for i in range(3)])
        append(spool, [replace(row(i, T0 + i), raw=True) for i in range(3)])
        append(spool, [row(i, T0 + i, stream=Stream.EVENTS) for i in range(4)])
        gaps = [each for each in held(spool) if each.gap]
        assert [(each.first, each.n, each.samples, each.reason) for each in gaps] == [(4, 6, 3, RAW)]
        assert [value(each) for each in held(spool, Stream.SAMPLES) if not each.gap] == [0, 1, 2]
        assert spool.view().account.lost == {RAW: 3}


def test_old_telemetry_is_thinned_before_any_of_it_is_dropped(tmp_path: Path) -> None:
    clock = Clock(T0)
    with Spool.open(tmp_path / "spool.db", 620 * WEIGHT, clock) as spool:
        for i in range(600):
            clock.now_ms = T0 + 10_000 * i
            append(spool, [row(float(i % 6), clock.now_ms)])
        clock.now_ms += FRESH_MS
        append(spool, [row(0.0, clock.now_ms)] * 30)
        lost = spool.view().account.lost
        assert list(lost) == [THINNED]
        whole_minutes = [i for i in range(600) if i % 6 in (0, 5)]
        kept = [each.first_ms for each in held(spool) if not each.gap][:200]
        assert kept == [T0 + 10_000 * i for i in whole_minutes][:200]


def test_the_last_hour_is_dropped_from_its_old_end_and_never_thinned(tmp_path: Path) -> None:
    clock = Clock(T0)
    with Spool.open(tmp_path / "spool.db", 100 * WEIGHT, clock) as spool:
        for i in range(300):
            clock.now_ms = T0 + 1_000 * i
            append(spool, [row(float(i), clock.now_ms)])
        assert list(spool.view().account.lost) == [OVER_BUDGET]
        (gap, *data) = held(spool)
        assert gap.gap
        assert [value(each) for each in data] == [float(i) for i in range(300 - len(data), 300)]


def test_rows_dropped_for_different_reasons_are_one_gap_that_tells_each(tmp_path: Path) -> None:
    with Spool.open(tmp_path / "spool.db", 6 * WEIGHT, Clock(T0)) as spool:
        append(spool, [row(i, T0 + i) for i in range(2)])
        append(spool, [replace(row(i, T0 + 10 + i), raw=True) for i in range(2)])
        append(spool, [row(i, T0 + 20 + i) for i in range(6)])
        (gap, *_) = held(spool)
        whole = Lost(gap.reason, gap.samples, gap.first_ms, gap.last_ms)
        lost = {part.reason: part for part in gaps.unpack(gap.payload, whole)}
        assert {reason: part.samples for reason, part in lost.items()} == spool.view().account.lost
        assert lost[RAW] == Lost(RAW, 2, T0 + 10, T0 + 11)
        assert lost[OVER_BUDGET].from_ms == T0


def test_an_event_outlives_every_sample(tmp_path: Path) -> None:
    clock = Clock(T0)
    with Spool.open(tmp_path / "spool.db", 60 * WEIGHT, clock) as spool:
        for i in range(50):
            clock.now_ms = T0 + 60_000 * i
            append(spool, [row(1.0, clock.now_ms, stream=Stream.EVENTS)])
            append(spool, [row(float(j), clock.now_ms + j) for j in range(20)])
        assert [each.gap for each in held(spool, Stream.EVENTS)] == [False] * 50


def test_what_is_thinned_keeps_the_instants_of_its_extremes() -> None:
    values = [3.0, -7.0, 5.0, 9.0, 9.0, 1.0]
    rows = [Candidate(i, "room", T0 + 10_000 * i, row(each, T0).payload) for i, each in enumerate(values)]
    assert survivors(rows, MINUTE_MS) in ({1, 3}, {1, 4})


def test_text_and_bad_samples_are_never_thinned() -> None:
    text = encode(Payload(T0, None, (Metric("note", None, T0, DataType.STRING, "defrost"),)))
    null = encode(Payload(T0, None, (Metric("temperature", None, T0, DataType.DOUBLE, None),)))
    rows = [Candidate(n, "room", T0, payload) for n, payload in enumerate([text, null, b"\xff\xff", text])]
    assert survivors(rows, MINUTE_MS) == {0, 1, 2, 3}


numbers = st.floats(-50, 50).map(lambda each: round(each, 1))
scans = st.lists(st.tuples(st.sampled_from(["a", "b"]), numbers, st.integers(0, 120_000)), min_size=1, max_size=80)


@settings(deadline=None)
@given(scans, st.sampled_from([MINUTE_MS, TEN_MINUTES_MS]))
def test_no_extreme_of_any_span_is_ever_thinned_away(scans: list[tuple[str, float, int]], span_ms: int) -> None:
    rows, at_ms = [], T0
    for n, (device, number, step_ms) in enumerate(scans):
        at_ms += step_ms
        rows.append((Candidate(n, device, at_ms, row(number, at_ms).payload), number))
    stay = survivors([each for each, _ in rows], span_ms)
    spans = {(each.device, each.first_ms // span_ms) for each, _ in rows}
    for span in spans:
        here = [(each.n, number) for each, number in rows if (each.device, each.first_ms // span_ms) == span]
        left = [number for n, number in here if n in stay]
        assert (min(left), max(left)) == (min(each for _, each in here), max(each for _, each in here))
        assert len(left) <= 2


steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 60), st.sampled_from(["telemetry", "raw", "event"])),
        st.tuples(st.just("wait"), st.integers(0, 2 * HOUR), st.just("")),
        st.tuples(st.just("commit"), st.integers(0, 40), st.just("")),
        st.tuples(st.just("cut"), st.just(0), st.just("")),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(steps, st.integers(10, 200), st.sampled_from([0, 10 * HOUR]))
def test_numbers_have_no_holes_and_the_account_balances_whatever_goes(
    steps: list[tuple[str, int, str]], budget_rows: int, keep_ms: int
) -> None:
    clock, count, gone = Clock(T0), 0, Counter[str]()
    with TemporaryDirectory() as folder:
        spool = Spool.open(Path(folder) / "spool.db", budget_rows * WEIGHT, clock, keep_ms)
        for what, amount, kind in steps:
            if what == "append":
                stream = Stream.EVENTS if kind == "event" else Stream.SAMPLES
                made = [row(float((count + i) % 7), clock.now_ms, f"d{i % 2}", stream) for i in range(amount)]
                append(spool, [replace(each, raw=kind == "raw") for each in made])
                count += amount
                clock.now_ms += 10_000
            elif what == "wait":
                clock.now_ms += amount
            elif what == "cut":
                spool.cut()
            elif spool.runs():
                run = spool.runs()[amount % len(spool.runs())]
                through = run.base + amount - 1
                gone += reasons(each for each in held(spool) if each.run == run.run and each.n <= through)
                spool.delete_through(run.run, through)
            assert_whole(spool, budget_rows * WEIGHT)
            assert reasons(held(spool)) + gone == spool.view().account.lost, "each drop keeps its reason"
        before = spool.runs(), spool.held_bytes, spool.view().account
        spool.close()
        spool = Spool.open(Path(folder) / "spool.db", budget_rows * WEIGHT, clock, keep_ms)
        kept = [run for run in before[0] if not run.empty]
        assert [(run.run, run.base, run.last) for run in spool.runs()] == [
            (run.run, run.base, run.last) for run in kept
        ]
        assert (spool.held_bytes, spool.view().account) == before[1:]
        spool.close()


def reasons(rows: Iterable[Row]) -> Counter[str]:
    """Samples that gap rows tell of, by reason."""
    found = Counter[str]()
    for each in rows:
        if each.gap:
            whole = Lost(each.reason, each.samples, each.first_ms, each.last_ms)
            parts = gaps.unpack(each.payload, whole)
            assert sum(part.samples or 0 for part in parts) == each.samples
            assert {(min(part.from_ms or 0 for part in parts), max(part.to_ms for part in parts))} == {
                (each.first_ms, each.last_ms)
            }
            found.update({part.reason: part.samples or 0 for part in parts})
    return found


def assert_whole(spool: Spool, budget_bytes: int) -> None:
    assert balanced(spool)
    rows, weight, lost = held(spool), 0, Counter[str]()
    for run in spool.runs():
        mine = [each for each in rows if each.run == run.run]
        assert [each.first for each in mine] == [run.base, *(each.n + 1 for each in mine)][: len(mine)]
        assert (mine[-1].n if mine else run.base - 1) == run.last
    for each in rows:
        weight += len(each.payload) + ROW_COST
        lost[each.reason] += each.samples
    assert weight == spool.held_bytes
    assert spool.view().account.pending == lost[""]
    assert weight + spool.view().ring_bytes <= budget_bytes or all(each.gap for each in rows)
