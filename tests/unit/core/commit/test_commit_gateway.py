"""The gateway's side: lanes, windows, timers, cuts, and what a commit deletes."""

from __future__ import annotations

import random

from frostline_core.commit import Commit, GatewayCommit, GatewayLimits, Send, Verdict, WindowLimits
from frostline_core.reading import Lane, Stream
from tests.unit.core.commit.memory_rows import Item, MemoryDisk, MemoryRows

T0 = 1_700_000_000_000
NO_RATE = GatewayLimits(backlog_per_s=0)


class Bench:
    """A gateway in a session whose host has answered; time moves by hand."""

    def __init__(self, limits: GatewayLimits = NO_RATE, disk: MemoryDisk | None = None) -> None:
        self.disk = disk or MemoryDisk(0x1234, 1000, random.Random(1))  # noqa: S311  # a test's dice
        self.rows: MemoryRows = self.disk.open()
        self.ms = 0
        self.commit = GatewayCommit(self.rows, lambda: 0.5, T0, limits)
        self.commit.session_started(0, T0)

    def append(self, count: int, stream: Stream = Stream.SAMPLES, size: int = 10) -> int:
        self.rows.append([Item(stream, b"x" * size, T0 + self.ms)] * count)
        run = self.rows.current(stream)
        assert run is not None
        return run

    def next(self) -> Send | None:
        return self.commit.next(self.ms, T0 + self.ms)

    def all(self) -> list[Send]:
        sends = []
        while (send := self.next()) is not None:
            sends.append(send)
        return sends

    def answer(self, run: int, n: int, hole: bool = False) -> Verdict:
        return self.commit.on_commit(Commit(run, n, hole), self.ms)

    def pass_ms(self, ms: int) -> None:
        self.ms += ms
        self.commit.tick(self.ms)


def numbers(sends: list[Send]) -> list[int]:
    return [send.mark.n for send in sends]


def with_backlog(rows: int, limits: GatewayLimits = NO_RATE, age_ms: int = 60_000) -> Bench:
    """A gateway that starts on a disk with so many samples rows of that age, and whose host has answered the birth."""
    disk = MemoryDisk(0x1234, 1000, random.Random(1))  # noqa: S311  # a test's dice
    disk.open().append([Item(Stream.SAMPLES, b"x", T0 - age_ms)] * rows)
    bench = Bench(limits, disk)
    bench.answer(next(iter(disk.stored)), 0)
    return bench


def test_the_window_starts_at_eight_and_the_marks_carry_base() -> None:
    bench = Bench()
    run = bench.append(20)
    sends = bench.all()
    assert numbers(sends) == list(range(1, 9))
    assert {(send.lane, send.mark.run, send.mark.base) for send in sends} == {(Lane.LIVE, run, 1)}


def test_a_commit_deletes_and_opens_the_window_by_one() -> None:
    bench = Bench()
    run = bench.append(20)
    bench.all()
    assert bench.answer(run, 5) is Verdict.MOVED
    assert numbers(bench.all()) == list(range(9, 15))
    assert bench.commit.lanes()[Lane.LIVE].window == 9
    assert bench.rows.runs()[0].base == 6


def test_the_window_is_bounded_in_bytes() -> None:
    bench = Bench()
    bench.append(5, size=100 * 1024)
    assert numbers(bench.all()) == [1, 2]


def test_a_row_larger_than_the_window_goes_alone() -> None:
    bench = Bench()
    bench.append(2, size=400 * 1024)
    assert numbers(bench.all()) == [1]


def test_the_window_never_passes_sixty_four() -> None:
    bench = Bench()
    run = bench.append(200)
    for n in range(1, 100):
        bench.all()
        bench.answer(run, n)
    assert bench.commit.lanes()[Lane.LIVE].window == 64


def test_a_hole_goes_back_to_base_with_half_the_window() -> None:
    bench = Bench()
    run = bench.append(20)
    bench.all()
    bench.answer(run, 2, hole=True)
    assert numbers(bench.all()) == [3, 4, 5, 6]


def test_the_timer_goes_back_with_half_the_window_and_doubles() -> None:
    bench = Bench()
    bench.append(20)
    bench.all()
    bench.pass_ms(2_999)
    assert bench.all() == []
    bench.pass_ms(1)
    assert numbers(bench.all()) == [1, 2, 3, 4]
    bench.pass_ms(5_999)
    assert bench.all() == []
    bench.pass_ms(1)
    assert numbers(bench.all()) == [1, 2]


