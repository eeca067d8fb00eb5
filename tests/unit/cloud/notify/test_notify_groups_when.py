"""When what belongs together is told: waits, intervals, and what is critical.

Some tests carry the number of a thread about Alertmanager or ThingsBoard whose complaint they answer.
"""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select

from frostline_cloud.notify import Plan, RouteConfig
from frostline_cloud.notify.grouping.joining import read
from frostline_cloud.notify.grouping.telling import forget
from frostline_cloud.sql.tables import notice_group
from frostline_core.config import parse
from frostline_core.errors import ConfigError
from tests.support.duty import INTERVAL, SECOND, WAIT, Duty, duty, route
from tests.support.office import ENDS, FIRES, Office, drain


def test_alerts_of_a_site_that_fire_within_the_wait_are_one_message(office: Office) -> None:
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1", "room-2")
    ours.wait(20 * SECOND)
    ours.tell("warning", FIRES, "room-3")
    assert ours.told == []

    ours.wait(10 * SECOND)

    assert ours.told == [{"fired": ["room-1", "room-2", "room-3"]}]
    assert ours.inbox.types_taken == ["group"]
    assert ours.inbox.taken[0]["group"]["by"] == {"site": "hamburg"}


def test_each_site_has_a_group_of_its_own(office: Office) -> None:
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1")
    ours.tell("warning", FIRES, "room-2", site="bremen")

    ours.wait(WAIT)

    assert sorted(str(each) for each in ours.told) == ["{'fired': ['room-1']}", "{'fired': ['room-2']}"]


def test_a_label_of_choice_groups(office: Office) -> None:
    ours = duty(office, {"by": ["label.product"]})
    ours.tell("warning", FIRES, "room-1", labels={"product": "fish"})
    ours.tell("warning", FIRES, "room-2", labels={"product": "fish"}, site="bremen")
    ours.tell("warning", FIRES, "room-3")

    ours.wait(WAIT)

    assert sorted(len(each["fired"]) for each in ours.told) == [1, 2]


def test_something_critical_is_told_at_once_and_takes_with_it_what_waits(office: Office) -> None:
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1")
    ours.tell("critical", FIRES, "room-2")
    assert ours.told == [{"fired": ["room-2", "room-1"]}]

    ours.wait(5 * SECOND)
    ours.tell("critical", FIRES, "room-3")

    assert ours.told[1] == {"fired": ["room-3"], "firing": ["room-2", "room-1"]}
    assert ours.inbox.taken[1]["severity"] == "critical"


def test_what_comes_later_waits_for_the_interval(office: Office) -> None:
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1")
    ours.wait(WAIT)
    ours.tell("warning", FIRES, "room-2")
    ours.wait(INTERVAL - SECOND)
    assert len(ours.told) == 1

    ours.wait(SECOND)

    assert ours.told[1] == {"fired": ["room-2"], "firing": ["room-1"]}


def test_after_a_quiet_while_what_comes_waits_only_for_more(office: Office) -> None:
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1")
    ours.wait(WAIT + 2 * INTERVAL)
    ours.tell("warning", FIRES, "room-2")

    ours.wait(WAIT)

    assert ours.told[1] == {"fired": ["room-2"], "firing": ["room-1"]}


def test_each_process_reads_the_timers_from_sql(office: Office) -> None:
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1")
    office.now += WAIT

    drain(Duty(office, ours.plan, ours.inbox).desk)

    assert ours.told == [{"fired": ["room-1"]}]


def test_a_group_that_is_over_is_forgotten(office: Office) -> None:
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1")
    ours.wait(WAIT)
    ours.tell("warning", ENDS, "room-1")
    ours.wait(2 * INTERVAL)

    with office.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(notice_group)) == 0
    assert office.states() == {"delivered": 2}


def test_a_route_that_no_longer_groups_tells_what_waits_and_then_one_by_one(office: Office) -> None:
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1")
    ours.plan = Plan(("duty",), (parse({"name": "all", "to": ["duty"]}, RouteConfig, "test"),))
    ours.wait(WAIT)
    ours.tell("warning", FIRES, "room-2")

    assert ours.inbox.types_taken == ["group", "firing"]
    with office.engine.connect() as connection:
        assert read(connection, [ours.inbox.taken[0]["group"]["id"]]) == {}


def test_the_defaults_are_a_cold_chain_teams(office: Office) -> None:
    group = route().group
    assert group is not None
    assert (group.by, group.wait_s, group.critical_wait_s) == (("site",), 30, 0)
    assert (group.interval_s, group.repeat_s) == (300, 3600)


@pytest.mark.parametrize(
    ("group", "said"),
    [
        ({"by": ["sites"]}, "no 'sites' .did you mean 'site'"),
        ({"by": ["label."]}, "use site, node"),
        ({"by": ["site", "site"]}, "names something twice"),
        ({"wait_s": -1}, "wait_s"),
        ({"every_s": 1}, "every_s"),
    ],
)
def test_a_faulty_group_is_refused_with_its_place(group: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        route(group)


def test_a_group_of_a_receiver_that_there_is_no_longer_is_forgotten_once_nothing_waits_in_it(office: Office) -> None:
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1")
    with office.engine.begin() as connection:
        assert forget(connection, ["boss"]) == 0
    ours.wait(WAIT)

    with office.engine.begin() as connection:
        assert forget(connection, ["boss"]) == 1
