"""An alert that was noticed late is told as past; once it turns out to last, it is told as current, once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from frostline_cloud import current
from frostline_cloud.alerts import record
from frostline_cloud.ingest import journal
from frostline_cloud.ingest.series import DeviceKey, metric_hash, write_clock
from frostline_cloud.notify import UNADDRESSED, Plan, RouteConfig
from frostline_cloud.notify.dispatch import dispatch
from frostline_cloud.sql import migrate, open_engine
from frostline_cloud.sql.tables import alert, alert_event, escalation, outbox
from frostline_core.config import parse as parse_config
from frostline_core.rules import Phase, RuleSet, Series, Transition, parse

NOW = 1_770_000_000_000
MINUTE = 60_000
ROOM = Series("hamburg", "gw-1", "room-1", "cold_room", "", "t", unit="Cel")
TABLE = {"type": "threshold", "id": "warm", "title": "W", "severity": "critical", "select": {"metric": "t"}, "above": 8}
RULES = RuleSet.of([parse(TABLE, "test")])
PLAN = Plan(
    ("mail", "pager"),
    (
        parse_config({"name": "past", "to": ["mail"], "stages": ["retroactive"], "continue": True}, RouteConfig, "t"),
        parse_config(
            {
                "name": "now",
                "to": ["pager"],
                "stages": ["firing", "updated"],
                "escalate": [{"after_minutes": 5, "to": ["pager"]}],
            },
            RouteConfig,
            "t",
        ),
    ),
)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(f"sqlite:///{tmp_path / 'frostline.db'}")
    migrate(engine)
    yield engine
    engine.dispose()


def fired(engine: Engine, *, fired_ms: int = NOW - 50 * MINUTE, value: float | None = 9.0) -> None:
    """It has fired, and is noticed now."""
    step = Transition("warm", ROOM, Phase.OK, Phase.FIRING, fired_ms, value, 8.0, "")
    with engine.begin() as connection:
        record(connection, [step], RULES, [UNADDRESSED], NOW)


def seen(engine: Engine, at_ms: int) -> None:
    """The newest sample that the rules have seen."""
    with engine.begin() as connection:
        journal.save_clocks(connection, [(DeviceKey(*ROOM.key[:3]), write_clock({metric_hash("t"): at_ms}))])


def told(engine: Engine) -> list[tuple[str, str, bool]]:
    """Receiver, type and whether it is told as past."""
    with engine.begin() as connection:
        while dispatch(connection, PLAN, NOW + MINUTE).news:
            pass
        rows = connection.execute(select(outbox).where(outbox.c.receiver != UNADDRESSED).order_by(outbox.c.revision))
        bodies = [(row.receiver, json.loads(row.body)) for row in rows]
    return sorted((who, body["type"], body["incident"]["retroactive"]) for who, body in bodies)


def steps(engine: Engine) -> int:
    """Steps of escalation that are planned."""
    with engine.connect() as connection:
        return int(connection.scalar(select(func.count()).select_from(escalation)) or 0)


def test_what_lasts_is_told_as_current_and_escalates(engine: Engine) -> None:
    fired(engine)
    seen(engine, NOW - 49 * MINUTE)
    assert current.watch(engine, [UNADDRESSED], NOW) == 0
    assert told(engine) == [("mail", "alert.firing", True)]
    assert steps(engine) == 0

    seen(engine, NOW - MINUTE)
    assert current.watch(engine, [UNADDRESSED], NOW + MINUTE) == 1

    assert told(engine) == [("mail", "alert.firing", True), ("pager", "alert.firing", False)]
    assert steps(engine) == 1


def test_it_is_told_once(engine: Engine) -> None:
    fired(engine)
    seen(engine, NOW)

    assert [current.watch(engine, [UNADDRESSED], NOW + minute * MINUTE) for minute in range(4)] == [1, 0, 0, 0]


def test_the_incident_keeps_its_rule_and_unit_and_says_so_on_its_timeline(engine: Engine) -> None:
    fired(engine)
    seen(engine, NOW)
    current.watch(engine, [UNADDRESSED], NOW)

    with engine.connect() as connection:
        row = connection.execute(select(alert)).one()
        notes = list(connection.scalars(select(alert_event.c.note).order_by(alert_event.c.id)))

    assert (row.severity, row.state, row.revision, row.value) == ("critical", "firing", 2, 9.0)
    assert (row.evidence["rule_version"], row.evidence["unit"], row.evidence["limit"]) == (RULES.version, "Cel", 8.0)
    assert notes[-1] == "noticed late, and still so now"
    assert row.summary.endswith("noticed late, and still so now")


def test_what_was_noticed_at_once_is_current_anyhow(engine: Engine) -> None:
    fired(engine, fired_ms=NOW)
    seen(engine, NOW)

    assert current.watch(engine, [UNADDRESSED], NOW) == 0


def test_what_is_over_or_has_no_data_is_not_current(engine: Engine) -> None:
    fired(engine)
    seen(engine, NOW)
    blind = Transition("warm", ROOM, Phase.FIRING, Phase.FIRING, NOW - MINUTE, None, None, "no data")
    with engine.begin() as connection:
        record(connection, [blind], RULES, [UNADDRESSED], NOW)
    assert current.watch(engine, [UNADDRESSED], NOW) == 0

    over = Transition("warm", ROOM, Phase.FIRING, Phase.RESOLVED, NOW, 4.0, None, "")
    with engine.begin() as connection:
        record(connection, [over], RULES, [UNADDRESSED], NOW)

    assert current.watch(engine, [UNADDRESSED], NOW) == 0
