"""What follows from a gateway, a site or a device that is silent is shown, and told only once."""

from __future__ import annotations

from sqlalchemy import Engine, insert, select, update

from frostline_cloud import alerts
from frostline_cloud.alerts.topology import GATEWAY_RULE, SETTLE_MS, SITE_RULE, watch
from frostline_cloud.notify import UNADDRESSED
from frostline_cloud.notify.dispatch import dispatch
from frostline_cloud.notify.plan import Plan
from frostline_cloud.sql.tables import alert, handling, node, outbox
from frostline_core.rules import Phase, RuleSet, Series, Transition
from frostline_core.rules import parse as parse_rule

NOW = 1_770_000_000_000
AFTER = 300_000
PLAN = Plan(("ops",))


def born(engine: Engine, *names: str, site: str = "hamburg") -> None:
    about = {"online": True, "proved": True, "bd_seq": 0, "birth_ms": NOW - AFTER, "birth": b"x"}
    with engine.begin() as connection:
        connection.execute(insert(node), [{"site": site, "node": name, **about} for name in names])


def died(engine: Engine, *names: str, at_ms: int = NOW) -> None:
    with engine.begin() as connection:
        connection.execute(update(node).where(node.c.node.in_(names)).values(online=False, death_ms=at_ms))


def back(engine: Engine, *names: str, at_ms: int = NOW + 1) -> None:
    with engine.begin() as connection:
        values = {"online": True, "death_ms": None, "birth_ms": at_ms}
        connection.execute(update(node).where(node.c.node.in_(names)).values(**values))


def silent(
    engine: Engine, count: int, *, name: str = "gw-1", severity: str = "warning", metrics: int = 1, rule: str = "silent"
) -> None:
    table = {"id": rule, "type": "absence", "title": "S", "select": {"metric": "*"}, "max_silence": "15m"}
    rules = RuleSet.of([parse_rule({**table, "severity": severity}, "test")])
    steps = [
        Transition(
            rule, Series("hamburg", name, f"room-{n}", "cold_room", "", f"m-{m}"), Phase.OK, Phase.FIRING, NOW, None,
            None, "no data",
        )
        for n in range(count)
        for m in range(metrics)
    ]  # fmt: skip
    with engine.begin() as connection:
        alerts.record(connection, steps, rules, [UNADDRESSED], NOW)


def look(engine: Engine, now_ms: int = NOW) -> int:
    return watch(engine, [UNADDRESSED], AFTER, now_ms)


def told(engine: Engine, now_ms: int = NOW) -> list[tuple[str, str]]:
    """Rule and type of everything that was told, after dispatch; then nothing of it is told again."""
    with engine.begin() as connection:
        while dispatch(connection, PLAN, now_ms).news:
            pass
        query = select(alert.c.rule, outbox.c.type).join(outbox, outbox.c.alert == alert.c.id)
        query = query.where(outbox.c.receiver == "ops", outbox.c.state == "waiting").order_by(outbox.c.created_ms)
        found = [(row.rule, row.type.removeprefix("alert.")) for row in connection.execute(query)]
        connection.execute(update(outbox).where(outbox.c.receiver == "ops").values(state="delivered"))
        return found


def let_go(engine: Engine, now_ms: int = NOW) -> int:
    with engine.begin() as connection:
        return alerts.release(connection, alerts.releasable(connection, now_ms), UNADDRESSED, now_ms)


def muted(engine: Engine) -> dict[str | None, int]:
    with engine.connect() as connection:
        found: dict[str | None, int] = {}
        for row in connection.execute(select(handling.c.muted_by)):
            found[row.muted_by] = found.get(row.muted_by, 0) + 1
        return found


def test_the_alert_of_a_gateway_says_which_one_it_is(engine: Engine) -> None:
    born(engine, "gw-1", "gw-2", "gw-3")
    died(engine, "gw-2", at_ms=NOW - AFTER)
    look(engine)

    with engine.connect() as connection:
        (found,) = alerts.open_alerts(connection)

    assert found.summary == "Gateway is offline: hamburg gw-2, nothing comes"


def test_a_gateway_that_is_offline_for_long_enough_is_an_alert_until_it_is_back(engine: Engine) -> None:
    born(engine, "gw-1")
    died(engine, "gw-1")

    assert look(engine, NOW + AFTER - 1) == 0
    assert look(engine, NOW + AFTER) == 1
    assert look(engine, NOW + AFTER + 1) == 0
    back(engine, "gw-1")
    assert look(engine, NOW + AFTER + 2) == 1
    assert look(engine, NOW + AFTER + 3) == 0


def test_two_hundred_sensors_behind_one_dead_gateway_are_one_notification(engine: Engine) -> None:
    born(engine, "gw-1")
    died(engine, "gw-1")
    silent(engine, 200)

    look(engine)

    assert told(engine) == [(GATEWAY_RULE, "firing")]
    assert muted(engine) == {"gateway hamburg/gw-1 is offline": 200}


