"""The host's side: what is queued, what is answered, what a batch means."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_core.commit import (
    RESTORED,
    BatchMark,
    Commit,
    HostCommit,
    HostLimits,
    Loss,
    Queued,
    Regular,
    RunRecord,
    Runs,
    Span,
    advance,
    answered,
    in_doubt,
    mark_of,
)
from frostline_core.reading import Stream

RUN = 0xBEEF_0000_0000_0001


def mark(n: int, *, run: int = RUN, base: int = 1, first: int | None = None) -> BatchMark:
    return BatchMark(run, Stream.SAMPLES, n, n if first is None else first, base, first is not None)


def host(committed: dict[int, int] | None = None, limits: HostLimits | None = None) -> HostCommit[str]:
    return HostCommit(lambda run: (committed or {}).get(run, 0), limits)


def test_batches_come_out_in_order_of_arrival() -> None:
    commit = host()
    for n, run in ((1, RUN), (1, 7), (2, RUN)):
        assert commit.on_data(mark(n, run=run), f"{run}/{n}", 10, 0) is None
    assert (commit.queued, commit.queued_bytes) == (3, 30)
    assert [queued.item for queued in commit.take()] == [f"{RUN}/1", "7/1", f"{RUN}/2"]
    assert (commit.queued, commit.queued_bytes) == (0, 0)


def test_a_duplicate_is_answered_with_what_is_committed_once_a_linger() -> None:
    commit = host({RUN: 5}, HostLimits(linger_ms=250))
    assert commit.on_data(mark(4), "", 1, 1000) == Commit(RUN, 5)
    assert commit.on_data(mark(5), "", 1, 1249) is None
    assert commit.on_data(mark(5), "", 1, 1250) == Commit(RUN, 5)
    assert commit.statistics.duplicates == 3


def test_a_duplicate_of_what_is_only_queued_is_answered_with_what_is_committed() -> None:
    commit = host()
    commit.on_data(mark(1), "", 1, 0)
    assert commit.on_data(mark(1), "", 1, 0) == Commit(RUN, 0)


def test_what_another_process_has_applied_meanwhile_is_a_duplicate_though_others_of_its_run_wait() -> None:
    commit = host()
    commit.on_data(mark(1), "", 1, 0)
    commit.take()
    commit.on_data(mark(2), "", 1, 0)
    commit.settled({RUN: 5}, 0)  # SQL was ahead of this process
    assert commit.on_data(mark(3), "", 1, 1000) == Commit(RUN, 5)
    assert commit.on_data(mark(6), "", 1, 1000) is None
    assert [queued.mark.n for queued in commit.take()] == [2, 6]


def test_a_hole_is_answered_once_a_second_and_nothing_is_queued() -> None:
    commit = host({RUN: 2})
    assert commit.on_data(mark(4), "", 1, 0) == Commit(RUN, 2, hole=True)
    assert commit.on_data(mark(5), "", 1, 999) is None
    assert commit.on_data(mark(5), "", 1, 1000) == Commit(RUN, 2, hole=True)
    assert (commit.queued, commit.statistics.holes) == (0, 3)


def test_a_hole_in_one_run_stops_no_other() -> None:
    commit = host()
    commit.on_data(mark(9), "", 1, 0)
    assert commit.on_data(mark(1, run=7), "", 1, 0) is None
    assert commit.queued == 1


def test_a_base_above_what_is_known_is_no_hole() -> None:
    commit = host()
    assert commit.on_data(mark(9, base=9), "", 1, 0) is None


def test_a_gap_row_that_reaches_back_is_no_hole() -> None:
    commit = host({RUN: 2})
    assert commit.on_data(mark(9, first=3, base=3), "", 1, 0) is None


def test_a_batch_whose_metrics_are_unknown_is_a_hole() -> None:
    commit = host({RUN: 2})
    assert commit.unreadable(mark(3), 0) == Commit(RUN, 2, hole=True)
    assert commit.unreadable(mark(2), 0) == Commit(RUN, 2)


@pytest.mark.parametrize("limits", [HostLimits(messages=2), HostLimits(bytes=20)])
def test_a_full_queue_drops_without_an_answer(limits: HostLimits) -> None:
    commit = host(limits=limits)
    for n in (1, 2, 3):
        assert commit.on_data(mark(n), "", 10, 0) is None
    assert (commit.queued, commit.statistics.dropped_full) == (2, 1)
    commit.take()
    commit.settled({RUN: 2}, 0)
    assert commit.on_data(mark(3), "", 10, 0) is None
    assert commit.queued == 1


def test_what_comes_during_a_flush_stays_in_order_after_it() -> None:
    commit = host()
    commit.on_data(mark(1), "", 1, 0)
    commit.take()
    commit.on_data(mark(2), "", 1, 0)
    assert commit.settled({RUN: 1}, 0) == [Commit(RUN, 1)]
    assert commit.on_data(mark(2), "", 1, 1000) == Commit(RUN, 1)
    assert commit.on_data(mark(3), "", 1, 1000) is None


def test_a_second_flush_waits_for_the_first() -> None:
    commit = host()
    commit.take()
    with pytest.raises(RuntimeError, match="under way"):
        commit.take()


def test_a_failed_flush_forgets_everything_and_reads_sql_again() -> None:
    committed = {RUN: 0}
    commit = host(committed)
    commit.on_data(mark(1), "", 1, 0)
    commit.take()
    commit.on_data(mark(2), "", 1, 0)
    committed[RUN] = 1
    commit.forget()
    assert (commit.queued, commit.queued_bytes, commit.flushing) == (0, 0, False)
    assert commit.known(RUN) == 1
    assert commit.on_data(mark(2), "", 1, 0) is None


def test_a_run_with_batches_in_hand_stays_in_the_cache() -> None:
    committed = {RUN: 0}
    commit = host(committed, HostLimits(runs=2))
    commit.on_data(mark(1), "", 1, 0)
    committed[RUN] = 1  # another ingest was faster
    for run in range(10):
        commit.on_data(mark(1, run=run, base=1), "", 1, 0)
        commit.unreadable(mark(9, run=100 + run), 0)
    assert commit.known(RUN) == 0


def test_the_cache_is_bounded() -> None:
    asked: list[int] = []
    commit: HostCommit[str] = HostCommit(lambda run: asked.append(run) or 0, HostLimits(runs=2))  # type: ignore[func-returns-value]  # append gives None
    for run in (1, 2, 1, 3, 1, 2):
        commit.known(run)
    assert asked == [1, 2, 3, 2]


def test_a_birth_is_answered_for_its_newest_eight_runs() -> None:
    answers = answered(Runs(1, dict.fromkeys(range(10), 1)), {1: 10, 5: 50})
    assert answers == [Commit(run, 50 if run == 5 else 0) for run in range(2, 10)]


def test_data_is_delivered_and_moves_the_run() -> None:
    step = advance(4, mark(5))
    assert (step.losses, step.deliver, step.committed) == ((), True, 5)


def test_what_is_committed_is_not_delivered_again() -> None:
    step = advance(5, mark(5))
    assert (step.losses, step.deliver, step.committed) == ((), False, 5)


def test_a_gap_row_lists_only_what_is_new() -> None:
    step = advance(4, mark(9, first=2, base=2))
    assert (step.losses, step.deliver, step.committed) == ((Loss(5, 9, ""),), False, 9)


def test_a_base_above_what_is_committed_lists_what_no_gateway_holds() -> None:
    step = advance(2, mark(9, base=8, first=8))
    assert step.losses == (Loss(3, 7, RESTORED), Loss(8, 9, ""))


def test_a_missing_batch_is_never_passed_over() -> None:
    with pytest.raises(ValueError, match="committed to 2"):
        advance(2, mark(4))


@given(st.integers(0, 50), st.integers(1, 50), st.integers(0, 20), st.integers(0, 20), st.booleans())
def test_losses_and_delivery_cover_every_new_number_once(committed: int, base: int, a: int, b: int, gap: bool) -> None:
    first, n = base + a, base + a + (b if gap else 0)
    batch = BatchMark(RUN, Stream.SAMPLES, n, first, base, gap)
    if first > max(committed + 1, base):
        return
    step = advance(committed, batch)
    covered = [number for loss in step.losses for number in range(loss.first, loss.last + 1)]
    covered += [n] if step.deliver else []
    assert covered == list(range(committed + 1, step.committed + 1))


def regular(run: int, n: int) -> Regular:
    return run, n, max(1, n - 3), "plan", 1_000 + n, (1.0,), b"%d/%d" % (run, n), n & 0xFF


def both_ways(batches: Sequence[Regular], commits: Sequence[HostCommit[Any]]) -> list[list[Commit | None]]:
    """What is answered by a host that is asked for many at once, and by one that is asked for each."""
    many, single = commits
    answers: list[list[Commit | None]] = [[], []]
    rest = list(batches)
    while rest:
        done = many.on_next(rest, sum(len(each[6]) for each in rest))
        answers[0] += [None] * done
        if done < len(rest):
            answers[0].append(many.on_data(mark_of(rest[done]), rest[done], len(rest[done][6]), 0))
        rest = rest[done + 1 :]
    for each in batches:
        answers[1].append(single.on_data(mark_of(each), each, len(each[6]), 0))
    return answers


RUNS = st.lists(st.tuples(st.sampled_from([RUN, 7, 8]), st.integers(1, 12)), max_size=30)


@given(st.lists(RUNS, max_size=5), st.lists(st.sampled_from(["take", "settle", "ahead", "forget", ""]), max_size=5))
def test_many_at_once_are_queued_and_answered_as_one_by_one(
    reads: list[list[tuple[int, int]]], then: list[str]
) -> None:
    stored = {RUN: 2, 7: 0}
    commits: list[HostCommit[Any]] = [HostCommit(lambda run: stored.get(run, 0), HostLimits(20, 100)) for _ in "ab"]
    spans: dict[int, Span] = {}
    for read, what in zip_longest(reads, then, fillvalue=None):
        many, single = both_ways([regular(*each) for each in read or ()], commits)
        assert many == single
        assert (commits[0].queued, commits[0].queued_bytes) == (commits[1].queued, commits[1].queued_bytes)
        if what == "take" and not commits[0].flushing:
            taken, again = (commit.take_all() for commit in commits)
            assert [numbers(each) for each in taken.entries] == [numbers(each) for each in again.entries]
            spans = taken.spans
            assert [span[:2] for span in spans.values()] == [span[:2] for span in again.spans.values()]
            assert {run: span.last for run, span in spans.items()} == dict(map(numbers, taken.entries))
        elif what in ("settle", "ahead") and commits[0].flushing:
            reached = {run: span.last + (what == "ahead") for run, span in spans.items()}
            stored |= reached
            assert commits[0].settled(reached, 0) == commits[1].settled(reached, 0)
        elif what == "forget":
            for commit in commits:
                commit.forget()


def numbers(entry: Queued[Any] | Regular) -> tuple[int, int]:
    return (entry.mark.run, entry.mark.n) if isinstance(entry, Queued) else entry[:2]


def test_a_chain_is_regular_only_while_nobody_else_has_moved_its_run() -> None:
    commit = host({RUN: 4})
    commit.known(RUN)
    assert commit.on_next([regular(RUN, 5), regular(RUN, 6)], 10) == 2
    taken = commit.take_all()
    assert (taken.regular, taken.spans) == (True, {RUN: Span(4, 6, regular(RUN, 5))})
    assert commit.on_next([regular(RUN, 7)], 10) == 1
    commit.settled({RUN: 9}, 0)  # by another process
    assert commit.on_next([regular(RUN, 10)], 10) == 1
    assert not commit.take_all().regular


@pytest.mark.parametrize(
    ("record", "held", "doubt"),
    [
        (RunRecord(RUN, 5, 5), set(), {}),
        (RunRecord(RUN, 5, 7), set(), {RUN: 6}),
        (RunRecord(RUN, 5, 7), {RUN}, {}),
        (RunRecord(1, 5, 5), set(), {1: 6}),
        (RunRecord(1, 5, 9), None, {}),
    ],
)
def test_runs_that_no_birth_lists_are_in_doubt(record: RunRecord, held: set[int] | None, doubt: dict[int, int]) -> None:
    assert in_doubt([record], 0xBEEF, held) == doubt