def test_the_timer_never_waits_longer_than_a_minute() -> None:
    bench = Bench()
    bench.append(1)
    for _ in range(20):
        bench.all()
        bench.pass_ms(60_000)
        assert len(bench.all()) == 1


def test_round_trips_set_the_timer_and_rows_sent_twice_do_not() -> None:
    bench = Bench(GatewayLimits(window=WindowLimits(wait_least_ms=10), backlog_per_s=0))
    run = bench.append(3)
    bench.next()
    bench.ms += 100
    bench.answer(run, 1)  # 100 ms: srtt 100, rttvar 50, so 300
    bench.next()
    wake = bench.commit.wake_ms(bench.ms)
    assert wake == bench.ms + 300
    bench.pass_ms(300)
    bench.next()
    bench.ms += 550
    bench.answer(run, 2)  # of a row sent twice: says nothing
    bench.next()
    assert bench.commit.wake_ms(bench.ms) == bench.ms + 300


def test_progress_undoes_the_doubling() -> None:
    bench = Bench()
    run = bench.append(2)
    bench.next()
    bench.pass_ms(3_000)
    bench.next()
    bench.answer(run, 1)
    bench.next()
    assert bench.commit.wake_ms(bench.ms) == bench.ms + 3_000


def test_a_new_session_sends_everything_unconfirmed_again() -> None:
    bench = Bench()
    run = bench.append(3)
    bench.all()
    bench.commit.session_ended()
    assert bench.next() is None
    bench.commit.session_started(bench.ms, T0)
    assert bench.next() is None
    bench.answer(run, 1)
    assert numbers(bench.all()) == [2, 3]


def test_a_host_that_does_not_answer_the_birth_is_waited_for_one_resend_time() -> None:
    bench = Bench()
    bench.append(1)
    bench.commit.session_started(0, T0)
    bench.ms = 2_999
    assert bench.next() is None
    assert bench.commit.wake_ms(0) == 3_000
    bench.ms = 3_000
    assert numbers(bench.all()) == [1]


def test_a_commit_of_a_run_of_somebody_else_is_ignored() -> None:
    bench = Bench()
    bench.append(1)
    assert bench.answer(99, 1) is Verdict.UNKNOWN
    assert len(bench.rows.held_rows()) == 1


def test_a_commit_above_the_current_run_is_impossible() -> None:
    bench = Bench()
    run = bench.append(1)
    assert bench.answer(run, 2) is Verdict.IMPOSSIBLE
    assert len(bench.rows.held_rows()) == 1


def test_a_commit_above_an_older_run_means_that_this_disk_is_an_image() -> None:
    bench = with_backlog(3)
    run = bench.rows.runs()[0].run
    assert bench.answer(run, 9) is Verdict.IMAGE
    assert bench.rows.runs() == []


def test_an_old_commit_does_nothing() -> None:
    bench = Bench()
    run = bench.append(3)
    bench.all()
    bench.answer(run, 2)
    assert bench.answer(run, 1) is Verdict.STILL
    assert bench.rows.runs()[0].base == 3


def test_live_goes_first_then_events_and_backlog_by_turns() -> None:
    bench = with_backlog(3)
    bench.append(2)
    bench.append(3, Stream.EVENTS)
    assert [send.lane for send in bench.all()] == [
        Lane.LIVE, Lane.LIVE, Lane.EVENTS, Lane.BACKLOG, Lane.EVENTS, Lane.BACKLOG, Lane.EVENTS, Lane.BACKLOG,
    ]  # fmt: skip


def test_live_does_not_wait_behind_a_backlog_that_is_stuck() -> None:
    bench = with_backlog(100)
    bench.all()
    bench.append(1)
    assert [send.lane for send in bench.all()] == [Lane.LIVE]


def test_events_of_a_newer_run_wait_for_the_older() -> None:
    disk = MemoryDisk(0x1234, 1000, random.Random(1))  # noqa: S311  # a test's dice
    disk.open().append([Item(Stream.EVENTS, b"x", T0)])
    (old,) = disk.stored
    bench = Bench(disk=disk)
    new = bench.append(1, Stream.EVENTS)
    bench.answer(old, 0)
    assert [send.mark.run for send in bench.all()] == [old]
    bench.answer(old, 1)
    assert [send.mark.run for send in bench.all()] == [new]


