"""The host's side: what is queued, what is answered, what a batch means."""

from __future__ import annotations

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
    RunRecord,
    Runs,
    advance,
    in_doubt,
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
    commit = host({5: 50})
    answers = commit.on_birth(Runs(1, dict.fromkeys(range(10), 1)))
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
