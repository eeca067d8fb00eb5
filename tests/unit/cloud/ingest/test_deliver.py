"""What the batches of a flush mean for their runs: in one go where all are the next, and one by one otherwise."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_cloud.ingest.decode import Batch
from frostline_cloud.ingest.deliver import deliver, owners_of
from frostline_cloud.ingest.generation import OvertakenError
from frostline_cloud.ingest.series import DeviceKey, Plan, Stamp
from frostline_cloud.store.port import Place, RowForm
from frostline_core.commit import RESTORED, BatchMark, HostCommit, Queued, Regular, Taken
from frostline_core.reading import Stream

KEY = DeviceKey("s", "n", "d")
PLAN = Plan(RowForm(Place("room", *KEY), ("x",)), (4,), 4, KEY, "topic", Stamp.of(KEY, ("x",)))


def regular(run: int, n: int) -> Regular:
    return run, n, 1, PLAN, n, (float(n),), b"raw", 0


def queued(run: int, n: int, base: int = 1, gap: str | None = None) -> Queued[Batch]:
    batch = Batch("s", "n", "", "topic", b"raw", [], [], gap)
    return Queued(BatchMark(run, Stream.SAMPLES, n, n, base, gap is not None), batch, 3)


def flush(known: dict[int, int], lengths: dict[int, int]) -> Taken[Batch]:
    """A chain of each run behind what is known."""
    commit: HostCommit[Batch] = HostCommit(lambda run: known[run])
    for run in lengths:
        commit.known(run)
    longest = max(lengths.values(), default=0)
    chains = [regular(run, known[run] + i) for i in range(1, longest + 1) for run in lengths if i <= lengths[run]]
    assert commit.on_next(chains, 0) == len(chains)
    return commit.take_all()


@given(st.dictionaries(st.integers(1, 4), st.tuples(st.integers(0, 9), st.integers(1, 5)), min_size=1))
def test_a_flush_of_chains_is_delivered_whole_whichever_way(runs: dict[int, tuple[int, int]]) -> None:
    known = {run: before for run, (before, _) in runs.items()}
    taken = flush(known, {run: length for run, (_, length) in runs.items()})
    done, slowly = deliver(taken, known), deliver(replace(taken, regular=False), known)
    assert done == slowly
    assert done.items == taken.entries
    assert done.reached == {run: before + length for run, (before, length) in runs.items()}
    assert owners_of(taken) == dict.fromkeys(runs, ("s", "n"))


def test_what_another_ingest_has_applied_is_not_delivered_again() -> None:
    taken = flush({7: 3, 8: 0}, {7: 4, 8: 1})
    done = deliver(taken, {7: 5, 8: 0})
    assert [each[:2] for each in done.items if isinstance(each, tuple)] == [(8, 1), (7, 6), (7, 7)]
    assert done.reached == {7: 7, 8: 1}


def test_a_sql_that_went_back_is_noticed() -> None:
    with pytest.raises(OvertakenError):
        deliver(flush({7: 3}, {7: 2}), {7: 2})


def test_losses_are_listed_in_their_place() -> None:
    gap = json.dumps({"reason": "no room", "samples": 4, "from_ms": 1, "to_ms": 2})
    entries: list[Queued[Batch] | Regular] = [regular(7, 4), queued(7, 5, gap=gap), regular(7, 6), queued(7, 9, base=9)]
    taken: Taken[Batch] = Taken(entries, False, Taken.of([queued(7, 4)]).spans)
    done = deliver(taken, {7: 3})
    assert [(each.first, each.last, each.reason) for each in done.losses] == [(5, 5, "no room"), (7, 8, RESTORED)]
    assert len(done.items) == 3
    assert done.reached == {7: 9}
