"""Threads of one process take turns at writing, and ingest goes first."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import Engine, text

from frostline_cloud.sql import in_front, open_engine, read_only
from frostline_cloud.sql.turns import Turns
from tests.support.services import eventually


def test_who_is_in_front_goes_before_others_that_wait() -> None:
    turns, order = Turns(), list[str]()
    turns.take("holder")

    def go(who: str, first: bool) -> None:
        turns.take(who, in_front=first, wait_s=30)
        order.append(who)
        turns.give(who)

    with ThreadPoolExecutor(8) as threads:
        for number in range(5):
            threads.submit(go, f"other {number}", False)
        threads.submit(go, "ingest", True)
        eventually(lambda: turns._in_front == 1)
        turns.give("holder")

    assert order[0] == "ingest"
    assert len(order) == 6


def test_who_has_waited_long_enough_goes_on_without_a_turn() -> None:
    turns = Turns()
    turns.take("one that never ends")

    assert not turns.take("next", wait_s=0.01)
    turns.give("one that never ends")  # no longer its turn to give
    assert not turns.take("third", wait_s=0.01)
    turns.give("third")
    assert turns.take("fourth", wait_s=0.01)


def test_one_that_gave_up_in_front_holds_up_nobody() -> None:
    turns = Turns()
    turns.take("a")
    turns.take("b", in_front=True, wait_s=0.01)
    turns.give("b")

    assert turns.take("c", wait_s=0.01)


def open_table(folder: Path) -> Engine:
    engine = open_engine(f"sqlite:///{folder}/frostline.db")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE n (who TEXT)"))
    return engine


def test_a_transaction_that_fails_gives_its_turn_back(tmp_path: Path) -> None:
    engine, began_s = open_table(tmp_path), time.monotonic()
    for _ in range(50):  # each would cost a second if a turn were lost
        try:
            with engine.begin() as connection:
                connection.execute(text("INSERT INTO nowhere VALUES (1)"))
        except Exception:  # noqa: BLE001, S110 - whatever it is, the turn must come back
            pass

    with in_front(engine).begin() as connection:
        connection.execute(text("INSERT INTO n VALUES ('a')"))
    engine.dispose()
    assert time.monotonic() - began_s < 45


def test_who_reads_needs_no_turn(tmp_path: Path) -> None:
    engine = open_table(tmp_path)

    with engine.begin() as writer:
        writer.execute(text("INSERT INTO n VALUES ('a')"))
        with read_only(engine).connect() as reader:
            assert reader.scalar(text("SELECT count(*) FROM n")) == 0
    engine.dispose()