def test_backlog_keeps_to_its_rate_and_says_when_to_come_back() -> None:
    bench = with_backlog(
        20, GatewayLimits(window=WindowLimits(first=64, wait_first_ms=60_000), backlog_per_s=4, tail_ms=0)
    )
    assert len(bench.all()) == 4
    assert bench.commit.wake_ms(bench.ms) == 251
    bench.ms = 251
    assert len(bench.all()) == 1


def test_a_live_row_that_waited_long_becomes_backlog() -> None:
    bench = Bench()
    old = bench.append(2)
    bench.all()
    bench.ms = 30_001
    assert [(send.lane, send.mark.run) for send in bench.all()] == [(Lane.BACKLOG, old)] * 2
    new = bench.append(1)
    assert new != old
    assert [(send.lane, send.mark.run) for send in bench.all()] == [(Lane.LIVE, new)]


def test_no_cut_while_too_many_runs_are_held() -> None:
    bench = Bench(GatewayLimits(runs=1, backlog_per_s=0))
    run = bench.append(1)
    bench.ms = 40_000
    assert [(send.lane, send.mark.run) for send in bench.all()] == [(Lane.LIVE, run)]


def test_after_a_restart_of_seconds_live_waits_for_the_tail() -> None:
    bench = with_backlog(1, age_ms=5_000)
    tail = bench.rows.runs()[0].run
    bench.append(1)
    assert [send.lane for send in bench.all()] == [Lane.BACKLOG]
    bench.answer(tail, 1)
    assert [send.lane for send in bench.all()] == [Lane.LIVE]


def test_live_waits_for_the_tail_at_most_two_resend_times() -> None:
    bench = with_backlog(1, age_ms=5_000)
    bench.append(1)
    bench.all()
    bench.ms = 6_000
    assert Lane.LIVE in [send.lane for send in bench.all()]


def test_an_old_tail_is_not_waited_for() -> None:
    bench = with_backlog(1, age_ms=31_000)
    bench.append(1)
    assert bench.all()[0].lane is Lane.LIVE


def test_a_birth_tells_of_the_newest_sixty_four_runs() -> None:
    disk = MemoryDisk(0x1234, 1000, random.Random(1))  # noqa: S311  # a test's dice
    for _ in range(65):
        disk.open().append([Item(Stream.SAMPLES, b"x", T0)])
    runs = Bench(disk=disk).commit.announcement()
    assert list(runs.held) == list(disk.stored)[1:]
    assert runs.more
    assert runs.spool == 0x1234


def test_nothing_to_wait_for_when_nothing_is_held() -> None:
    assert Bench().commit.wake_ms(0) is None


BURSTS = GatewayLimits(backlog_per_s=0, burst_ms=600_000)


def test_between_bursts_samples_wait_and_events_do_not() -> None:
    bench = Bench(BURSTS)
    assert bench.next() is None
    bench.append(3)
    events = bench.append(1, Stream.EVENTS)
    assert [send.lane for send in bench.all()] == [Lane.EVENTS]
    bench.answer(events, 1)
    bench.pass_ms(600_000)
    assert [send.lane for send in bench.all()] == [Lane.LIVE] * 3


def test_a_burst_takes_what_was_there_when_it_began_and_repeats_what_is_lost() -> None:
    bench = Bench(BURSTS)
    bench.all()
    run = bench.append(2)
    bench.pass_ms(600_000)
    assert numbers(bench.all()) == [1, 2]
    bench.append(1)
    assert bench.all() == []
    bench.answer(run, 0, hole=True)
    assert numbers(bench.all()) == [1, 2]
    bench.pass_ms(600_000)
    bench.answer(run, 2)
    assert numbers(bench.all()) == [3]


def test_rows_that_wait_for_their_burst_do_not_become_backlog() -> None:
    bench = Bench(BURSTS)
    bench.all()
    run = bench.append(1)
    bench.pass_ms(600_000)
    assert [(send.lane, send.row.run) for send in bench.all()] == [(Lane.LIVE, run)]


def test_a_new_session_is_a_burst() -> None:
    bench = Bench(BURSTS)
    bench.all()
    bench.append(2)
    bench.commit.session_ended()
    bench.commit.session_started(bench.ms, T0 + bench.ms)
    bench.answer(0, 0)
    assert numbers(bench.all()) == [1, 2]


def test_the_next_burst_is_something_to_wake_up_for() -> None:
    bench = Bench(BURSTS)
    bench.all()
    assert bench.commit.wake_ms(bench.ms) == 600_000
