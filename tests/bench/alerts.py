"""A storm: 10,000 transitions at once, from the flush to rows for a receiver, on SQLite on disk.

What matters to ingest is how long others hold the one write lock: each transaction is timed. Nothing may be lost: the
rows are counted at the end. Three storms: 10,000 different alerts; the same behind 20 silences that match none; and
10,000 absence alerts of one gateway that is offline, of which none is told.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, insert, select

from frostline_cloud.alerts import Silence, add_silence, record, releasable
from frostline_cloud.notify import UNADDRESSED
from frostline_cloud.notify.dispatch import dispatch
from frostline_cloud.notify.plan import Plan
from frostline_cloud.sql import migrate, open_engine
from frostline_cloud.sql.tables import alert, node, outbox
from frostline_core.rules import Phase, RuleSet, Series, Transition, parse

COUNT = 10_000
NOW = 1_770_000_000_000
_ABOUT = {"title": "T", "severity": "critical", "select": {"metric": "*"}}
_RULES = RuleSet.of(
    [
        parse({"id": "warm", "type": "threshold", "above": 8.0, **_ABOUT}, "bench"),
        parse({"id": "silent", "type": "absence", "max_silence": "15m", **_ABOUT}, "bench"),
    ]
)


def measure(count: int = COUNT) -> dict[str, Any]:
    """The three storms."""
    return {
        "transitions": count,
        "alerts": _storm("warm", count),
        "with 20 silences": _storm("warm", count, silences=20),
        "behind one gateway": _storm("silent", count),
    }


def table(result: dict[str, Any]) -> str:
    """As lines."""
    storms = [f"{name}: {storm}" for name, storm in result.items() if isinstance(storm, dict) and "rows" in storm]
    return "\n".join(storms)


def _storm(rule: str, count: int, silences: int = 0) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(f"sqlite:///{Path(folder) / 'bench.db'}")
        try:
            migrate(engine)
            _prepare(engine, silences)
            return _run(engine, rule, count)
        finally:
            engine.dispose()


def _prepare(engine: Engine, silences: int) -> None:
    about = {"online": False, "proved": True, "bd_seq": 0, "birth_ms": NOW, "death_ms": NOW, "birth": b"x"}
    with engine.begin() as connection:
        connection.execute(insert(node).values(site="site", node="gw", **about))
        for number in range(silences):
            matchers = {"site": f"other-{number}-*", "label.product": "fish*"}
            add_silence(connection, Silence(0, matchers, "bench", "bench", NOW, NOW + 3_600_000, NOW))


def _run(engine: Engine, rule: str, count: int) -> dict[str, Any]:
    steps = [
        Transition(
            rule, Series("site", "gw", f"room-{n}", "cold_room", "", "m"), Phase.OK, Phase.FIRING, NOW, 9.0, 8.0, ""
        )
        for n in range(count)
    ]
    began = time.perf_counter()
    with engine.begin() as connection:
        record(connection, steps, _RULES, [UNADDRESSED], NOW)
    recorded = time.perf_counter() - began
    held, done = [], 1
    while done:
        began = time.perf_counter()
        with engine.begin() as connection:
            done = dispatch(connection, Plan(("ops",)), NOW).news
        held.append(time.perf_counter() - began)
    began = time.perf_counter()
    with engine.connect() as connection:
        held_back = len(releasable(connection, NOW))
        looked = time.perf_counter() - began
        states = select(outbox.c.receiver, outbox.c.state, func.count()).group_by(outbox.c.receiver, outbox.c.state)
        rows = {f"{receiver} {state}": number for receiver, state, number in connection.execute(states)}
        kept = connection.scalar(select(func.count()).select_from(alert))
    if kept != count or held_back:
        raise RuntimeError(f"{kept} alerts of {count} are there, {held_back} would be told that should not")
    return {
        "record_s": round(recorded, 3),
        "dispatch_s": round(sum(held), 3),
        "longest_lock_s": round(max(held), 3),
        "look_s": round(looked, 3),
        "rows": rows,
    }
