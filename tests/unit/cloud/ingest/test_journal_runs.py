"""Runs at their first message: rows of their own, and their nodes hold them."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, select

from frostline_cloud.ingest import journal
from frostline_cloud.ingest.journal import OpenedRun
from frostline_cloud.sql import births
from frostline_cloud.sql.changes import BornNode, Changes
from frostline_cloud.sql.tables import node, run
from frostline_core.commit import Runs, run_text

SPOOL, OTHER = 0xAAAA, 0xBBBB


def text(spool: int, number: int) -> str:
    return run_text(spool << 48 | number)


def born(engine: Engine, names: list[str], *, more: bool = False) -> None:
    """Nodes that hold run 1 of `SPOOL`, of which they announce 7 batches."""
    changes = Changes()
    for name in names:
        runs = Runs(SPOOL, {SPOOL << 48 | 1: 7}, more)
        changes.born(BornNode("hamburg", name, True, 0, 1, runs, b"raw"))
    with engine.begin() as connection:
        births.write(connection, changes, {}, 1)


def open_runs(engine: Engine, *opened: OpenedRun) -> None:
    with engine.begin() as connection:
        journal.open_runs(connection, opened, 2)


def held(engine: Engine, name: str) -> list[str] | None:
    with engine.connect() as connection:
        found: list[str] | None = connection.scalar(select(node.c.held).where(node.c.node == name))
        return found


def test_runs_of_many_nodes_are_opened_in_one_go_and_each_node_holds_its_own(engine: Engine) -> None:
    names = [f"gw-{n}" for n in range(600)]  # more than one query asks for
    born(engine, names)
    runs = {name: [text(SPOOL, 10 * n + 2), text(SPOOL, 10 * n + 3)] for n, name in enumerate(names)}
    open_runs(engine, *(OpenedRun(each, ("hamburg", name), 1) for name, texts in runs.items() for each in texts))
    assert {name: held(engine, name) for name in names} == {
        name: [text(SPOOL, 1), *texts] for name, texts in runs.items()
    }
    with engine.connect() as connection:
        assert journal.committed(connection, [each for texts in runs.values() for each in texts]) == dict.fromkeys(
            (each for texts in runs.values() for each in texts), 0
        )


def test_a_run_that_a_birth_announced_keeps_what_is_known_of_it(engine: Engine) -> None:
    born(engine, ["gw-1"])
    open_runs(engine, OpenedRun(text(SPOOL, 1), ("hamburg", "gw-1"), 2))
    with engine.connect() as connection:
        row = connection.execute(select(run)).one()
    assert (row.announced, row.stream, row.committed) == (7, 2, 0)
    assert held(engine, "gw-1") == [text(SPOOL, 1)]


@pytest.mark.parametrize(
    ("name", "more", "opened"),
    [
        pytest.param("gw-1", False, text(OTHER, 2), id="of another spool"),
        pytest.param("gw-1", True, text(SPOOL, 2), id="of a node that did not list all"),
        pytest.param("gw-2", False, text(SPOOL, 2), id="of a node that was never born"),
    ],
)
def test_only_what_a_birth_told_whole_grows(engine: Engine, name: str, more: bool, opened: str) -> None:
    born(engine, ["gw-1"], more=more)
    before = held(engine, name)
    open_runs(engine, OpenedRun(opened, ("hamburg", name), 1))
    assert held(engine, name) == before
    with engine.connect() as connection:
        assert journal.committed(connection, [opened]) == {opened: 0}
