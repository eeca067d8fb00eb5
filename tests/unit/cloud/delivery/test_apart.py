"""A flush taken apart: nothing is left out, nothing comes twice, and the order within a gateway stays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from frostline_cloud.ingest.apart import by_batch, by_node, letter_of, queued_of, without_content
from frostline_cloud.ingest.decode import Batch, batch_of
from frostline_cloud.ingest.journal import Extra, Loss
from frostline_cloud.ingest.load import Load, Written
from frostline_cloud.ingest.series import DeviceKey, Plan, Stamp
from frostline_cloud.store.port import Place, RowForm
from frostline_core.commit import BatchMark, Queued, Regular, Span, Taken
from frostline_core.reading import Quality, Stream


def batch(node: str, n: int, gap: str | None = None) -> Batch:
    sample = (0, 1.0, n, int(Quality.GOOD))
    return Batch("s", node, "d", f"spBv1.0/s/DDATA/{node}/d", bytes([n]) * 20, [sample], [("x", "odd")], gap, good=1)


def flush(nodes: list[str], plain: list[str]) -> tuple[Load, Written]:
    queued: list[Queued[Batch]] = [
        Queued(BatchMark(7, Stream.SAMPLES, n, n, 1, False), batch(node, n), 1) for n, node in enumerate(nodes)
    ]
    loose = [batch(node, 100 + n) for n, node in enumerate(plain)]
    letters = [letter_of(each, "x: odd", 1) for each in (*(q.item for q in queued), *loose)]
    return Load(Taken.of(queued), loose, Extra(losses=[Loss("s", "a", None, None, None, "r")])), Written(buried=letters)


NODES = st.lists(st.sampled_from(["a", "b", "c"]), max_size=12)


@given(NODES, NODES)
def test_the_parts_are_the_whole(nodes: list[str], plain: list[str]) -> None:
    load, written = flush(nodes, plain)
    pieces = list(by_node(load, written))
    singles = [one for piece in pieces for one in by_batch(piece)]
    for parts in (pieces, singles):
        queued = [each for part in parts for each in queued_of(part.load)]
        loose = [each for part in parts for each in part.load.plain]
        assert sorted(map(id, queued)) == sorted(map(id, load.taken.entries))
        assert sorted(map(id, loose)) == sorted(map(id, load.plain))
        assert sorted(id(each) for part in parts for each in part.written.buried) == sorted(map(id, written.buried))
        assert sum(len(part.load.extra.losses) for part in parts) == 1
        for node in "abc":
            order = [each.mark.n for each in queued if each.item.node == node]
            assert order == sorted(order)
    assert all(len(one.load.taken.entries) + len(one.load.plain) <= 1 for one in singles)


def test_a_batch_without_content_still_stands_for_all_its_samples() -> None:
    load, written = flush(["a"], [])
    (piece,) = [each for each in by_node(load, written) if each.load.taken.entries]
    emptied = without_content(piece, "SQL refuses it")
    (queued,) = queued_of(emptied.load)
    left = queued.item
    assert (left.samples, left.unfit, left.count) == ([], "SQL refuses it", 2)
    (letter,) = emptied.written.buried
    assert (letter.samples, letter.reason, letter.raw) == (2, "SQL refuses it", queued_of(load)[0].item.raw)


def test_what_is_committed_and_sent_once_only_is_not_tried_again() -> None:
    load, written = flush(["a"], ["a", "b"])
    noted, of_a, _ = by_node(load, written)
    load.brought_home(noted.load)
    load.brought_home(of_a.load)
    assert [batch_of(each).node for each in load.plain] == ["b"]
    assert not load.extra


def test_batches_of_the_usual_kind_are_spelled_out_and_keep_their_place() -> None:
    key = DeviceKey("s", "a", "d")
    plan = Plan(RowForm(Place("room", *key), ("x",)), (4,), 4, key, "topic", Stamp.of(key, ("x",)))
    regular: list[Regular] = [(7, n, 1, plan, 1_000 + n, (float(n),), b"raw", n) for n in (2, 4)]
    odd = Queued(BatchMark(7, Stream.SAMPLES, 3, 3, 1), batch("a", 3), 20)
    load = Load(Taken([regular[0], odd, regular[1]], False, {7: Span(1, 4, regular[0])}), [], Extra())
    (piece,) = by_node(load, Written())
    found = queued_of(piece.load)
    assert [(each.mark.n, each.mark.base, each.item.device) for each in found] == [
        (2, 1, "d"),
        (3, 1, "d"),
        (4, 1, "d"),
    ]
    assert [each.item.samples[0][:3] for each in found] == [(4, 2.0, 1_002), (0, 1.0, 3), (4, 4.0, 1_004)]
    assert piece.load.taken.spans == {7: Span(1, 4, found[0])}