def test_nothing_is_told_of_them_even_before_the_gateways_alert_is_there(engine: Engine) -> None:
    born(engine, "gw-1")
    died(engine, "gw-1")
    silent(engine, 3)

    assert told(engine) == []
    look(engine)
    assert told(engine) == [(GATEWAY_RULE, "firing")]


def test_what_still_lasts_when_the_gateway_is_back_is_told_then(engine: Engine) -> None:
    born(engine, "gw-1")
    died(engine, "gw-1")
    silent(engine, 2)
    look(engine)
    told(engine)

    assert let_go(engine) == 0
    back(engine, "gw-1")
    look(engine, NOW + 1)
    assert let_go(engine, NOW + SETTLE_MS) == 0
    assert let_go(engine, NOW + SETTLE_MS + 1) == 2
    assert sorted(told(engine, NOW + SETTLE_MS + 1)) == [
        (GATEWAY_RULE, "resolved"),
        ("silent", "firing"),
        ("silent", "firing"),
    ]


def test_a_gateways_alert_is_as_grave_as_what_follows_from_it(engine: Engine) -> None:
    born(engine, "gw-1")
    died(engine, "gw-1")
    silent(engine, 1)
    look(engine)
    told(engine)
    silent(engine, 1, severity="critical", rule="silent-2")

    assert look(engine, NOW + 1) == 1
    assert told(engine, NOW + 1) == [(GATEWAY_RULE, "updated")]
    with engine.connect() as connection:
        assert connection.scalar(select(alert.c.severity).where(alert.c.rule == GATEWAY_RULE)) == "critical"


def test_many_gateways_of_a_site_at_once_are_one_notification(engine: Engine) -> None:
    born(engine, "gw-1", "gw-2", "gw-3", "gw-4")
    died(engine, "gw-1", "gw-2", "gw-3")
    silent(engine, 5)
    silent(engine, 5, name="gw-2")

    look(engine, NOW + AFTER)

    assert told(engine, NOW + AFTER) == [(SITE_RULE, "firing")]
    assert muted(engine)["site hamburg is offline"] == 3


def test_when_the_site_is_back_the_gateway_that_is_not_is_told(engine: Engine) -> None:
    born(engine, "gw-1", "gw-2", "gw-3")
    died(engine, "gw-1", "gw-2")
    look(engine, NOW + AFTER)
    told(engine, NOW + AFTER)

    back(engine, "gw-2")
    look(engine, NOW + AFTER + 1)
    let_go(engine, NOW + AFTER + 1)

    found = told(engine, NOW + AFTER + 1)
    assert sorted(found) == [(GATEWAY_RULE, "firing"), (SITE_RULE, "resolved")]


def test_one_gateway_of_many_is_not_the_site(engine: Engine) -> None:
    born(engine, "gw-1", "gw-2", "gw-3", "gw-4", "gw-5")
    died(engine, "gw-1", "gw-2")

    look(engine, NOW + AFTER)

    assert told(engine, NOW + AFTER) == [(GATEWAY_RULE, "firing"), (GATEWAY_RULE, "firing")]


def test_a_device_that_is_silent_in_many_metrics_is_one_notification(engine: Engine) -> None:
    born(engine, "gw-1")
    silent(engine, 1, metrics=6)

    assert told(engine) == [("silent", "firing")]
    assert sum(muted(engine).values()) == 5


def test_a_graver_alert_of_the_same_device_is_told(engine: Engine) -> None:
    born(engine, "gw-1")
    silent(engine, 1)
    told(engine)
    silent(engine, 1, severity="critical", rule="silent-2")

    assert told(engine) == [("silent-2", "firing")]


def test_an_alert_that_somebody_quietened_stands_for_no_other(engine: Engine) -> None:
    born(engine, "gw-1")
    silent(engine, 1)
    told(engine)
    with engine.begin() as connection:
        first = connection.scalar(select(alert.c.id))
        alerts.shelve(connection, str(first), NOW + 1000, "why", alerts.Doing("anna", NOW))
    silent(engine, 1, rule="silent-2")

    assert told(engine) == [("silent-2", "firing")]


def test_what_is_too_warm_is_told_although_its_gateway_is_offline(engine: Engine) -> None:
    born(engine, "gw-1")
    died(engine, "gw-1")
    table = {"id": "warm", "type": "threshold", "title": "W", "select": {"metric": "*"}, "above": 8}
    room = Series("hamburg", "gw-1", "room-1", "cold_room", "", "air_temperature")
    fires = Transition("warm", room, Phase.OK, Phase.FIRING, NOW, 9.0, 8.0, "")
    with engine.begin() as connection:
        alerts.record(connection, [fires], RuleSet.of([parse_rule(table, "test")]), [UNADDRESSED], NOW)

    assert told(engine) == [("warm", "firing")]


def test_a_gateway_that_is_retired_or_not_watched_is_no_alert(engine: Engine) -> None:
    born(engine, "gw-1")
    born(engine, "canary", site="frostline-canary")
    died(engine, "gw-1", "canary")
    with engine.begin() as connection:
        connection.execute(update(node).where(node.c.node == "gw-1").values(birth=None))

    assert watch(engine, [UNADDRESSED], AFTER, NOW + AFTER, ["frostline-canary"]) == 0
