"""A second look at what SQL has forgotten that is a process of its own and dies at a chosen commit.

It dies by SIGKILL, from inside a commit: nothing is flushed, closed or rolled back by Python.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import orjson

from frostline_cloud.ingest import forgotten
from frostline_cloud.ingest.retrospect import Retrospect
from frostline_cloud.rules import Rulebook
from frostline_cloud.sql import open_engine
from frostline_cloud.store import open_store
from frostline_cloud.store.config import StoreConfig
from frostline_core.rules import RuleSet, parse
from tests.support.notify_crash import mortal_commits


def main(setup: str, step: str, after: str) -> None:
    """Works until nothing is left, or dies.

    Args:
        setup: JSON: `sql`, `store` and `rule` (tables as in their files) and `now_ms`.
        step: "before commit", "after commit" or "never".
        after: At the how-manieth that wrote.
    """
    given = orjson.loads(Path(setup).read_bytes())
    engine = open_engine(given["sql"])
    if step != "never":
        mortal_commits(engine, step, int(after))
    store = open_store(StoreConfig(**given["store"]))
    rulebook = Rulebook(engine, RuleSet.of([parse(given["rule"], "setup")]))
    work = Retrospect(engine, store, rulebook, ["desk"], lambda: int(given["now_ms"]))
    until = time.monotonic() + 240
    while time.monotonic() < until:
        work.step()
        with engine.connect() as connection:
            if not forgotten.waiting(connection):
                break
    store.close()
    engine.dispose()


if __name__ == "__main__":
    main(*sys.argv[1:])
