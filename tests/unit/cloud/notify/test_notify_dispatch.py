"""News is addressed as the routes say, and steps follow until somebody takes note."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select, update

from frostline_cloud.alerts import acknowledge, record
from frostline_cloud.notify import UNADDRESSED
from frostline_cloud.notify.dispatch import dispatch
from frostline_cloud.notify.escalation import escalate
from frostline_cloud.notify.health import Health, keep, target_hash
from frostline_cloud.notify.plan import CANARY_RULE, Plan
from frostline_cloud.notify.routing import RouteConfig
from frostline_cloud.sql import open_engine
from frostline_cloud.sql.tables import alert, escalation, metadata, outbox
from frostline_core.config import parse
from frostline_core.rules import WORSE, Phase, RuleSet, Series, Transition
from frostline_core.rules import parse as parse_rule

NOW = 1_770_000_000_000
MINUTE = 60_000
_RULE = {"type": "threshold", "title": "Too warm", "select": {"metric": "*"}, "above": 8}
FIRES, WORSENS, ENDS = (Phase.OK, Phase.FIRING), (Phase.FIRING, Phase.FIRING), (Phase.FIRING, Phase.RESOLVED)
ROOM = Series("hamburg", "gw-1", "room-1", "cold_room", "", "air_temperature")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(f"sqlite:///{tmp_path}/frostline.db")
    metadata.create_all(engine)
    yield engine
    engine.dispose()


def route(name: str, *to: str, **keys: Any) -> RouteConfig:
    return parse({"name": name, "to": list(to), **keys}, RouteConfig, "test")


def tell(
    engine: Engine, *changes: tuple[Phase, Phase], rule: str = "warm", severity: str = "critical", late_ms: int = 0
) -> None:
    rules = RuleSet.of([parse_rule({**_RULE, "id": rule, "severity": severity}, "test")])
    steps = [
        Transition(rule, ROOM, before, after, NOW - late_ms, 9.0, 8.0, WORSE if before is after else "")
        for before, after in changes
    ]
    with engine.begin() as connection:
        record(connection, steps, rules, [UNADDRESSED], NOW)


def sent(engine: Engine, plan: Plan, now_ms: int = NOW) -> list[tuple[str, str]]:
    """Dispatches everything; the receivers and types of all rows."""
    done = 1
    while done:
        with engine.begin() as connection:
            done = dispatch(connection, plan, now_ms).news
    return rows(engine)


def rows(engine: Engine) -> list[tuple[str, str]]:
    with engine.connect() as connection:
        found = connection.execute(select(outbox).where(outbox.c.receiver != UNADDRESSED).order_by(outbox.c.revision))
        return sorted((row.receiver, row.type.removeprefix("alert.")) for row in found)


def later(engine: Engine, now_ms: int, plan: Plan | None = None) -> int:
    with engine.begin() as connection:
        return escalate(connection, plan or PLAN, now_ms)


def test_without_routes_every_receiver_is_told_of_everything(engine: Engine) -> None:
    tell(engine, FIRES)

    assert sent(engine, Plan(("a", "b"))) == [("a", "firing"), ("b", "firing")]


def test_a_body_carries_the_id_of_its_own_row(engine: Engine) -> None:
    tell(engine, FIRES)
    sent(engine, Plan(("a", "b")))

    with engine.connect() as connection:
        found = connection.execute(select(outbox).where(outbox.c.receiver != UNADDRESSED)).all()
    assert {json.loads(row.body)["id"] for row in found} == {row.id for row in found}
    assert len({row.id for row in found}) == 2
    assert all(row.critical for row in found)


def test_dispatching_twice_adds_nothing(engine: Engine) -> None:
    tell(engine, FIRES)
    sent(engine, Plan(("a",)))

    assert sent(engine, Plan(("a",))) == [("a", "firing")]


def test_a_dispatch_that_is_rolled_back_is_repeated_whole_and_with_the_same_ids(engine: Engine) -> None:
    tell(engine, FIRES)
    ids = []
    for _ in range(2):
        with engine.connect() as connection:
            dispatch(connection, Plan(("a", "b")), NOW)
            ids.append(set(connection.scalars(select(outbox.c.id))))
            connection.rollback()

    assert ids[0] == ids[1]
    assert sent(engine, Plan(("a", "b"))) == [("a", "firing"), ("b", "firing")]


def test_who_was_told_is_told_that_it_is_over_whatever_the_time_is_by_then(engine: Engine) -> None:
    day = route("day", "a", during=[{"days": ["mon"]}])
    night = route("night", "b")
    plan = Plan(("a", "b"), (day, night))
    monday, tuesday = 1_770_000_000_000, 1_770_000_000_000 + 24 * 60 * MINUTE
    tell(engine, FIRES)
    sent(engine, plan, monday)
    tell(engine, ENDS)

    assert sent(engine, plan, tuesday) == [("a", "firing"), ("a", "resolved")]


def test_a_route_for_some_stages_leaves_the_others_out(engine: Engine) -> None:
    plan = Plan(("a",), (route("r", "a", stages=["firing", "escalated"]),))
    tell(engine, FIRES, ENDS)

    assert sent(engine, plan) == [("a", "firing")]


def test_who_hears_of_an_incident_for_the_first_time_hears_that_it_fires(engine: Engine) -> None:
    plan = Plan(("a", "b"), (route("critical", "a", "b", severities=["critical"]), route("rest", "a")))
    tell(engine, FIRES, severity="warning")
    sent(engine, plan)
    tell(engine, WORSENS, severity="critical")

    assert sent(engine, plan) == [("a", "firing"), ("a", "updated"), ("b", "firing")]


def test_something_critical_that_no_route_takes_goes_to_everybody(engine: Engine) -> None:
    plan = Plan(("a", "b"), (route("r", "a", sites=["rotterdam"]),))
    tell(engine, FIRES)

    assert sent(engine, plan) == [("a", "firing"), ("b", "firing")]


def test_a_warning_that_no_route_takes_goes_to_nobody_and_is_counted(engine: Engine) -> None:
    tell(engine, FIRES, severity="warning")
    with engine.begin() as connection:
        done = dispatch(connection, Plan(("a",), (route("r", "a", sites=["rotterdam"]),)), NOW)

    assert (done.news, done.unrouted) == (1, 1)
    assert rows(engine) == []


def test_a_route_to_nobody_is_heeded_even_for_something_critical(engine: Engine) -> None:
    tell(engine, FIRES)

    assert sent(engine, Plan(("a",), (route("silence", rules=["warm"]),))) == []


def test_the_fallback_stands_in_for_a_receiver_that_is_gone(engine: Engine) -> None:
    with engine.begin() as connection:
        keep(connection, Health("a", target_hash("x")).gone("410", NOW))
    tell(engine, FIRES)

    assert sent(engine, Plan(("a", "b"), fallbacks=(("a", "b"),))) == [("b", "firing")]


def test_the_canary_goes_to_the_receiver_that_it_tries(engine: Engine) -> None:
    tell(engine, FIRES, rule=CANARY_RULE)

    assert sent(engine, Plan(("a", "b"), (route("r", "a"),), canary="b")) == [("b", "firing")]


STEPS = [{"after_minutes": 10, "to": ["boss"]}, {"after_minutes": 30, "to": ["boss", "owner"]}]
PLAN = Plan(("a", "boss", "owner"), (route("r", "a", escalate=STEPS),))


def test_steps_are_taken_when_nobody_takes_note(engine: Engine) -> None:
    tell(engine, FIRES)
    sent(engine, PLAN)

    assert [later(engine, NOW + minutes * MINUTE) for minutes in (9, 10, 11, 30, 60)] == [0, 1, 0, 2, 0]
    assert rows(engine) == [("a", "firing"), ("boss", "escalated"), ("boss", "escalated"), ("owner", "escalated")]


def test_a_step_says_which_it_is_and_how_long_the_alert_has_waited(engine: Engine) -> None:
    tell(engine, FIRES)
    sent(engine, PLAN)
    later(engine, NOW + 10 * MINUTE)

    with engine.connect() as connection:
        row = connection.execute(select(outbox).where(outbox.c.receiver == "boss")).one()
    assert json.loads(row.body)["escalation"] == {"route": "r", "step": 1, "after_s": 600}
    assert json.loads(row.body)["id"] == row.id


def test_taking_note_ends_the_steps_but_not_the_alert(engine: Engine) -> None:
    tell(engine, FIRES)
    sent(engine, PLAN)
    with engine.begin() as connection:
        acknowledge(connection, connection.scalar(select(alert.c.id)) or "", "ann", NOW)

    assert later(engine, NOW + 60 * MINUTE) == 0
    with engine.connect() as connection:
        assert set(connection.scalars(select(escalation.c.state))) == {"stopped"}
        assert connection.scalar(select(alert.c.state)) == "firing"


def test_the_end_of_an_alert_ends_the_steps(engine: Engine) -> None:
    tell(engine, FIRES, ENDS)
    sent(engine, PLAN)

    assert later(engine, NOW + 60 * MINUTE) == 0


def test_who_was_called_by_a_step_is_told_that_it_is_over(engine: Engine) -> None:
    tell(engine, FIRES)
    sent(engine, PLAN)
    later(engine, NOW + 10 * MINUTE)
    tell(engine, ENDS)

    assert ("boss", "resolved") in sent(engine, PLAN)


def test_a_step_that_is_rolled_back_is_taken_again_once(engine: Engine) -> None:
    tell(engine, FIRES)
    sent(engine, PLAN)
    with engine.connect() as connection:
        escalate(connection, PLAN, NOW + 10 * MINUTE)
        connection.rollback()

    assert later(engine, NOW + 10 * MINUTE) == 1
    assert later(engine, NOW + 10 * MINUTE) == 0


def test_what_was_found_late_is_not_escalated(engine: Engine) -> None:
    tell(engine, FIRES, late_ms=6 * 60 * MINUTE)

    assert sent(engine, PLAN) == [("a", "firing")]
    assert later(engine, NOW + 600 * MINUTE) == 0


def test_a_step_keeps_the_receivers_of_the_time_when_the_alert_fired(engine: Engine) -> None:
    tell(engine, FIRES)
    sent(engine, PLAN)
    with engine.begin() as connection:
        connection.execute(update(escalation).where(escalation.c.step == 1).values(due_ms=NOW))

    later(engine, NOW)

    assert ("boss", "escalated") in rows(engine)


def test_the_fallback_takes_the_step_of_a_receiver_that_is_gone(engine: Engine) -> None:
    plan = Plan(PLAN.receivers, PLAN.routes, (("boss", "owner"),))
    tell(engine, FIRES)
    sent(engine, plan)
    with engine.begin() as connection:
        keep(connection, Health("boss", target_hash("x")).gone("410", NOW))

    assert later(engine, NOW + 30 * MINUTE, plan) == 2
    assert rows(engine) == [("a", "firing"), ("owner", "escalated"), ("owner", "escalated")]
