"""Dead letters are bounded in number, bytes and age, and what goes is listed as lost."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, insert, select, update

from frostline_cloud.ingest.journal import DeadLetter
from frostline_cloud.ingest.letters import LetterBox
from frostline_cloud.sql import RetentionConfig, letters, tidy
from frostline_cloud.sql.letters import Amount, Kept
from frostline_cloud.sql.retention import DAY_MS
from frostline_cloud.sql.tables import dead_letter, loss

NOW = 1_790_000_000_000
LETTER = {
    "site": "s",
    "node": "n",
    "device": "d",
    "topic": "t",
    "reason": "stamped in the future",
    "raw": b"x" * 10,
    "size": 10,
    "at_ms": NOW,
    "samples": 2,
    "replayed_ms": None,
    "run": None,
    "n": None,
}


def add(engine: Engine, *rows: dict[str, Any]) -> None:
    with engine.begin() as connection:
        connection.execute(insert(dead_letter), [LETTER | row for row in rows])


def left(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.scalars(select(dead_letter.c.id).order_by(dead_letter.c.id)))


def losses(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(select(loss).order_by(loss.c.id)))


def shorten(engine: Engine, bound: Amount) -> int:
    with engine.begin() as connection:
        return letters.drop(connection, letters.beyond(connection, bound, 500), letters.full(bound), NOW)


def test_within_the_bound_nothing_goes(engine: Engine) -> None:
    add(engine, {}, {})
    assert shorten(engine, Amount(2, 20)) == 0
    assert losses(engine) == []


def test_what_was_taken_in_goes_first_and_is_no_loss(engine: Engine) -> None:
    add(engine, {}, {"replayed_ms": 8}, {"replayed_ms": 7}, {})
    assert shorten(engine, Amount(3, 1000)) == 1
    assert left(engine) == [1, 2, 4]
    assert shorten(engine, Amount(2, 1000)) == 1
    assert left(engine) == [1, 4]
    assert losses(engine) == []


def test_then_the_oldest_that_wait_go_and_are_listed_as_lost_by_gateway(engine: Engine) -> None:
    add(engine, {}, {"node": "m", "samples": 5}, {"replayed_ms": 7}, {}, {})
    assert shorten(engine, Amount(1, 1000)) == 4
    assert left(engine) == [5]
    first, second = losses(engine)
    assert (first.site, first.node, first.samples, first.at_ms) == ("s", "n", 4, NOW)
    assert first.reason == (
        "dead letter dropped: more than 1 letters or 0.000953674 MiB; 2 of the numbers 1 to 4, came 2026-09-21; "
        "the first: stamped in the future"
    )
    assert (second.node, second.samples) == ("m", 5)
    assert "number 2, came" in second.reason


def test_the_bound_on_bytes_holds_by_itself(engine: Engine) -> None:
    add(engine, {"size": 100}, {"size": 30}, {"size": 30})
    assert shorten(engine, Amount(100, 60)) == 1
    assert left(engine) == [2, 3]


def test_samples_that_nobody_counted_are_listed_as_not_known(engine: Engine) -> None:
    add(engine, {"samples": 0}, {"samples": 3})
    shorten(engine, Amount(0, 0))
    assert [each.samples for each in losses(engine)] == [None, 3]


def test_a_batch_that_is_listed_already_is_not_listed_twice(engine: Engine) -> None:
    listed = {"site": "s", "node": "n", "run": "00aa000000000001", "first": 7, "last": 7, "reason": "why", "at_ms": 1}
    with engine.begin() as connection:
        connection.execute(insert(loss).values(samples=2, **listed))
    add(engine, {"run": "00aa000000000001", "n": 7})
    shorten(engine, Amount(0, 0))
    (entry,) = losses(engine)
    assert entry.reason == "why; dead letter dropped: more than 0 letters or 0 MiB"


def test_a_letter_that_was_taken_in_meanwhile_is_no_loss(engine: Engine) -> None:
    add(engine, {})
    with engine.connect() as connection:
        going = letters.beyond(connection, Amount(0, 0), 500)
    with engine.begin() as connection:
        connection.execute(update(dead_letter).values(replayed_ms=NOW))
        assert letters.drop(connection, going, "why", NOW) == 1
    assert losses(engine) == []


def test_letters_past_their_time_go_and_are_listed(engine: Engine) -> None:
    old = NOW - 401 * DAY_MS
    add(engine, {"at_ms": old}, {"at_ms": old, "replayed_ms": old}, {"at_ms": NOW - 399 * DAY_MS})
    assert tidy(engine, RetentionConfig(), NOW) == 2
    assert left(engine) == [3]
    (entry,) = losses(engine)
    assert entry.reason.startswith("dead letter dropped: older than 400 days; number 1, came 2025-08-16; the first: ")


def test_the_job_brings_a_lowered_bound_about_in_bounded_steps(engine: Engine) -> None:
    add(engine, *[{}] * 2600)
    assert tidy(engine, RetentionConfig(dead_letter_rows=1000), NOW, most_steps=2) == 1000
    assert tidy(engine, RetentionConfig(dead_letter_rows=1000), NOW, most_steps=2) == 600
    assert sum(each.samples for each in losses(engine)) == 2 * 1600


def test_what_is_kept_is_told_by_what_waits_and_what_was_taken_in(engine: Engine) -> None:
    add(engine, {"size": 5}, {"size": 7}, {"replayed_ms": 1, "size": 9})
    with engine.connect() as connection:
        assert letters.kept(connection) == Kept(Amount(2, 12), Amount(1, 9))


# ---- while ingest buries ---------------------------------------------------------------------------------------------
def bury(engine: Engine, box: LetterBox, flushes: int, each: int, raw: bytes = b"x") -> None:
    letter = DeadLetter("s", "n", "d", "t", "why", raw, 1)
    for _ in range(flushes):
        with engine.begin() as connection:
            box.bury(connection, [letter] * each, [], NOW)


def test_a_flood_never_exceeds_the_bound_by_more_than_a_flush_and_a_hundredth(engine: Engine) -> None:
    box = LetterBox(RetentionConfig(dead_letter_rows=1000))
    for _ in range(30):
        bury(engine, box, 10, 7)
        assert len(left(engine)) <= 1000 + 10 + 7
    assert len(left(engine)) + sum(each.samples for each in losses(engine)) == 30 * 10 * 7


def test_a_flood_of_bytes_is_bounded_too(engine: Engine) -> None:
    box = LetterBox(RetentionConfig(dead_letter_mib=1))
    bury(engine, box, 30, 2, b"x" * 50_000)
    with engine.connect() as connection:
        assert letters.kept(connection).waiting.size <= 2**20 * 1.01 + 2 * 50_000


def test_one_flush_of_many_letters_is_cut_down_at_once(engine: Engine) -> None:
    bury(engine, LetterBox(RetentionConfig(dead_letter_rows=1000)), 1, 5000)
    assert len(left(engine)) == 1000
