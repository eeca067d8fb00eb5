"""What waits beside numbered batches: kept over failures, and bounded."""

from __future__ import annotations

from frostline_cloud.ingest.aside import MOST_LISTED, Aside
from frostline_cloud.ingest.decode import Batch
from frostline_cloud.ingest.journal import Loss
from frostline_cloud.ingest.load import Load
from frostline_core.commit import Taken


def message(node: str = "plain") -> Batch:
    return Batch("site", node, "", "topic", b"raw", [(0, 1.0, 1, 192)], [], good=3)


def gap(expected: int, node: str = "plain", samples: int | None = None) -> Loss:
    return Loss("site", node, None, None, None, f"sequence gap: expected {expected}", samples)


def test_messages_beyond_the_bound_are_one_entry_for_each_node() -> None:
    aside = Aside(most_plain=1)
    for node in ("plain", "plain", "other", "plain"):
        aside.keep(message(node))
    kept, extra = aside.take()
    assert len(kept) == 1
    assert [(each.node, each.samples, each.entries) for each in extra.losses] == [("plain", 6, 2), ("other", 3, 1)]


def test_losses_for_reasons_of_their_own_stay_bounded_and_all_are_counted() -> None:
    aside = Aside(most_plain=1)
    aside.lose(gap(number) for number in range(MOST_LISTED + 50))
    _, extra = aside.take()
    assert len(extra.losses) == MOST_LISTED + 1
    assert sum(each.entries for each in extra.losses) == MOST_LISTED + 50
    assert extra.losses[-1].samples is None


def test_a_store_that_stays_away_does_not_make_the_list_grow() -> None:
    aside = Aside(most_plain=1)
    for turn in range(5):
        aside.lose(gap(number) for number in range(turn * MOST_LISTED, (turn + 1) * MOST_LISTED))
        aside.put_back(Load(Taken(), *aside.take()))
    _, extra = aside.take()
    assert len(extra.losses) == MOST_LISTED + 1
    assert sum(each.entries for each in extra.losses) == 5 * MOST_LISTED


def test_samples_of_losses_that_are_counted_add_up() -> None:
    aside = Aside(most_plain=1)
    aside.lose([Loss("site", "plain", None, None, None, "dropped", 4, 20, 30)])
    aside.put_back(Load(Taken(), *aside.take()))
    aside.lose([Loss("site", "plain", None, None, None, "dropped", 5, 10, 25)])
    _, extra = aside.take()
    assert extra.losses == [Loss("site", "plain", None, None, None, "dropped", 9, 10, 30, entries=2)]


def test_nothing_is_noted_once_it_was_taken() -> None:
    aside = Aside(most_plain=1)
    aside.lose([gap(1)])
    assert aside.noted
    aside.take()
    assert not aside.noted
