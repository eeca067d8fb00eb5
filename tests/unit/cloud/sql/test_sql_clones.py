"""Births of two gateways under one name are told from those of one, whatever that one goes through."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from frostline_cloud.ingest import journal
from frostline_cloud.sql import births, clones, migrate, open_engine
from frostline_cloud.sql.changes import BornNode, Changes
from frostline_core.commit import Runs, run_text

OWNER = ("hamburg", "gw-1")
A, B = 0xAAAA, 0xBBBB
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = open_engine(f"sqlite:///{tmp_path_factory.mktemp('clones')}/frostline.db")
    migrate(engine)
    yield engine
    engine.dispose()


def run(spool: int, number: int) -> int:
    return spool << 48 | number


def birth(engine: Engine, spool: int, runs: Sequence[int], now_ms: int, node: str = "gw-1", more: bool = False) -> None:
    changes = Changes()
    told = Runs(spool, dict.fromkeys(runs, 5), more)
    changes.born(BornNode("hamburg", node, True, 0, now_ms, told, b"raw"))
    with engine.begin() as connection:
        births.write(connection, changes, {}, now_ms)


def data(engine: Engine, number: int, node: str = "gw-1") -> None:
    """The first batch of a run."""
    with engine.begin() as connection:
        text = run_text(number)
        if text not in journal.committed(connection, [text]):
            journal.open_runs(connection, [journal.OpenedRun(text, ("hamburg", node), 1)], 0)


def seen(engine: Engine) -> list[clones.Seen]:
    with engine.connect() as connection:
        return clones.seen(connection)


def test_two_gateways_with_disks_of_their_own_are_noticed_when_the_first_is_born_again(engine: Engine) -> None:
    birth(engine, A, [run(A, 1)], 1)
    birth(engine, B, [run(B, 1)], 2)
    assert seen(engine) == []
    birth(engine, A, [run(A, 1)], 3)
    assert seen(engine) == [clones.Seen(*OWNER, 3)]


def test_a_copy_of_a_disk_is_noticed_by_the_runs_it_opens(engine: Engine) -> None:
    birth(engine, A, [run(A, 1)], 1)
    birth(engine, A, [run(A, 1), run(A, 2)], 2)
    birth(engine, A, [run(A, 1), run(A, 3)], 3)
    data(engine, run(A, 2))
    birth(engine, A, [run(A, 1), run(A, 2)], 4)
    assert seen(engine) == [clones.Seen(*OWNER, 4)]


def test_a_gateway_whose_disk_was_changed_is_no_other(engine: Engine) -> None:
    birth(engine, A, [run(A, 1), run(A, 2)], 1)
    for now_ms in (2, 3, 4):
        birth(engine, B, [run(B, 1)], now_ms)
    assert seen(engine) == []


def test_a_run_that_another_gateway_told_of_is_not_this_one_s(engine: Engine) -> None:
    birth(engine, A, [run(A, 1)], 1, "gw-2")
    birth(engine, A, [run(A, 2)], 2)
    birth(engine, A, [run(A, 2), run(A, 1)], 3)
    assert seen(engine) == []


def test_data_that_comes_before_the_birth_of_its_disk_proves_nothing(engine: Engine) -> None:
    birth(engine, A, [run(A, 1)], 1)
    data(engine, run(B, 1))
    birth(engine, B, [run(B, 1)], 2)
    assert seen(engine) == []


def test_births_that_cannot_list_all_prove_nothing(engine: Engine) -> None:
    birth(engine, A, [run(A, 1)], 1)
    birth(engine, A, [run(A, 2)], 2, more=True)
    birth(engine, A, [run(A, 1)], 3)
    assert seen(engine) == []


def test_what_is_over_is_forgotten(engine: Engine) -> None:
    for now_ms, spool in enumerate((A, B, A)):
        birth(engine, spool, [run(spool, 1)], now_ms)
    with engine.begin() as connection:
        clones.forget(connection, clones.seen(connection))
    assert seen(engine) == []


steps = st.lists(st.sampled_from(["open", "finish", "birth", "missed birth", "data", "new disk"]), max_size=40)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_one_gateway_is_never_taken_for_two(shared: Engine, steps: list[str]) -> None:
    base = next(_numbers)
    node, held, spool, opened = f"gw-{base}", list[int](), A, 0
    for now_ms, step in enumerate(steps):
        if step == "open":
            opened += 1
            held.append(run(spool, base << 16 | opened))
        elif step == "finish" and held:
            held.pop(0)
        elif step == "birth":
            birth(shared, spool, held, now_ms, node)
        elif step == "data" and held:
            data(shared, held[-1], node)
        elif step == "new disk":
            held, spool = [], spool + 1
    assert node not in {each.node for each in seen(shared)}
